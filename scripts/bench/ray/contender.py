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

import numpy as np
import ray
from ray.util import placement_group, remove_placement_group

BATCH = 1000
# A million tasks take Ray ten minutes on a small machine. The row is a rate, so it queues fewer.
QUEUED_COUNT = int(os.environ.get("RAY_QUEUED_COUNT", "20000"))
LARGE_LENGTH = 100 * 1024 * 1024
SETTLE_SECONDS = 2


@ray.remote
def small_value():
    return b"ok"


@ray.remote(num_cpus=0)
class Actor:
    def small_value(self):
        return b"ok"


@ray.remote
def count_arguments(*lists):
    return sum(len(each) for each in lists)


@ray.remote(num_returns=3000)
def many_returns():
    each = list(range(10000))
    return tuple(each for _ in range(3000))


def repeated(run, units=1):
    return {"run": run, "units": units}


def get_small():
    ref = ray.put(0)
    return repeated(lambda: ray.get(ref))


def put_gigabytes():
    array = np.zeros(LARGE_LENGTH, dtype=np.int64)
    return repeated(lambda: ray.put(array), 8 * 0.1)


def get_large():
    ref = ray.put(np.zeros(LARGE_LENGTH, dtype=np.int64))
    return repeated(lambda: ray.get(ref))


def wait_batch():
    def run():
        not_ready = [small_value.remote() for _ in range(BATCH)]
        fetch_local = True
        for _ in range(BATCH):
            _, not_ready = ray.wait(not_ready, fetch_local=fetch_local)
            fetch_local = False

    return repeated(run)


def tasks(count):
    if count == 1:
        return repeated(lambda: ray.get(small_value.remote()))
    return repeated(lambda: ray.get([small_value.remote() for _ in range(count)]), count)


def actor_calls(count):
    actor = Actor.remote()
    ray.get(actor.small_value.remote())
    if count == 1:
        return repeated(lambda: ray.get(actor.small_value.remote()))
    return repeated(lambda: ray.get([actor.small_value.remote() for _ in range(count)]), count)


def placement_groups():
    def run():
        groups = [placement_group(bundles=[{"custom": 0.001}]) for _ in range(100)]
        for group in groups:
            group.wait(timeout_seconds=30)
        for group in groups:
            remove_placement_group(group)

    return repeated(run, 100)


def many_arguments():
    each = [1] * 10000
    lists = [each] * 10000
    return repeated(lambda: ray.get(count_arguments.remote(*lists)))


def many_refs():
    each = list(range(10000))
    return repeated(lambda: ray.get([ray.put(each) for _ in range(10000)]))


def init_to_first_result(_seconds):
    program = os.path.join(os.path.dirname(__file__), "init_program.py")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def process_tree():
    rows = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf8") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{name}/cmdline", encoding="utf8") as line:
                rows[int(name)] = (int(fields[1]), fields, line.read())
        except (FileNotFoundError, ProcessLookupError):
            continue
    tree = {os.getpid()}
    grown = True
    while grown:
        found = {pid for pid, row in rows.items() if row[0] in tree} - tree
        tree |= found
        grown = bool(found)
    return [rows[pid] for pid in tree if pid in rows]


def cpu_seconds():
    ticks = os.sysconf("SC_CLK_TCK")
    return sum((int(row[1][11]) + int(row[1][12])) / ticks for row in process_tree())


def idle_cpu(seconds):
    time.sleep(SETTLE_SECONDS)
    before, started = cpu_seconds(), time.perf_counter()
    time.sleep(seconds)
    return 100 * (cpu_seconds() - before) / (time.perf_counter() - started)


def worker_rss(_seconds):
    time.sleep(SETTLE_SECONDS)
    workers = [row for row in process_tree() if row[2].startswith("ray::")]
    return sum(int(row[1][21]) * 4096 for row in workers) / len(workers) / 1e6


def in_cluster(make, **options):
    def prepare():
        ray.init(address="local", include_dashboard=False, log_to_driver=False, **options)
        return make()

    return prepare


ROWS = {
    "single client get calls": in_cluster(get_small),
    "single client put calls": in_cluster(lambda: repeated(lambda: ray.put(0))),
    "single client put gigabytes": in_cluster(put_gigabytes),
    "single client get 800 MB": in_cluster(get_large),
    "single client wait 1k refs": in_cluster(wait_batch),
    "single client tasks sync": in_cluster(lambda: tasks(1)),
    "single client tasks async": in_cluster(lambda: tasks(BATCH)),
    "1:1 actor calls sync": in_cluster(lambda: actor_calls(1)),
    "1:1 actor calls async": in_cluster(lambda: actor_calls(BATCH)),
    "placement group create/removal": in_cluster(placement_groups, resources={"custom": 100}),
    "10,000 arguments": in_cluster(many_arguments),
    "3,000 returns": in_cluster(lambda: repeated(lambda: ray.get(many_returns.remote()))),
    "10,000-ref get": in_cluster(many_refs),
    "1,000,000 queued tasks": in_cluster(lambda: tasks(QUEUED_COUNT)),
    "init() to first result": lambda: {"sample": init_to_first_result},
    "idle CPU": in_cluster(lambda: {"sample": idle_cpu}),
    "idle worker RSS": in_cluster(lambda: {"sample": worker_rss}),
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
            answer({"value": workload["sample"](request["seconds"])})
            continue
        count, elapsed = repeat(workload["run"], request["seconds"], step)
        if request["op"] == "warm":
            step = count // 10 + 1
        answer({"value": count * workload["units"] / elapsed})


def main():
    answers = os.fdopen(3, "w", encoding="utf8")

    def answer(line):
        print(json.dumps(line), file=answers, flush=True)

    prepare = ROWS.get(sys.argv[-1])
    if prepare is None:
        answer({"missing": True})
        return
    workload = prepare()
    answer({"ready": True})
    serve(answer, workload)
    ray.shutdown()


if __name__ == "__main__":
    main()
