"""What an idle cluster of Ray costs, as scripts/bench/processes.ts measures it, from /proc."""

import os
import time

SETTLE_SECONDS = 2
ROUNDS_WATCHED = 10


def process_tree():
    rows = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf8") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{name}/cmdline", encoding="utf8") as line:
                rows[int(name)] = (int(fields[1]), fields, line.read(), int(name))
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


def rss(rows):
    return sum(int(row[1][21]) * 4096 for row in rows) / 1e6


def pss(rows):
    total = 0
    for row in rows:
        with open(f"/proc/{row[3]}/smaps_rollup", encoding="utf8") as rollup:
            fields = dict(line.split(":") for line in rollup.read().splitlines()[1:])
        total += int(fields["Pss"].split()[0]) * 1024
    return total / 1e6


def idle_cluster(seconds):
    time.sleep(SETTLE_SECONDS)
    before, started = cpu_seconds(), time.perf_counter()
    time.sleep(ROUNDS_WATCHED * seconds)
    cpu = 100 * (cpu_seconds() - before) / (time.perf_counter() - started)
    tree = process_tree()
    workers = [row for row in tree if row[2].startswith("ray::")]
    return {
        "cpu": cpu,
        "rss": rss(tree),
        "pss": pss(tree),
        "workerRss": rss(workers) / len(workers),
        "workerPss": pss(workers) / len(workers),
    }
