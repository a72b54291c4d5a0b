"""Ray's first result from cold: prints the milliseconds from before init() to after get()."""

import time

import ray


@ray.remote
def small_value():
    return b"ok"


started = time.perf_counter()
ray.init(address="local", include_dashboard=False, log_to_driver=False)
ray.get(small_value.remote())
print(1000 * (time.perf_counter() - started))
ray.shutdown()
