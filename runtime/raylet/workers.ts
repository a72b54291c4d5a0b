// The worker pool: processes by what they must be (job, runtime env, threads, inspector).
//        1              2            3               5
//   ───► STARTING ───► IDLE ───► LEASED ───► EXITING ───► gone
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
import type { JobId, WorkerId } from '../common/ids.ts'
import type { ClassSpec, WorkerExit } from '../protocol/messages.ts'
import { foundNoWorker, sparesByPool, startsMaxOf, wantsSpares, wasNotNeeded } from './spares.ts'
import { notify, wakeBy, type Turn, type WorkerStart } from './turn.ts'
import type { Job, Lease, Pool, RayletState, Worker } from './state.ts'

const UNITS = 10_000
/** How long what ends with its driver or owner may take to leave by itself. */
export const ORPHAN_GRACE_MS = 500
/** A pool whose workers die this often in a row before they register is broken. */
export const START_FAILURES_MAX = 3

/** The pool that serves a class of a job; made at first need. */
export function poolOf(state: RayletState, jobId: JobId, spec: ClassSpec | undefined): Pool {
  const cpus = Math.max(1, Math.floor((spec?.demand['CPU'] ?? UNITS) / UNITS))
  const inspect = spec?.inspect ?? false
  const key = `${jobId}|${String(cpus)}|${inspect ? 'i' : ''}|${envKey(spec)}`
  let pool = state.pools.get(key)
  if (pool === undefined) {
    pool = { key, jobId, env: spec?.env, cpus, inspect, sparesWanted: 0 }
    state.pools.set(key, pool)
  }
  return pool
}

function envKey(spec: ClassSpec | undefined): string {
  const env = spec?.env
  if (env === undefined) return ''
  return JSON.stringify([
    env.workingDir ?? '',
    Object.entries(env.envVars).sort(([a], [b]) => (a < b ? -1 : 1)),
  ])
}

/** A worker of that pool that has nothing to do, the one used last first: its caches are warm. */
function findIdle(state: RayletState, pool: Pool): Worker | undefined {
  let best: Worker | undefined
  for (const worker of state.workers.values()) {
    if (worker.phase !== 'IDLE' || worker.pool !== pool.key) continue
    if (best === undefined || worker.idleSinceMs > best.idleSinceMs) best = worker
  }
  return best
}

/** Give every lease that has none a worker, and start the workers that are missing. */
export function attachWorkers(
  turn: Turn,
  onAttached: (lease: Lease, worker: Worker) => void,
): void {
  const { state } = turn
  for (const lease of state.workerless) {
    const worker = findIdle(state, lease.pool)
    if (worker === undefined) {
      if (!lease.foundNoWorker) foundNoWorker(state, lease.pool)
      lease.foundNoWorker = true
      continue
    }
    state.workerless.delete(lease)
    worker.phase = 'LEASED'
    worker.lease = lease
    lease.worker = worker
    lease.grantedAtMs = turn.nowMs
    onAttached(lease, worker)
  }
  startMissing(turn)
}

function startMissing(turn: Turn): void {
  const { state } = turn
  const starting = countByPool(state, 'STARTING')
  let startingCount = 0
  for (const count of starting.values()) startingCount += count
  for (const lease of state.workerless) {
    const { key } = lease.pool
    const ready = starting.get(key) ?? 0
    if (ready > 0) {
      starting.set(key, ready - 1)
    } else if (startingCount < startsMaxOf(state) && makeRoom(turn)) {
      spawn(turn, lease.pool, lease.spec.name)
      startingCount += 1
    }
  }
  startSpares(turn, starting, startingCount)
}

/** @param starting  by pool, those that no lease waits for. */
function startSpares(turn: Turn, starting: Map<string, number>, startingCount: number): void {
  const { state } = turn
  if (!wantsSpares(state)) return
  const idle = countByPool(state, 'IDLE')
  let room = Math.min(
    startsMaxOf(state) - startingCount,
    state.config.workersMax - state.workers.size,
  )
  for (const [pool, wanted] of sparesByPool(state)) {
    const ready = (starting.get(pool.key) ?? 0) + (idle.get(pool.key) ?? 0)
    for (let count = ready; count < wanted && room > 0; count += 1) {
      spawn(turn, pool, '')
      room -= 1
    }
  }
}

function countByPool(state: RayletState, phase: Worker['phase']): Map<string, number> {
  const counts = new Map<string, number>()
  for (const worker of state.workers.values()) {
    if (worker.phase === phase) counts.set(worker.pool, (counts.get(worker.pool) ?? 0) + 1)
  }
  return counts
}

/**
 * Whether one more worker may be started; at the cap, an idle one of another pool must go first.
 */
function makeRoom(turn: Turn): boolean {
  const { workers, config } = turn.state
  if (workers.size < config.workersMax) return true
  const idle = [...workers.values()].find((worker) => worker.phase === 'IDLE')
  if (idle !== undefined) askToExit(turn, idle, 'IDLE')
  return false
}

/** Start workers ahead of any demand: one per CPU, when a driver registers. */
export function prestart(turn: Turn, job: Job): void {
  const pool = poolOf(turn.state, job.jobId, undefined)
  for (let i = 0; i < turn.state.config.cpuCount; i++) {
    if (turn.state.workers.size >= turn.state.config.workersMax) return
    spawn(turn, pool, '')
  }
}

function spawn(turn: Turn, pool: Pool, name: string): void {
  const { state } = turn
  const job = state.jobs.get(pool.jobId)
  if (job === undefined) return
  const workerId = newWorkerId(state)
  const deadlineMs = turn.nowMs + WORKER_REGISTER_TIMEOUT_MS
  state.workers.set(workerId, {
    workerId,
    jobId: pool.jobId,
    pool: pool.key,
    phase: 'STARTING',
    pid: 0,
    address: '',
    lease: undefined,
    startedAtMs: turn.nowMs,
    idleSinceMs: turn.nowMs,
    deadlineMs,
    cause: undefined,
    mayStay: false,
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

/** Unique here because it counts, and everywhere because the node's id is random. */
function newWorkerId(state: RayletState): WorkerId {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(state.nextWorkerIndex++)
  // The part that differs comes first: sockets are named by the first bytes.
  return (bytes.toString('latin1') + state.config.nodeId.slice(0, 10)) as WorkerId
}

/** Arrow 2. */
export function workerRegistered(turn: Turn, worker: Worker, pid: number, address: string): void {
  worker.pid = pid
  worker.address = address
  turn.state.startFailures.delete(worker.pool)
  if (worker.phase !== 'STARTING') return
  worker.deadlineMs = undefined
  becomeIdle(turn, worker)
}

/** Arrows 2 and 4. */
export function becomeIdle(turn: Turn, worker: Worker): void {
  worker.phase = 'IDLE'
  worker.lease = undefined
  worker.idleSinceMs = turn.nowMs
  wakeBy(turn, turn.nowMs + WORKER_IDLE_MS)
}

/** Arrow 6: ask politely, kill at the end of the grace time. */
export function askToExit(
  turn: Turn,
  worker: Worker,
  cause: WorkerExit['cause'],
  graceMs = WORKER_EXIT_GRACE_MS,
): void {
  if (worker.phase === 'EXITING') return
  const connected = turn.state.clients.has(worker.workerId)
  worker.phase = 'EXITING'
  worker.cause ??= cause
  worker.mayStay = cause === 'IDLE'
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
  worker.phase = 'EXITING'
  worker.mayStay = false
  const deadlineMs = turn.nowMs + ORPHAN_GRACE_MS
  worker.deadlineMs = Math.min(worker.deadlineMs ?? Infinity, deadlineMs)
  wakeBy(turn, worker.deadlineMs)
}

/** End the process at once; its exit comes back as an event. */
export function kill(turn: Turn, worker: Worker, cause: WorkerExit['cause']): void {
  worker.phase = 'EXITING'
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
  const surplus = idle.length - turn.state.config.cpuCount
  if (surplus <= 0) return
  idle.sort((a, b) => a.idleSinceMs - b.idleSinceMs)
  for (const worker of idle.slice(0, surplus)) {
    const endsAtMs = worker.idleSinceMs + WORKER_IDLE_MS
    if (endsAtMs > turn.nowMs) {
      wakeBy(turn, endsAtMs)
      continue
    }
    wasNotNeeded(turn.state, worker.pool)
    askToExit(turn, worker, 'IDLE')
  }
}

function missedDeadline(turn: Turn, worker: Worker): void {
  worker.deadlineMs = undefined
  if (worker.phase === 'EXITING' && worker.mayStay && !turn.state.draining) {
    // It owns objects that others need, so it did not leave: it serves again.
    worker.cause = undefined
    worker.mayStay = false
    becomeIdle(turn, worker)
  } else {
    kill(turn, worker, 'CRASHED')
  }
}
