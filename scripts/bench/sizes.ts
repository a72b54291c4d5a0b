// How much the rows of the bench work on: Ray's own numbers.
// Source: Ray ray_perf.py; release/benchmarks/single_node/test_single_node.py.

/** Calls of a pipelined row; refs of a `wait` row. */
export const BATCH = 1000
/** np.zeros(100 * 1024 * 1024, dtype=np.int64), which Ray counts as 0.8 GB. */
export const LARGE_BYTES = 100 * 1024 * 1024 * 8
export const LARGE_GIGABYTES = 8 * 0.1
export const ARGUMENT_COUNT = 10_000
export const RETURN_COUNT = 3000
export const REF_COUNT = 10_000
/** Numbers in each argument, return or object of the envelope's rows. */
export const LIST_LENGTH = 10_000
export const GROUP_COUNT = 100
export const QUEUED_COUNT = 1_000_000
