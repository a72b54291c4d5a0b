// Keeps large demands from starving: what one CPU at a time is taken by small tasks as soon as it
// comes free would never add up to the four that somebody waits for.
// Whoever has nothing and has waited RESERVE_AFTER_MS reserves the resources that it lacks: those
// who hold leases already get no more of these until it was served. Those who have nothing are not
// held back: a task that waits for its children must see them run, or nothing would ever end.
import type { ResourceLedger } from '../common/resource-ledger.ts'
import type { ResourceSet } from '../common/resources.ts'
import type { RayletState } from './state.ts'
import { lackedSince } from './waiters.ts'

/** Long enough for leases that were asked for to come back. */
const RESERVE_AFTER_MS = 100

/** By ledger, the names of what is reserved in it. */
export type Reservations = ReadonlyMap<ResourceLedger, ReadonlySet<string>>

/** What is reserved now, for all who starve. */
export function reservationsOf(state: RayletState, nowMs: number): Reservations {
  return lackedSince(state, nowMs - RESERVE_AFTER_MS)
}

/** Whether somebody who starves waits for part of this demand. */
export function isReserved(
  reservations: Reservations,
  ledger: ResourceLedger,
  demand: ResourceSet,
): boolean {
  const names = reservations.get(ledger)
  if (names === undefined) return false
  return Object.keys(demand).some((name) => names.has(name))
}
