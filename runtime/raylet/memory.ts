// Which worker must go when memory runs out; decided on samples that the shell takes.
//   1. A worker that uses more than its own lease demands, beside what every worker needs, goes at
//      once (MEMORY_LIMIT).
//   2. While the node uses more than MEMORY_THRESHOLD, one worker at a time (MEMORY_PRESSURE): idle
//      ones first, the largest of them; then the newest lease whose work may be run again; then
//      the newest of the rest. The next one only after the last has gone: its memory may suffice.
// Source: Ray memory_monitor (threshold 0.95, every 250 ms), worker_killing_policy_by_retriable.
import { MEMORY_THRESHOLD } from '../common/limits.ts'
import { TOP_MEMORY_USERS, type MemoryUse } from '../common/memory-use.ts'
import { MEMORY, unitsOf } from '../common/resources.ts'
import type { WorkerExit } from '../protocol/messages.ts'
import type { Worker } from './state.ts'
import type { MemorySample, Turn } from './turn.ts'
import { kill } from './workers.ts'

/** What a worker needs before it runs anything: 46 MB, measured, and some air. */
const WORKER_BASE_BYTES = 64 * 1024 * 1024

export function memorySampled(turn: Turn, sample: MemorySample): void {
  const workers = [...turn.state.workers.values()]
  for (const worker of workers) {
    worker.rssBytes = sample.rssBytes.get(worker.workerId) ?? worker.rssBytes
    if (isOverLimit(worker)) end(turn, worker, 'MEMORY_LIMIT', sample)
  }
  if (sample.usedBytes <= sample.totalBytes * MEMORY_THRESHOLD) return
  const leaving = workers.some((each) => each.phase === 'EXITING' && isMemoryCause(each))
  if (leaving) return
  const victim = workers.filter((each) => each.phase !== 'EXITING').sort(firstToGo)[0]
  if (victim !== undefined) end(turn, victim, 'MEMORY_PRESSURE', sample)
}

/** Kill it, and keep who used what for those who hear of it. */
function end(turn: Turn, worker: Worker, cause: WorkerExit['cause'], sample: MemorySample): void {
  worker.memory = memoryUse(turn, worker, sample)
  kill(turn, worker, cause)
}

function memoryUse(turn: Turn, worker: Worker, sample: MemorySample): MemoryUse {
  const { usedBytes, totalBytes } = sample
  const limitBytes = limitOf(worker)
  const top = [...turn.state.workers.values()]
    .sort((a, b) => b.rssBytes - a.rssBytes)
    .slice(0, TOP_MEMORY_USERS)
    .map((worker) => ({ name: nameOf(worker), pid: worker.pid, rssBytes: worker.rssBytes }))
  return { usedBytes, totalBytes, limitBytes, top }
}

function nameOf({ lease, isRetired }: Worker): string {
  if (lease !== undefined) return lease.actor?.spec.className ?? lease.spec.name
  return isRetired ? 'a worker that is kept for what it owns' : 'an idle worker'
}

/** What its lease allows, beside what every worker needs. */
function limitOf({ lease }: Worker): number | undefined {
  const demandBytes = lease === undefined ? 0 : unitsOf(lease.spec.demand, MEMORY)
  return demandBytes > 0 ? demandBytes + WORKER_BASE_BYTES : undefined
}

function isOverLimit(worker: Worker): boolean {
  return worker.phase !== 'EXITING' && worker.rssBytes > (limitOf(worker) ?? Infinity)
}

const isMemoryCause = (worker: Worker): boolean =>
  worker.cause === 'MEMORY_PRESSURE' || worker.cause === 'MEMORY_LIMIT'

/** Idle, then retriable, then the rest; within idle the largest, else the newest. */
function firstToGo(a: Worker, b: Worker): number {
  const rank = rankOf(a) - rankOf(b)
  if (rank !== 0) return rank
  if (a.lease === undefined || b.lease === undefined) return b.rssBytes - a.rssBytes
  return b.lease.grantedAtMs - a.lease.grantedAtMs || b.lease.leaseId - a.lease.leaseId
}

function rankOf(worker: Worker): number {
  if (worker.lease === undefined) return 0
  const { actor, spec } = worker.lease
  const retriable = actor === undefined ? spec.retriable : actor.restartsLeft > 0
  return retriable ? 1 : 2
}
