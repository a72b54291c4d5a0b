"""The remote functions and actors of the column `ray`, as in Ray's ray_perf.py."""

import functools

import numpy as np
import ray

CLIENT_CALLS = 5000
PUTTER_LENGTH = 10 * 1024 * 1024


@ray.remote
def small_value():
    return b"ok"


@ray.remote(num_cpus=0)
class Actor:
    def small_value(self):
        return b"ok"

    def small_value_arg(self, _value):
        return b"ok"

    def small_value_batch(self, n):
        ray.get([small_value.remote() for _ in range(n)])


@ray.remote
class AsyncActor:
    async def small_value(self):
        return b"ok"

    async def small_value_with_arg(self, _value):
        return b"ok"


@ray.remote(num_cpus=0)
class Client:
    def __init__(self, servers):
        self.servers = servers

    def small_value_batch(self, n):
        calls = []
        for server in self.servers:
            calls.extend([server.small_value.remote() for _ in range(n)])
        ray.get(calls)

    def small_value_batch_arg(self, n):
        value = ray.put(0)
        calls = []
        for server in self.servers:
            calls.extend([server.small_value_arg.remote(value) for _ in range(n)])
        ray.get(calls)


@ray.remote
def work(actors):
    ray.get([actors[i % len(actors)].small_value.remote() for i in range(CLIENT_CALLS)])


@ray.remote
def create_object_containing_refs():
    return [ray.put(1) for _ in range(10000)]


@ray.remote
def put_small():
    for _ in range(100):
        ray.put(0)


@functools.cache
def putter_array():
    # Filled, and once per worker: the pages of np.zeros are one page, which the cache holds.
    return np.full(PUTTER_LENGTH, 7, dtype=np.int64)


@ray.remote
def put_large():
    array = putter_array()
    for _ in range(10):
        ray.put(array)


@ray.remote
def count_arguments(*lists):
    return sum(len(each) for each in lists)


@ray.remote(num_returns=3000)
def many_returns():
    return tuple(list(range(10000)) for _ in range(3000))
