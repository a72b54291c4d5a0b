// How long idle workers above one per CPU are kept (pure). A fresh one costs 0.1 s of CPU, and
// seconds until V8 has compiled what it runs; so a program that needs them again is remembered.
//   ended when idle for 1 s ──► a lease finds no worker within 30 s of that ──► kept for 30 s,
//                               those above one more per CPU for 5 s
//   idle for those 30 s ──────► 1 s again
// Invariants:
//   KI1. Of what is kept for 30 s there is at most one per CPU: of each, one runs and one waits.
//   KI2. The others are kept for a moment only, in which a recursion that has them wait comes back
//        to this node from another one, or begins anew: one 200 deep leaves 5 GB.
// Source: Ray idle_worker_killing_time (the first second); the rest is ours.
import { WORKER_IDLE_MS, WORKER_KEPT_MOMENT_MS, WORKER_KEPT_MS } from '../common/limits.ts'
import type { Pool } from './state.ts'

/** @param surplus  how many idle workers are too many, this one and those idle for less long. */
export function keptIdleMs(pool: Pool, surplus: number, cpuCount: number): number {
  if (!pool.keepsIdle) return WORKER_IDLE_MS
  return surplus <= cpuCount ? WORKER_KEPT_MS : WORKER_KEPT_MOMENT_MS
}

/** One that was idle for `keptMs` is ended. */
export function idleEnded(pool: Pool, keptMs: number, nowMs: number): void {
  pool.idleEndedAtMs = nowMs
  if (keptMs === WORKER_KEPT_MS) pool.keepsIdle = false
}

/** A lease finds no worker: was one ended that could serve now? */
export function missedIdle(pool: Pool, nowMs: number): void {
  if (nowMs - pool.idleEndedAtMs <= WORKER_KEPT_MS) pool.keepsIdle = true
}
