// Workers started ahead of a recursion (pure): when the workers of a pool wait in `get`, what they
// wait for needs workers too, and each would be started only when the one before it waits.
//   a lease finds no worker ──► one spare, two, four … at most as many as may start at one time
//   a spare stays idle ───────► none, until a lease finds no worker again
// Invariants:
//   SR1. Nothing is started ahead for a pool in which fewer than two workers wait.
//   SR2. No more are ready ahead than wait, nor than may start at one time.
import type { Pool, RayletState } from './state.ts'

/** How many workers may be starting at one time: a start is work for a CPU. */
export const startsMaxOf = (state: RayletState): number => Math.max(2, state.config.cpuCount)

/** So many leases have to wait for a worker that is still to be started. */
export function foundNoWorker(state: RayletState, pool: Pool, count: number): void {
  if (count === 0) return
  const wanted = Math.max(1, pool.sparesWanted * 2) * 2 ** (count - 1)
  pool.sparesWanted = Math.min(wanted, startsMaxOf(state))
}

/** A worker of that pool has been idle for too long. */
export function wasNotNeeded(pool: Pool): void {
  pool.sparesWanted = 0
}

export function wantsSpares(state: RayletState): boolean {
  for (const pool of state.pools.values()) if (pool.sparesWanted > 0) return true
  return false
}

/** SR1, SR2: how many each pool should have ready, beside those that leases wait for. */
export function sparesByPool(state: RayletState): Map<Pool, number> {
  const spares = new Map<Pool, number>()
  for (const pool of state.pools.values()) {
    pool.sparesWanted = Math.min(pool.sparesWanted, Math.max(0, pool.blocked - 1))
    if (pool.sparesWanted > 0) spares.set(pool, pool.sparesWanted)
  }
  return spares
}
