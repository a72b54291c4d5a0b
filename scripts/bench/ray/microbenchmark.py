"""The rows of Ray's microbenchmark (ray_perf.py) and single-node envelope (test_single_node.py)."""

import multiprocessing
import os
import time

import numpy as np
import ray
from ray.util import placement_group, remove_placement_group

import tasks
from tasks import Actor, AsyncActor, Client, small_value

BATCH = 1000
# A million tasks take Ray ten minutes on a small machine. The row is a rate, so it queues fewer.
QUEUED_COUNT = int(os.environ.get("RAY_QUEUED_COUNT", "20000"))
LARGE_LENGTH = 100 * 1024 * 1024
LARGE_GIGABYTES = 8 * 0.1
CLIENTS = 4
CLIENT_TASKS = 10000
CALLS_WITH_ARGUMENT = 1000
ACTORS = max(1, multiprocessing.cpu_count() // 2)
HUGE_BYTES = 10 * 1000**3
TASKS_AHEAD = 100


def repeated(run, units=1):
    return {"run": run, "units": units}


def large_array(length=LARGE_LENGTH):
    # Filled: the pages of np.zeros are one page, which the cache holds.
    return np.full(length, 7, dtype=np.int64)


def get_small():
    ref = ray.put(0)
    return repeated(lambda: ray.get(ref))


def put_small():
    return repeated(lambda: ray.put(0))


def put_small_by_tasks():
    return repeated(lambda: ray.get([tasks.put_small.remote() for _ in range(10)]), 1000)


def put_gigabytes():
    array = large_array()
    return repeated(lambda: ray.put(array), LARGE_GIGABYTES)


def put_gigabytes_by_tasks():
    return repeated(
        lambda: ray.get([tasks.put_large.remote() for _ in range(10)]), 10 * LARGE_GIGABYTES
    )


def get_large(length):
    ref = ray.put(large_array(length))
    return repeated(lambda: ray.get(ref))


def get_refs():
    ref = tasks.create_object_containing_refs.remote()
    ray.wait([ref])
    return repeated(lambda: ray.get(ref))


def wait_batch():
    def run():
        not_ready = [small_value.remote() for _ in range(BATCH)]
        fetch_local = True
        for _ in range(BATCH):
            _, not_ready = ray.wait(not_ready, fetch_local=fetch_local)
            fetch_local = False

    return repeated(run)


def task_sync():
    return repeated(lambda: ray.get(small_value.remote()))


def task_batch(count, units):
    return repeated(lambda: ray.get([small_value.remote() for _ in range(count)]), units)


def clients_of_tasks():
    actors = [Actor.remote() for _ in range(CLIENTS)]
    return repeated(
        lambda: ray.get([actor.small_value_batch.remote(CLIENT_TASKS) for actor in actors]),
        CLIENTS * CLIENT_TASKS,
    )


def called(actor):
    ray.get(actor.small_value.remote())
    return actor


def call_sync(actor):
    return repeated(lambda: ray.get(actor.small_value.remote()))


def call_batch(actor):
    return repeated(lambda: ray.get([actor.small_value.remote() for _ in range(BATCH)]), BATCH)


def call_batch_with_arguments():
    actor = called(AsyncActor.remote())
    return repeated(
        lambda: ray.get([actor.small_value_with_arg.remote(i) for i in range(BATCH)]), BATCH
    )


def several(kind):
    return [called(kind.remote()) for _ in range(ACTORS)]


def one_to_many(kind):
    client = Client.remote(several(kind))
    return repeated(
        lambda: ray.get(client.small_value_batch.remote(tasks.CLIENT_CALLS)),
        tasks.CLIENT_CALLS * ACTORS,
    )


def many_to_many(kind):
    actors = several(kind)
    return repeated(
        lambda: ray.get([tasks.work.remote(actors) for _ in range(CLIENTS)]),
        CLIENTS * tasks.CLIENT_CALLS,
    )


def many_to_many_with_argument():
    clients = [Client.remote([actor]) for actor in several(Actor)]
    return repeated(
        lambda: ray.get([c.small_value_batch_arg.remote(CALLS_WITH_ARGUMENT) for c in clients]),
        CALLS_WITH_ARGUMENT * len(clients),
    )


def placement_groups():
    def run():
        groups = [placement_group(bundles=[{"custom": 0.001}]) for _ in range(100)]
        for group in groups:
            group.wait(timeout_seconds=30)
        for group in groups:
            remove_placement_group(group)

    return repeated(run, 100)


def many_arguments():
    lists = [[1] * 10000 for _ in range(10000)]
    return repeated(lambda: ray.get(tasks.count_arguments.remote(*lists)))


def many_refs():
    each = list(range(10000))
    return repeated(lambda: ray.get([ray.put(each) for _ in range(10000)]))


def huge_object():
    def run():
        read = ray.get(ray.put(np.zeros(HUGE_BYTES, dtype=np.int8)))
        assert read[0] == 0 and read[-1] == 0

    return repeated(run)


def latency(operate):
    def sample(seconds):
        samples = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            samples.append(operate())
        samples = np.sort(samples) * 1e6
        at = lambda share: float(samples[max(0, int(np.ceil(share * len(samples))) - 1)])
        return {"p50": at(0.5), "p99": at(0.99), "p99.9": at(0.999)}

    return {"sample": sample}


def timed(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def task_behind_others():
    def operate():
        ahead = [small_value.remote() for _ in range(TASKS_AHEAD)]
        took = timed(lambda: ray.get(small_value.remote()))
        ray.get(ahead)
        return took

    return latency(operate)


def actor_call():
    actor = called(Actor.remote())
    return latency(lambda: timed(lambda: ray.get(actor.small_value.remote())))
