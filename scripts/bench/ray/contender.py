"""The columns `ray` and `raySd`: Ray itself, through its Python API, row by row in turn with Virga.

Speaks what scripts/bench/contender.ts speaks: the row is the last argument, requests are lines on
stdin, answers are lines on file descriptor 3; timing is Ray's own (ray_microbenchmark_helpers.py).
Each row does what the row of that name does in Ray's ray_perf.py or test_single_node.py.
"""

import json
import os
import subprocess
import sys
import time

import ray

import microbenchmark as m
import processes
import tasks
from tasks import Actor, AsyncActor

HUGE_STORE_BYTES = 11 * 1000**3
QUIET = {"include_dashboard": False, "log_to_driver": False}


def in_cluster(make, **options):
    def prepare():
        ray.init(address="local", **QUIET, **options)
        return make()

    return prepare


def as_client(make):
    """A driver that joins over ray://, as Ray's ray_client_microbenchmark.py has it."""

    def prepare():
        from ray._private.client_mode_hook import _explicitly_enable_client_mode
        from ray.util.client.ray_client_helpers import ray_start_client_server

        def connect(job_config=None, **_options):
            from ray._private.client_mode_hook import disable_client_hook

            with disable_client_hook():
                if not ray.is_initialized():
                    ray.init(address="local", **QUIET)

        server = ray_start_client_server(ray_connect_handler=connect)
        server.__enter__()
        # The rows call ray.get and ray.put, which go through the client only in client mode.
        _explicitly_enable_client_mode()
        if type(ray.put(0)).__name__ != "ClientObjectRef":
            raise RuntimeError("ray.put went to the driver of this process, not to the client")
        return {**make(), "end": lambda: server.__exit__(None, None, None)}

    return prepare


def available_bytes():
    with open("/proc/meminfo", encoding="utf8") as info:
        fields = dict(line.split(":") for line in info.read().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def huge_object():
    if available_bytes() < 2 * HUGE_STORE_BYTES:
        return {"missing": "an object of 10 GB needs 22 GB of free memory"}
    return in_cluster(m.huge_object, object_store_memory=HUGE_STORE_BYTES)()


def init_to_first_result(_seconds):
    program = os.path.join(os.path.dirname(__file__), "init_program.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    return {"value": float(done.stdout.split()[-1])}


def call_sync(kind):
    return lambda: m.call_sync(m.called(kind.remote()))


def call_batch(kind):
    return lambda: m.call_batch(m.called(kind.remote()))


def concurrent():
    return m.call_batch(m.called(Actor.options(max_concurrency=16).remote()))


ROWS = {
    "single client get calls": in_cluster(m.get_small),
    "single client put calls": in_cluster(m.put_small),
    "multi client put calls": in_cluster(m.put_small_by_tasks),
    "single client put gigabytes": in_cluster(m.put_gigabytes),
    "multi client put gigabytes": in_cluster(m.put_gigabytes_by_tasks),
    "single client get 8 MB": in_cluster(lambda: m.get_large(m.LARGE_LENGTH // 100)),
    "single client get 80 MB": in_cluster(lambda: m.get_large(m.LARGE_LENGTH // 10)),
    "single client get 800 MB": in_cluster(lambda: m.get_large(m.LARGE_LENGTH)),
    "single client tasks and get batch": in_cluster(lambda: m.task_batch(m.BATCH, 1)),
    "single client get object containing 10k refs": in_cluster(m.get_refs),
    "single client wait 1k refs": in_cluster(m.wait_batch),
    "single client tasks sync": in_cluster(m.task_sync),
    "single client tasks async": in_cluster(lambda: m.task_batch(m.BATCH, m.BATCH)),
    "multi client tasks async": in_cluster(m.clients_of_tasks),
    "1:1 actor calls sync": in_cluster(call_sync(Actor)),
    "1:1 actor calls async": in_cluster(call_batch(Actor)),
    "1:1 actor calls concurrent": in_cluster(concurrent),
    "1:n actor calls async": in_cluster(lambda: m.one_to_many(Actor)),
    "n:n actor calls async": in_cluster(lambda: m.many_to_many(Actor)),
    "n:n actor calls with arg async": in_cluster(m.many_to_many_with_argument),
    "1:1 async-actor calls sync": in_cluster(call_sync(AsyncActor)),
    "1:1 async-actor calls async": in_cluster(call_batch(AsyncActor)),
    "1:1 async-actor calls with args async": in_cluster(m.call_batch_with_arguments),
    "1:n async-actor calls async": in_cluster(lambda: m.one_to_many(AsyncActor)),
    "n:n async-actor calls async": in_cluster(lambda: m.many_to_many(AsyncActor)),
    "placement group create/removal": in_cluster(m.placement_groups, resources={"custom": 100}),
    "client: get calls": as_client(m.get_small),
    "client: put calls": as_client(m.put_small),
    "client: put gigabytes": as_client(m.put_gigabytes),
    "client: tasks and put batch": as_client(m.put_small_by_tasks),
    "client: tasks and get batch": as_client(lambda: m.task_batch(m.BATCH, 1)),
    "client: 1:1 actor calls sync": as_client(call_sync(Actor)),
    "client: 1:1 actor calls async": as_client(call_batch(Actor)),
    "client: 1:1 actor calls concurrent": as_client(concurrent),
    "10,000 arguments": in_cluster(m.many_arguments),
    "3,000 returns": in_cluster(lambda: m.repeated(lambda: ray.get(tasks.many_returns.remote()))),
    "10,000-ref get": in_cluster(m.many_refs),
    "1,000,000 queued tasks": in_cluster(lambda: m.task_batch(m.QUEUED_COUNT, m.QUEUED_COUNT)),
    "10 GB object": huge_object,
    "latency of a task": in_cluster(
        lambda: m.latency(lambda: m.timed(lambda: ray.get(tasks.small_value.remote())))
    ),
    "latency of a task behind 100": in_cluster(m.task_behind_others),
    "latency of an actor call": in_cluster(m.actor_call),
    "init() to first result": lambda: {"sample": init_to_first_result},
    "idle cluster": in_cluster(lambda: {"sample": processes.idle_cluster}),
}


def repeat(run, seconds, step):
    started = time.perf_counter()
    count = 0
    while True:
        for _ in range(step):
            run()
        count += step
        if time.perf_counter() - started >= seconds:
            return count, time.perf_counter() - started


def serve(answer, workload):
    step = 1
    for line in sys.stdin:
        request = json.loads(line)
        if "sample" in workload:
            answer({"values": workload["sample"](request["seconds"])})
            continue
        count, elapsed = repeat(workload["run"], request["seconds"], step)
        if request["op"] == "warm":
            step = count // 10 + 1
        answer({"values": {"value": count * workload["units"] / elapsed}})


def main():
    answers = os.fdopen(3, "w", encoding="utf8")

    def answer(line):
        print(json.dumps(line), file=answers, flush=True)

    prepare = ROWS.get(sys.argv[-1])
    if prepare is None:
        answer({"missing": "it has no such row"})
        return
    workload = prepare()
    if "missing" in workload:
        answer(workload)
        return
    answer({"ready": True})
    serve(answer, workload)
    workload.get("end", ray.shutdown)()


if __name__ == "__main__":
    main()
