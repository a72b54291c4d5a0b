// A worker that has run what it may (maxCalls), or whose lease ended under it with whoever held it:
// it takes no more work, and ends by itself once nobody needs what it owns, at the latest with its
// job. Until then it asks those who hold something of it to collect.
// Invariants:
//   RW1. It is no worker that serves: it has no lease, and the cap counts it not (R5).
//   RW2. It has no deadline: killed while it is slow to read, it would take along what others hold.
//   RW3. One that lost its lease has a deadline until nothing of that runs: it is run again
//        elsewhere.
// Source: Ray core_worker.cc (a worker that reached max_calls drains its references, then exits).
import { setRetired } from './pools.ts'
import type { Worker } from './state.ts'
import { notify, type Turn } from './turn.ts'

export function retireWorker(turn: Turn, worker: Worker): void {
  setRetired(worker)
  notify(turn, worker.workerId, 'exit', { reason: 'SPENT' })
}
