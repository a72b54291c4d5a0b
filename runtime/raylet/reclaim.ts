// Asking for leases back, when others wait for what they hold: at most one request per lease, the
// longest held first. The owner returns it when its running tasks have ended.
//   A class or actor with nothing may ask any class for a lease; one that has some asks only those
//   that have at least two more: so that jobs share, and leases do not swing to and fro.
//   Nobody is asked while all that could come back to one ledger would not be enough: bundles of a
//   group do not add up. Where several would do, the one that needs the fewest leases.
//   Actors and leases that are waiting in `get` are not asked: they could not return anything.
import { addResources, lacking, unitsOf, type ResourceSet } from '../common/resources.ts'
import { ledgersOf } from './placement.ts'
import type { Lease, RayletState } from './state.ts'
import { notify, wakeBy, type Turn } from './turn.ts'
import { hasNothing, isAnyWaiting, waitersOf, type Waiter } from './waiters.ts'

/** How long an owner may keep a lease before it is asked for it: long enough to be worth it. */
const RECLAIM_AFTER_MS = 5

/** Send reclaimLease to owners, one lease for each who waits. */
export function reclaimFor(turn: Turn): void {
  // Most steps find nobody; what is held is looked at only for somebody.
  if (!isAnyWaiting(turn.state)) return
  const candidates = [...turn.state.leases.values()].filter(mayBeAsked)
  candidates.sort((a, b) => a.grantedAtMs - b.grantedAtMs)
  // Each lease that is on its way back serves one who waits.
  const promised = new Set<Lease>()
  // Whoever has nothing fares as the one of its shape before it: what comes back only gets less.
  const failed = new Set<string>()
  for (const each of waitersOf(turn.state)) {
    if (promised.size === candidates.length) return
    if (hasNothing(each) && failed.has(each.shape)) continue
    if (!reclaimOne(turn, each, candidates, promised) && hasNothing(each)) failed.add(each.shape)
  }
}

const mayBeAsked = (lease: Lease): boolean =>
  lease.class !== undefined && lease.waits.size === 0 && lease.worker !== undefined

/**
 * Whether this node would have room for it if all leases came back that may be asked for.
 * @param beside  what may come free without being asked for.
 */
export function mayComeFree(
  { ledger, leases }: RayletState,
  demand: ResourceSet,
  beside: ResourceSet,
): boolean {
  const askable = leases.values().filter((lease) => !lease.bundle && mayBeAsked(lease))
  return choose(askable, missingOf(demand, addResources(ledger.free, beside))) !== undefined
}

/** Whether what could come back is enough for it. */
function reclaimOne(
  turn: Turn,
  waiter: Waiter,
  candidates: readonly Lease[],
  promised: Set<Lease>,
): boolean {
  let fewest: Lease[] | undefined
  for (const ledger of ledgersOf(turn.state, waiter)) {
    const takeable = candidates
      .values()
      .filter(
        (lease) =>
          !promised.has(lease) &&
          mayTakeFrom(waiter, lease) &&
          (lease.bundle?.ledger ?? turn.state.ledger) === ledger,
      )
    const chosen = choose(takeable, missingOf(waiter.demand, ledger.free))
    if (chosen !== undefined && chosen.length < (fewest?.length ?? Infinity)) fewest = chosen
  }
  // What would not be enough is left alone: actors hold the rest, or work that waits in `get`.
  if (fewest === undefined) return false
  for (const lease of fewest) {
    promised.add(lease)
    ask(turn, lease)
  }
  return true
}

/** The first leases that make up for what is missing, if they do; takes that from `missing`. */
function choose(leases: Iterable<Lease>, missing: Map<string, number>): Lease[] | undefined {
  const chosen: Lease[] = []
  for (const lease of leases) {
    if (missing.size === 0) break
    const { demand } = lease.spec
    if (![...missing.keys()].some((name) => unitsOf(demand, name) > 0)) continue
    chosen.push(lease)
    for (const [name, amount] of missing) {
      const left = amount - unitsOf(demand, name)
      if (left <= 0) missing.delete(name)
      else missing.set(name, left)
    }
  }
  return missing.size === 0 ? chosen : undefined
}

/** Which resources are missing for one grant, and how much of each. */
function missingOf(demand: ResourceSet, free: ResourceSet): Map<string, number> {
  const names = lacking(demand, free)
  return new Map(names.map((name) => [name, unitsOf(demand, name) - unitsOf(free, name)]))
}

function mayTakeFrom(waiter: Waiter, { class: holder }: Lease): boolean {
  if (holder === undefined || holder === waiter.class) return false
  const held = waiter.class?.leases.size ?? 0
  return held === 0 || holder.leases.size >= held + 2
}

/** Once per lease, and not before it was worth granting. */
function ask(turn: Turn, lease: Lease): void {
  if (lease.reclaimed) return
  const readyAtMs = lease.grantedAtMs + RECLAIM_AFTER_MS
  if (readyAtMs > turn.nowMs) {
    wakeBy(turn, readyAtMs)
    return
  }
  askBack(turn, lease)
}

/** Once per lease. */
export function askBack(turn: Turn, lease: Lease): void {
  if (lease.reclaimed) return
  lease.reclaimed = true
  const owner = lease.class?.client
  if (owner !== undefined) notify(turn, owner, 'reclaimLease', { leaseId: lease.leaseId })
}
