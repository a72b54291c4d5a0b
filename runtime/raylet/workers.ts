// The worker pool: processes by what they must be (job, runtime env, threads, inspector).
//        1              2            3               5
//   ───► STARTING ───► IDLE ───► LEASED ───► EXITING ───► gone     RETIRED: retired.ts
//            │          ▲ │  4      │           ▲
//            │ 6        └─┼─────────┘           │
//            └──────────► └─────────────────────┘
//   1 spawned, at most max(2, CPUs) at a time,
//     also ahead of demand (spares.ts)         2 said hello      3 a lease is attached
//   4 its lease was returned                    5 its process ended
//   6 told to leave: idle too long, retired, its job ended, or it never registered
// Any phase may jump to gone: processes die.
import {
  WORKER_EXIT_GRACE_MS,
  WORKER_IDLE_MS,
  WORKER_REGISTER_TIMEOUT_MS,
} from '../common/limits.ts'
import { workerIdOf } from '../common/ids.ts'
import type { WorkerExit } from '../protocol/messages.ts'
import { addWorker, awaitNoWorker, poolOf, roomForWorkers, setPhase, workerFor } from './pools.ts'
import { foundNoWorker, sparesByPool, startsMaxOf, wantsSpares, wasNotNeeded } from './spares.ts'
import { idleEnded, keptIdleMs, missedIdle } from './surplus.ts'
import { notify, wakeBy, type EventOf, type Turn, type WorkerStart } from './turn.ts'
import type { Job, Lease, Pool, RayletState, Worker } from './state.ts'

/** How long what ends with its driver or owner may take to leave by itself. */
export const ORPHAN_GRACE_MS = 500
/** A pool whose workers die this often in a row before they register is broken. */
export const START_FAILURES_MAX = 3

/** Give every lease that has none a worker, and start the workers that are missing. */
export function attachWorkers(
  turn: Turn,
  onAttached: (lease: Lease, worker: Worker) => void,
): void {
  const { state } = turn
  const mayStart = roomForWorkers(state) > 0
  for (const pool of state.pools.values()) {
    for (const lease of pool.workerless) {
      if (pool.idle.length === 0) break
      const worker = workerFor(lease, mayStart)
      if (worker === undefined) continue
      awaitNoWorker(lease)
      setPhase(worker, 'LEASED')
      worker.lease = lease
      lease.worker = worker
      lease.grantedAtMs = turn.nowMs
      onAttached(lease, worker)
    }
    const missing = Math.min(pool.newLeases, pool.workerless.size)
    foundNoWorker(state, pool, missing)
    if (missing > 0) missedIdle(pool, turn.nowMs)
    pool.newLeases = 0
  }
  startMissing(turn)
}

function startMissing(turn: Turn): void {
  const { state } = turn
  let room = startsMaxOf(state) - startingOf(state)
  for (; room > 0; room -= 1) {
    const lease = longestWithout(state)
    if (lease === undefined || !makeRoom(turn)) break
    spawn(turn, lease.pool, lease.spec.name)
  }
  startSpares(turn, room)
}

function startingOf(state: RayletState): number {
  let count = 0
  for (const { starting } of state.pools.values()) count += starting
  return count
}

/** The oldest lease for which no worker is being started. */
function longestWithout(state: RayletState): Lease | undefined {
  let oldest: Lease | undefined
  for (const { starting, workerless } of state.pools.values()) {
    if (workerless.size <= starting) continue
    // Few are starting at a time, so few are passed over.
    const first = workerless.values().drop(starting).next().value
    if (oldest === undefined || (first !== undefined && first.leaseId < oldest.leaseId)) {
      oldest = first
    }
  }
  return oldest
}

/** @param startsLeft  how many more may be starting now. */
function startSpares(turn: Turn, startsLeft: number): void {
  const { state } = turn
  let room = Math.min(startsLeft, roomForWorkers(state))
  if (room <= 0 || !wantsSpares(state)) return
  for (const [pool, wanted] of sparesByPool(state)) {
    const spare = Math.max(0, pool.starting - pool.workerless.size) + pool.idle.length
    for (let count = spare; count < wanted && room > 0; count += 1) {
      spawn(turn, pool, '')
      room -= 1
    }
  }
}

/**
 * Whether one more worker may be started; at the cap, an idle one of another pool must go first.
 */
function makeRoom(turn: Turn): boolean {
  if (roomForWorkers(turn.state) > 0) return true
  for (const { idle } of turn.state.pools.values()) {
    const [longest] = idle
    if (longest === undefined) continue
    askToExit(turn, longest, 'IDLE')
    break
  }
  return false
}

/** Start workers ahead of any demand: one per CPU, when a driver registers. */
export function prestart(turn: Turn, job: Job): void {
  if (turn.state.draining || turn.state.leaving) return
  const pool = poolOf(turn.state, job.jobId, undefined)
  for (let i = 0; i < turn.state.config.cpuCount; i++) {
    if (roomForWorkers(turn.state) <= 0) return
    spawn(turn, pool, '')
  }
}

function spawn(turn: Turn, pool: Pool, name: string): void {
  const { state } = turn
  const job = state.jobs.get(pool.jobId)
  if (job === undefined) return
  const { nodeId, epoch } = state.config
  const workerId = workerIdOf(nodeId, epoch, state.nextWorkerIndex++)
  const deadlineMs = turn.nowMs + WORKER_REGISTER_TIMEOUT_MS
  addWorker(state, {
    workerId,
    jobId: pool.jobId,
    pool,
    phase: 'STARTING',
    pid: 0,
    address: '',
    lease: undefined,
    startedAtMs: turn.nowMs,
    idleSinceMs: turn.nowMs,
    deadlineMs,
    cause: undefined,
    memory: undefined,
    mayStay: false,
    stays: false,
    isRetired: false,
    isOwner: false,
    rssBytes: 0,
  })
  wakeBy(turn, deadlineMs)
  const { env, cpus, inspect } = pool
  const start: WorkerStart = {
    workerId,
    jobId: pool.jobId,
    job: job.spec,
    env,
    cpus,
    inspect,
    name,
    ...(job.entryFirst ? { entryFirst: true } : {}),
  }
  turn.effects.push({ kind: 'spawn', start })
}

/** Arrow 2. */
export function workerRegistered(turn: Turn, worker: Worker, pid: number, address: string): void {
  worker.pid = pid
  worker.address = address
  worker.pool.startFailures = 0
  if (worker.phase !== 'STARTING') return
  worker.deadlineMs = undefined
  becomeIdle(turn, worker)
}

/** Arrows 2 and 4. */
export function becomeIdle(turn: Turn, worker: Worker): void {
  worker.lease = undefined
  worker.idleSinceMs = turn.nowMs
  setPhase(worker, 'IDLE')
  wakeBy(turn, turn.nowMs + WORKER_IDLE_MS)
}

/** Arrow 6: ask politely, kill at the end of the grace time. */
export function askToExit(
  turn: Turn,
  worker: Worker,
  cause: WorkerExit['cause'],
  graceMs = WORKER_EXIT_GRACE_MS,
): void {
  // One that may stay is asked whether it is needed; any other reason overrules that.
  const isAsked = cause === 'IDLE' || cause === 'ORPHANED'
  const overrules = worker.mayStay && !isAsked
  if (worker.phase === 'EXITING' && !overrules) return
  const connected = turn.state.clients.has(worker.workerId)
  setPhase(worker, 'EXITING')
  worker.cause = overrules ? cause : (worker.cause ?? cause)
  worker.mayStay = isAsked
  worker.stays = false
  if (!connected) {
    kill(turn, worker, cause)
    return
  }
  worker.deadlineMs = turn.nowMs + graceMs
  wakeBy(turn, worker.deadlineMs)
  notify(turn, worker.workerId, 'exit', { reason: cause })
}

/** It is of no use any more, and most likely about to end; its exit is what tells the rest. */
export function connectionLost(turn: Turn, worker: Worker): void {
  setPhase(worker, 'EXITING')
  worker.mayStay = false
  const deadlineMs = turn.nowMs + ORPHAN_GRACE_MS
  worker.deadlineMs = Math.min(worker.deadlineMs ?? Infinity, deadlineMs)
  wakeBy(turn, worker.deadlineMs)
}

/** End the process at once; its exit comes back as an event. */
export function kill(turn: Turn, worker: Worker, cause: WorkerExit['cause']): void {
  setPhase(worker, 'EXITING')
  worker.cause ??= cause
  worker.mayStay = false
  worker.deadlineMs = undefined
  turn.effects.push({ kind: 'signal', worker: worker.workerId, signal: 'SIGKILL' })
}

/** On a tick: deadlines that passed, and idle workers above one per CPU. */
export function tendWorkers(turn: Turn): void {
  const idle: Worker[] = []
  for (const worker of turn.state.workers.values()) {
    if (worker.phase === 'IDLE') idle.push(worker)
    const { deadlineMs } = worker
    if (deadlineMs === undefined) continue
    if (deadlineMs > turn.nowMs) wakeBy(turn, deadlineMs)
    else missedDeadline(turn, worker)
  }
  const { cpuCount } = turn.state.config
  const surplus = idle.length - cpuCount
  if (surplus <= 0) return
  idle.sort((a, b) => a.idleSinceMs - b.idleSinceMs)
  for (const [at, worker] of idle.slice(0, surplus).entries()) {
    const keptMs = keptIdleMs(worker.pool, surplus - at, cpuCount)
    const endsAtMs = worker.idleSinceMs + keptMs
    if (endsAtMs > turn.nowMs) {
      wakeBy(turn, endsAtMs)
      continue
    }
    wasNotNeeded(worker.pool)
    idleEnded(worker.pool, keptMs, turn.nowMs)
    askToExit(turn, worker, 'IDLE')
  }
}

function missedDeadline(turn: Turn, worker: Worker): void {
  worker.deadlineMs = undefined
  if (worker.phase === 'EXITING' && worker.mayStay && worker.cause === 'IDLE') {
    if (worker.stays) serveAgain(turn, worker)
    // Else it has not come to read the question: given out now, it would leave under its lease.
  } else {
    kill(turn, worker, 'CRASHED')
  }
}

/** It was asked because it is idle, and did not leave. */
export function idleStays(turn: Turn, worker: Worker): void {
  if (worker.deadlineMs === undefined) serveAgain(turn, worker)
  else worker.stays = true // asked again at once, it would only say the same
}

/** What it owns would be lost with an actor that it became: workerFor asks for this. */
export function owning(turn: Turn, event: EventOf<'owning'>): void {
  const worker = turn.state.workers.get(event.client)
  if (worker === undefined) return
  worker.isOwner = event.isOwner
  if (event.isOwner || turn.state.cluster === undefined) return
  turn.state.cluster.actors.mayBeIdle = true // its job may have been here for that alone (GU3)
}

function serveAgain(turn: Turn, worker: Worker): void {
  worker.cause = undefined
  worker.mayStay = false
  becomeIdle(turn, worker)
}
