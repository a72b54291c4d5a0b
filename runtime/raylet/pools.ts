// What a pool has: who of it is idle, how many are starting, which leases wait for one. Kept where
// they change, so that granting leases does not walk over all workers (step-cost.test.ts).
// Invariants:
//   PL1. idle, starting, retired, workerless and blocked of every pool are what a walk over all
//        workers and leases would find (check.ts walks).
//   PL2. The idle are in the order in which they became so.
//   PL3. An actor is given no worker that owns what others may hold, as long as another can be had:
//        kill() of the actor would take that along.
import type { JobId } from '../common/ids.ts'
import { UNITS_PER_ONE } from '../common/resources.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import type { Lease, Pool, RayletState, Worker, WorkerPhase } from './state.ts'

/** The pool that serves a class of a job; made at first need. */
export function poolOf(state: RayletState, jobId: JobId, spec: ClassSpec | undefined): Pool {
  const cpus = Math.max(1, Math.floor((spec?.demand['CPU'] ?? UNITS_PER_ONE) / UNITS_PER_ONE))
  const inspect = spec?.inspect ?? false
  const key = `${jobId}|${String(cpus)}|${inspect ? 'i' : ''}|${envKey(spec)}`
  let pool = state.pools.get(key)
  if (pool === undefined) {
    if (state.pools.size >= state.config.workersMax) forgetUnusedPools(state)
    pool = {
      key,
      jobId,
      env: spec?.env,
      cpus,
      inspect,
      sparesWanted: 0,
      idle: [],
      idleEndedAtMs: -Infinity,
      keepsIdle: false,
      starting: 0,
      retired: 0,
      startFailures: 0,
      workerless: new Set(),
      newLeases: 0,
      blocked: 0,
    }
    state.pools.set(key, pool)
  }
  return pool
}

/** Options that differ from call to call make a pool each. */
function forgetUnusedPools(state: RayletState): void {
  const used = new Set<Pool>()
  for (const worker of state.workers.values()) used.add(worker.pool)
  for (const lease of state.leases.values()) used.add(lease.pool)
  for (const [key, pool] of state.pools) {
    if (!used.has(pool)) state.pools.delete(key)
  }
}

/** Nothing of that job is left. */
export function forgetPoolsOf(state: RayletState, jobId: JobId): void {
  for (const [key, pool] of state.pools) if (pool.jobId === jobId) state.pools.delete(key)
}

function envKey(spec: ClassSpec | undefined): string {
  const env = spec?.env
  if (env === undefined) return ''
  return JSON.stringify([
    env.workingDir ?? '',
    Object.entries(env.envVars).sort(([a], [b]) => (a < b ? -1 : 1)),
  ])
}

export function addWorker(state: RayletState, worker: Worker): void {
  state.workers.set(worker.workerId, worker)
  enter(worker)
}

export function removeWorker(state: RayletState, worker: Worker): void {
  if (!state.workers.delete(worker.workerId)) return
  leave(worker)
  if (worker.isRetired) worker.pool.retired -= 1
}

/** It stays so until it is gone: as it leaves, it counts to the cap no more than before. */
export function setRetired(worker: Worker): void {
  setPhase(worker, 'RETIRED')
  worker.isRetired = true
  worker.pool.retired += 1
}

export function setPhase(worker: Worker, phase: WorkerPhase): void {
  leave(worker)
  worker.phase = phase
  enter(worker)
}

function enter(worker: Worker): void {
  if (worker.phase === 'STARTING') worker.pool.starting += 1
  else if (worker.phase === 'IDLE') worker.pool.idle.push(worker)
}

function leave(worker: Worker): void {
  const { phase, pool } = worker
  if (phase === 'STARTING') pool.starting -= 1
  else if (phase === 'IDLE') pool.idle.splice(pool.idle.indexOf(worker), 1)
}

/** How many workers there may still be beside those that are not retired. */
export function roomForWorkers(state: RayletState): number {
  let retired = 0
  for (const pool of state.pools.values()) retired += pool.retired
  return state.config.workersMax - (state.workers.size - retired)
}

/**
 * PL3. The idle worker that this lease is given.
 * @param mayStart  whether another can be started; undefined is returned where one has to be.
 */
export function workerFor({ pool, actor }: Lease, mayStart: boolean): Worker | undefined {
  const { idle } = pool
  if (actor === undefined) return warmest(idle)
  const free = warmest(idle.filter(({ isOwner }) => !isOwner))
  return free ?? (mayStart ? undefined : warmest(idle))
}

/** The one used last first: its caches are warm. */
function warmest(idle: readonly Worker[]): Worker | undefined {
  let index = idle.length - 1
  while (index > 0 && idle[index - 1]?.idleSinceMs === idle[index]?.idleSinceMs) index -= 1
  return idle[index]
}

export function awaitWorker(lease: Lease): void {
  lease.pool.workerless.add(lease)
  lease.pool.newLeases += 1
}

/** It has got one, or has ended. */
export function awaitNoWorker(lease: Lease): void {
  lease.pool.workerless.delete(lease)
}

/** The leases that hold their resources and wait for a worker. */
export function* workerlessOf(state: RayletState): Iterable<Lease> {
  for (const { workerless } of state.pools.values()) yield* workerless
}
