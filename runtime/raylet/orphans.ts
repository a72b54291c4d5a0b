// Workers whose lease ends under them: whoever held it has ended, or is cut off from this node or
// from the worker. What runs there is told to end, and the worker leaves; or it stays for what it
// owns, of which the holder of its lease knows nothing.
//   1. told to end, with little time
//   2. nothing runs there any more, and others hold what it owns: it is retired (retired.ts)
//   3. or it is gone; killed, where its task did not end in time
// Invariants:
//   OW1. Its lease ends before it stays, and it is given none any more: nothing that its owner has
//        run elsewhere goes on here.
import { breakLease, endLease } from './leases.ts'
import { lostWorker } from './lost-worker.ts'
import { setRetired } from './pools.ts'
import type { Client, Worker } from './state.ts'
import type { EventOf, Turn } from './turn.ts'
import { askToExit, idleStays, ORPHAN_GRACE_MS } from './workers.ts'

/** Step 1. */
export function endOrphans(turn: Turn, { leases }: Client): void {
  for (const lease of [...leases]) {
    const { worker } = lease
    endLease(turn, lease)
    if (worker !== undefined) askToExit(turn, worker, 'ORPHANED', ORPHAN_GRACE_MS)
  }
}

/** It owns objects that others need, so it did not leave. */
export function staying(turn: Turn, { client }: EventOf<'staying'>): void {
  const worker = turn.state.workers.get(client)
  if (worker?.phase !== 'EXITING' || !worker.mayStay) return
  if (worker.cause === 'ORPHANED') orphanStays(turn, worker)
  else idleStays(turn, worker)
}

/** Step 2. */
function orphanStays(turn: Turn, worker: Worker): void {
  const { workerId, pid, lease } = worker
  if (lease !== undefined) {
    breakLease(turn, lease, { ...lostWorker(workerId), pid, cause: 'ORPHANED' })
  }
  worker.cause = undefined
  worker.mayStay = false
  worker.deadlineMs = undefined
  setRetired(worker)
}
