// How much the rows of the bench work on: Ray's own numbers.
// Source: Ray ray_perf.py; release/benchmarks/single_node/test_single_node.py.
import { availableParallelism } from 'node:os'

/** Calls of a pipelined row; refs of a `wait` row. */
export const BATCH = 1000
/** np.zeros(100 * 1024 * 1024, dtype=np.int64), which Ray counts as 0.8 GB. */
export const LARGE_BYTES = 100 * 1024 * 1024 * 8
export const LARGE_GIGABYTES = 8 * 0.1
/** What `put` copies is never zero: all pages of untouched zeros are one page, held by the cache. */
export const FILLED_WITH = 7n

/** Rows of several clients: how many there are, and what each does per run. */
export const CLIENT_COUNT = 4
export const CLIENT_TASK_COUNT = 10_000
export const CLIENT_CALL_COUNT = 5000
export const CLIENT_CALL_WITH_ARGUMENT_COUNT = 1000
export const ACTOR_COUNT = Math.max(1, Math.floor(availableParallelism() / 2))
export const PUTTER_COUNT = 10
export const PUTS_PER_PUTTER = 100
export const LARGE_PUTS_PER_PUTTER = 10
export const PUTTER_BYTES = 10 * 1024 * 1024 * 8
export const PUTTERS_GIGABYTES = 10 * 8 * 0.1

export const ARGUMENT_COUNT = 10_000
export const RETURN_COUNT = 3000
export const REF_COUNT = 10_000
/** Numbers in each argument, return or object of the envelope's rows. */
export const LIST_LENGTH = 10_000
export const GROUP_COUNT = 100
export const QUEUED_COUNT = 1_000_000
export const HUGE_BYTES = 10e9
/** A latency under load is that of a task submitted behind this many others. */
export const TASKS_AHEAD = 100
