// How many tasks are pushed to a lease ahead of what its worker runs, and to which lease (pure):
// enough that no worker waits for its next task, never so many that one waits while others idle.
// Keeps L2 of leases.ts; D14 says why nothing is pushed behind a task that may be long.
import { PIPELINE_BUDGET_MS, PIPELINE_DEPTH_MAX, STALL_MS } from '../common/limits.ts'
import type { Lease, SchedulingClass } from './scheduling-class.ts'
import type { TaskRecord } from './task-record.ts'

/** The open lease with the least in flight, if any has room. */
export function leastLoaded(cls: SchedulingClass, nowMs: number): Lease | undefined {
  let best: Lease | undefined
  for (const lease of cls.leases) {
    if (roomOf(lease) <= 0 || isStalled(lease, nowMs)) continue
    if (best === undefined || lease.peer.inFlight.size < best.peer.inFlight.size) best = lease
  }
  return best
}

/** Between how many leases what waits is shared. */
export function openLeaseCount(cls: SchedulingClass): number {
  let count = 0
  for (const lease of cls.leases) if (!lease.draining && !lease.peer.closed) count += 1
  return count
}

/** Its worker has not answered for longer than what was pushed ahead should take. */
export function isStalled(lease: Lease, nowMs: number): boolean {
  return lease.peer.inFlight.size > 0 && nowMs - lease.progressAtMs > STALL_MS
}

/** How many more tasks may be pushed to this lease now. */
export function roomOf(lease: Lease): number {
  const { peer, cls } = lease
  if (lease.draining || lease.retiring || lease.endedFor !== undefined) return 0
  if (peer.closed || peer.congested) return 0
  // How much it takes is known once it is connected (PE3).
  if (peer.dialling && peer.inFlight.size > 0) return 0
  const next = cls.queue.peek()
  if (next === undefined) return 0
  return mayFollow(next, lease) ? depthOf(next) - peer.inFlight.size : 0
}

/** How deep a lease may be filled with tasks like this one. */
export function depthOf(record: TaskRecord): number {
  const { averageMs } = record.kind.timing
  if (averageMs === undefined || !mayQueueBehind(record)) return 1
  const depth = Math.floor(PIPELINE_BUDGET_MS / Math.max(averageMs, 0.001))
  return Math.max(1, Math.min(depth, PIPELINE_DEPTH_MAX))
}

/** Whether `record` may be pushed while the lease still has others in flight. */
export function mayFollow(record: TaskRecord, lease: Lease): boolean {
  if (lease.peer.inFlight.size === 0) return true
  return !lease.exclusive && depthOf(record) > 1
}

/** Tasks that must not run twice, or are timed, are never pushed ahead: a crash of the worker
 *  could not tell whether they had begun. */
function mayQueueBehind(record: TaskRecord): boolean {
  const { maxRetries, timeoutMs, streaming } = record.kind
  return maxRetries !== 0 && timeoutMs === undefined && !streaming
}
