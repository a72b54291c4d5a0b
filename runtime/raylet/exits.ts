// The end of a worker's process: its lease breaks, its actor restarts or dies; their owners hear.
import { InvalidEnvError, WorkerCrashedError, type VirgaError } from '../common/errors.ts'
import { toHex } from '../common/ids.ts'
import { reasonFor } from '../common/reason.ts'
import type { WorkerExit } from '../protocol/messages.ts'
import { actorWorkerExited, endActor } from './actors/actor-end.ts'
import { describeExit } from './exit-text.ts'
import { breakLease, endLease, refuseClass } from './leases.ts'
import { removeWorker } from './pools.ts'
import type { Pool, Worker } from './state.ts'
import type { EventOf, Turn } from './turn.ts'
import { START_FAILURES_MAX } from './workers.ts'

export function workerExited(turn: Turn, event: EventOf<'workerExited'>): void {
  const worker = turn.state.workers.get(event.exit.workerId)
  if (worker === undefined) return
  const { memory } = worker
  const cause = worker.cause ?? causeOf(event.exit)
  const exit: WorkerExit = { ...event.exit, cause, ...(memory === undefined ? {} : { memory }) }
  removeWorker(turn.state, worker)
  endLeaseOf(turn, worker, exit)
  if (event.missingDir !== undefined) refusePool(turn, worker.pool, noSuchDir(event.missingDir))
  else if (worker.phase === 'STARTING') startFailed(turn, worker, exit)
}

/** V8 gives up with an abort and these words when its heap is full. */
function causeOf(exit: EventOf<'workerExited'>['exit']): WorkerExit['cause'] {
  const aborted = exit.signal === 'SIGABRT' || exit.code === 134
  const outOfHeap = exit.stderrTail.some((line) => line.includes('heap out of memory'))
  return aborted && outOfHeap ? 'MEMORY_LIMIT' : 'CRASHED'
}

function endLeaseOf(turn: Turn, worker: Worker, exit: WorkerExit): void {
  const { lease } = worker
  if (lease === undefined) return
  const { actor } = lease
  if (actor === undefined) {
    breakLease(turn, lease, exit)
  } else {
    endLease(turn, lease)
    actorWorkerExited(turn, actor, exit)
  }
}

/**
 * Starting more of what cannot start helps nobody: after some in a row, those who wait hear why.
 */
function startFailed(turn: Turn, worker: Worker, exit: WorkerExit): void {
  const { pool } = worker
  // Killed from outside: no fault of what it was started with.
  if (exit.signal === 'SIGKILL' || exit.signal === 'SIGTERM') return
  pool.startFailures += 1
  const count = pool.startFailures
  if (count < START_FAILURES_MAX) return
  pool.startFailures = 0
  const reason = new WorkerCrashedError(
    `cannot start: ${String(count)} workers in a row ended before they were ready; the last one ` +
      `${describeExit(exit)}${lastWords(exit)}. Look at execArgv, runtimeEnv and the modules given.`,
    { data: { exit: { ...exit, workerId: toHex(exit.workerId) } } },
  )
  refusePool(turn, pool, reason)
}

/** All that waits for a worker of that pool hears why there will be none. */
function refusePool(turn: Turn, pool: Pool, reason: VirgaError): void {
  for (const lease of [...pool.workerless]) {
    if (lease.class !== undefined) refuseClass(turn, lease.class, reason)
    else if (lease.actor !== undefined) {
      endActor(turn, lease.actor, reasonFor(lease.actor.spec.className, reason))
    }
  }
}

function noSuchDir(path: string): InvalidEnvError {
  return new InvalidEnvError(
    `cannot start: runtimeEnv.workingDir '${path}' does not exist on this node, so no worker can start in it. ` +
      'Make the folder, or name one that is there.',
    { data: { name: 'workingDir', path } },
  )
}

function lastWords(exit: WorkerExit): string {
  return exit.stderrTail.length === 0 ? '' : `, saying:\n${exit.stderrTail.join('\n')}\n`
}
