// The soft cap on the workers of one function: tasks that wait in `get` have given their CPUs back,
// and if whoever comes next waits as well, there is soon a process for each.
//   fewer wait than the cap ──► granted as resources allow
//   as many, or more ─────────► one more after 1 s, and then after 2, 4, 8, 10, 10, … s
// A class is one function of one process, so each level of a recursion is counted for itself. Those
// that run come on top, up to one per CPU: CPUs do not idle because others wait a moment.
// Invariants:
//   KC1. What is held back is granted in the end: what the others wait for may be among it.
//   KC2. Who has no lease is not held back.
// Only where the cluster is one node: of several, placement would have to know.
// Source: Ray local_lease_manager.cc (worker_cap_enabled: CPUs / demand, by function and depth).
import {
  WORKER_CAP_MAX_BACKOFF_MS,
  WORKER_CAP_MIN,
  WORKER_CAP_MIN_BACKOFF_MS,
} from '../common/limits.ts'
import type { RayletState, SchedulingClass } from './state.ts'
import { wakeBy, type Turn } from './turn.ts'

/** Whether it gets no lease now, though it may be free. */
export function isHeldBack(turn: Turn, each: SchedulingClass): boolean {
  const beyond = each.blocked - softCapOf(turn.state, each)
  if (beyond < 0) {
    each.heldSinceMs = undefined
    return false
  }
  each.heldSinceMs ??= turn.nowMs
  const backoffMs = Math.min(WORKER_CAP_MIN_BACKOFF_MS * 2 ** beyond, WORKER_CAP_MAX_BACKOFF_MS)
  const untilMs = each.heldSinceMs + backoffMs
  if (turn.nowMs >= untilMs) return false
  wakeBy(turn, untilMs)
  return true
}

/** It has got one: the next is to wait anew. */
export function leaseGranted(each: SchedulingClass): void {
  each.heldSinceMs = undefined
}

/** For `virga status --why`; undefined: it is not held back. */
export function whyHeldBack({ heldSinceMs, blocked }: SchedulingClass): string | undefined {
  if (heldSinceMs === undefined) return undefined
  return (
    `${String(blocked)} of these tasks wait in get(), each with a process of its own: ` +
    'one more is started every 1 to 10 s, until some of them go on'
  )
}

/** How many of its tasks may wait before that counts: what needs no CPU has given none back. */
function softCapOf({ cluster, config }: RayletState, { spec }: SchedulingClass): number {
  const { CPU: demand = 0 } = spec.demand
  if (demand === 0 || cluster !== undefined) return Infinity
  return Math.max(WORKER_CAP_MIN, Math.floor((config.totals['CPU'] ?? 0) / demand))
}
