// Keeps large demands from starving: what one CPU at a time is taken by small tasks as soon as it
// comes free would never add up to the four that somebody waits for.
// Whoever has nothing and has waited RESERVE_AFTER_MS reserves the resources that it lacks: those
// who hold leases already get no more of these until it was served. Those who have nothing are not
// held back: a task that waits for its children must see them run, or nothing would ever end.
import type { ResourceLedger } from '../common/resource-ledger.ts'
import { NO_RESOURCES, addResources, lacking, type ResourceSet } from '../common/resources.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { bundlesOf } from './placement.ts'
import type { Job, RayletState } from './state.ts'

/** Long enough for leases that were asked for to come back. */
const RESERVE_AFTER_MS = 100

/** By ledger, the names of what is reserved in it. */
export type Reservations = ReadonlyMap<ResourceLedger, ReadonlySet<string>>

/** Who waits with nothing in hand. */
export interface Starving {
  readonly demand: ResourceSet
  /** Where it could be placed. */
  readonly ledgers: readonly ResourceLedger[]
  readonly sinceMs: number
}

/** What is reserved now, for all who starve. */
export function reservationsOf(state: RayletState, nowMs: number): Reservations {
  const reservations = new Map<ResourceLedger, Set<string>>()
  for (const { demand, ledgers, sinceMs } of starvingOf(state)) {
    if (sinceMs > nowMs - RESERVE_AFTER_MS) continue
    for (const ledger of ledgers) {
      const names = reservations.get(ledger) ?? new Set()
      for (const name of lacking(demand, ledger.free)) names.add(name)
      if (names.size > 0) reservations.set(ledger, names)
    }
  }
  return reservations
}

/** The groups, classes and actors that have nothing and wait; of one shape who waits longest. */
export function* starvingOf(state: RayletState): Generator<Starving> {
  const { ledger } = state
  for (const { spec, state: phase, waitingSinceMs: sinceMs } of state.groups.values()) {
    if (phase !== 'PENDING') continue
    yield { demand: spec.bundles.reduce(addResources, NO_RESOURCES), ledgers: [ledger], sinceMs }
  }
  for (const job of state.jobs.values()) {
    for (const { spec, sinceMs } of starvingIn(job)) {
      yield { demand: spec.demand, ledgers: ledgersOf(state, spec), sinceMs }
    }
  }
}

interface Waiting {
  readonly spec: ClassSpec
  readonly sinceMs: number
}

function starvingIn(job: Job): Iterable<Waiting> {
  const byShape = new Map<string, Waiting>()
  const add = (shape: string, spec: ClassSpec, sinceMs: number): void => {
    if (sinceMs < (byShape.get(shape)?.sinceMs ?? Infinity)) byShape.set(shape, { spec, sinceMs })
  }
  for (const candidate of job.turns) {
    if (candidate === 'ACTORS') continue
    const { leases, wanted, spec, shape, waitingSinceMs } = candidate
    if (leases.size === 0 && wanted > 0) add(shape, spec, waitingSinceMs)
  }
  for (const { spec, shape, waitingSinceMs } of job.pendingActors) {
    add(shape, spec.scheduling, waitingSinceMs)
  }
  return byShape.values()
}

function ledgersOf(state: RayletState, spec: ClassSpec): readonly ResourceLedger[] {
  const bundles = bundlesOf(state, spec)
  return bundles === undefined ? [state.ledger] : bundles.map((bundle) => bundle.ledger)
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
