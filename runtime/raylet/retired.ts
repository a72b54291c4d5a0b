// A worker that has run what it may (maxCalls): it takes no more work, and ends by itself once
// nobody needs what it owns, at the latest with its job. One that stays is a process that only a
// collection elsewhere may end, so those who may hold something of it are asked to collect.
// Invariants:
//   RW1. It is no worker that serves: it has no lease, and the cap counts it not (R5).
//   RW2. It has no deadline: killed while it is slow to read, it would take along what others hold.
// Source: Ray core_worker.cc (a worker that reached max_calls drains its references, then exits).
import { toHex, type JobId } from '../common/ids.ts'
import { tellNode } from './cluster/node-notices.ts'
import { setRetired } from './pools.ts'
import type { Worker } from './state.ts'
import { notify, wakeBy, type Turn } from './turn.ts'

/** Between two requests to collect; most leave at once, and then none is made. */
const COLLECT_EVERY_MS = 2000

export function retireWorker(turn: Turn, worker: Worker): void {
  const { state, nowMs } = turn
  setRetired(worker)
  notify(turn, worker.workerId, 'exit', { reason: 'SPENT' })
  if (state.collectForRetiredAtMs <= nowMs) state.collectForRetiredAtMs = nowMs + COLLECT_EVERY_MS
  wakeBy(turn, state.collectForRetiredAtMs)
}

/** On a tick. */
export function tendRetired(turn: Turn): void {
  const { state, nowMs } = turn
  const jobs = new Set<JobId>()
  for (const { jobId, retired } of state.pools.values()) if (retired > 0) jobs.add(jobId)
  if (jobs.size === 0) return
  if (state.collectForRetiredAtMs <= nowMs) {
    state.collectForRetiredAtMs = nowMs + COLLECT_EVERY_MS
    for (const jobId of jobs) askToCollect(turn, jobId)
  }
  wakeBy(turn, state.collectForRetiredAtMs)
}

/** The processes of this node, and the driver wherever it is. */
function askToCollect(turn: Turn, jobId: JobId): void {
  const { state } = turn
  for (const client of state.clients.values()) {
    if (client.jobId === jobId && client.link === undefined) {
      notify(turn, client.id, 'collectHandles', {})
    }
  }
  const job = state.jobs.get(jobId)
  const home = job?.drivenAt
  if (job === undefined || home === undefined || home === toHex(state.config.nodeId)) return
  tellNode(turn, home, 'toClient', { client: job.driver, type: 'collectHandles', message: {} })
}
