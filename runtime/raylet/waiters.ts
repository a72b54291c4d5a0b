// Who waits for resources: placement groups, actors and classes, in the order in which leases are
// asked back for them; and what is missing to those who have nothing.
import { lacking, resourceKey, type ResourceSet } from '../common/resources.ts'
import type { ResourceLedger } from '../common/resource-ledger.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { heldBy, unaskedFor } from './class-wants.ts'
import { ledgersOf } from './placement.ts'
import type { RayletState, SchedulingClass } from './state.ts'

export interface Waiter {
  /** What it needs at once. */
  readonly demand: ResourceSet
  /** Says where that is taken from. */
  readonly strategy: ClassSpec['strategy']
  /** Those of one shape need the same of the same ledgers. */
  readonly shape: string
  /** Undefined: a group or an actor, which has nothing. */
  readonly class: SchedulingClass | undefined
  readonly sinceMs: number
}

export function* waitersOf(state: RayletState): Generator<Waiter> {
  for (const group of groupsWaiting(state)) yield group
  for (const job of state.jobs.values()) {
    for (const { spec, shape, waitingSinceMs: sinceMs } of job.pendingActors) {
      const { demand, strategy } = spec.scheduling
      yield { demand, strategy, shape, class: undefined, sinceMs }
    }
    for (const each of job.turns) {
      if (each === 'ACTORS' || unaskedFor(each) <= 0) continue
      const { demand, strategy } = each.spec
      yield { demand, strategy, shape: each.shape, class: each, sinceMs: each.waitingSinceMs }
    }
  }
}

export const isAnyWaiting = (state: RayletState): boolean => waitersOf(state).next().done !== true

const ANYWHERE = { strategy: { kind: 'DEFAULT' }, class: undefined } as const

/**
 * Of groups of one shape only the first: what it gets or lacks, the others would. Of several nodes,
 * what was asked of this one and found no room (HB2).
 */
function groupsWaiting({ groups, cluster }: RayletState): Waiter[] {
  const waiting: Waiter[] = []
  for (const { demand, sinceMs } of cluster?.groups.wantedHere.values() ?? []) {
    waiting.push({ ...ANYWHERE, demand, shape: `bundles ${resourceKey(demand)}`, sinceMs })
  }
  const shapes = new Set<string>()
  for (const group of groups.values()) {
    if (group.state !== 'PENDING' || group.across !== undefined) continue
    const { demand, shape, waitingSinceMs: sinceMs } = group
    if (shapes.has(shape)) continue
    shapes.add(shape)
    waiting.push({ ...ANYWHERE, demand, shape, sinceMs })
  }
  return waiting
}

export const hasNothing = (waiter: Waiter): boolean =>
  waiter.class === undefined || heldBy(waiter.class) === 0

/** By ledger, the names of what is missing to those who have nothing and wait since then. */
export function lackedSince(
  state: RayletState,
  latestMs: number,
): Map<ResourceLedger, Set<string>> {
  const lacked = new Map<ResourceLedger, Set<string>>()
  const seen = new Set<string>()
  for (const waiter of waitersOf(state)) {
    const { demand, shape, sinceMs } = waiter
    if (sinceMs > latestMs || seen.has(shape) || !hasNothing(waiter)) continue
    seen.add(shape)
    for (const ledger of ledgersOf(state, waiter)) {
      const names = lacked.get(ledger) ?? new Set()
      for (const name of lacking(demand, ledger.free)) names.add(name)
      if (names.size > 0) lacked.set(ledger, names)
    }
  }
  return lacked
}
