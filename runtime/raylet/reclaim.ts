// Asking for leases back, when others wait for what they hold: at most one request per lease, the
// longest held first. The owner returns it when its running tasks have ended.
//   A class or actor with nothing may ask any class for a lease; one that has some asks only those
//   that have at least two more: so that jobs share, and leases do not swing to and fro.
//   Nobody is asked while all that could come back would not be enough.
//   Actors and leases that are waiting in `get` are not asked: they could not return anything.
import { NO_RESOURCES, addResources, resourceKey, type ResourceSet } from '../common/resources.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { bundlesOf } from './placement.ts'
import type { Bundle, Lease, RayletState, SchedulingClass } from './state.ts'
import { notify, wakeBy, type Turn } from './turn.ts'

/** How long an owner may keep a lease before it is asked for it: long enough to be worth it. */
const RECLAIM_AFTER_MS = 5

interface Starving {
  readonly spec: ClassSpec
  readonly shape: string
  readonly class: SchedulingClass | undefined
}

/** Send reclaimLease to owners, one lease for each who waits. */
export function reclaimFor(turn: Turn): void {
  // Most steps find nobody; what is held is looked at only for somebody.
  if (starvingOf(turn.state).next().done === true) return
  const candidates = [...turn.state.leases.values()].filter(
    (lease) => lease.class !== undefined && lease.waits.size === 0 && lease.worker !== undefined,
  )
  candidates.sort((a, b) => a.grantedAtMs - b.grantedAtMs)
  // Each lease that is on its way back serves one who waits.
  const promised = new Set<Lease>()
  // Whoever has nothing fares as the one of its shape before it: what comes back only gets less.
  const failed = new Set<string>()
  for (const each of starvingOf(turn.state)) {
    if (promised.size === candidates.length) return
    const hasNothing = (each.class?.leases.size ?? 0) === 0
    if (hasNothing && failed.has(each.shape)) continue
    if (!reclaimOne(turn, each, candidates, promised) && hasNothing) failed.add(each.shape)
  }
}

function* starvingOf(state: RayletState): Generator<Starving> {
  for (const group of state.groups.values()) {
    if (group.state !== 'PENDING') continue
    const demand = group.spec.bundles.reduce(addResources, NO_RESOURCES)
    const spec = groupSpec(demand)
    yield { spec, shape: `group ${resourceKey(demand)}`, class: undefined }
  }
  for (const job of state.jobs.values()) {
    for (const actor of job.pendingActors) {
      yield { spec: actor.spec.scheduling, shape: actor.shape, class: undefined }
    }
    for (const candidate of job.turns) {
      if (candidate === 'ACTORS' || candidate.leases.size >= candidate.wanted) continue
      yield { spec: candidate.spec, shape: candidate.shape, class: candidate }
    }
  }
}

const groupSpec = (demand: ResourceSet): ClassSpec => ({
  demand,
  strategy: { kind: 'DEFAULT' },
  labelSelectors: [],
  env: undefined,
  name: '',
  inspect: false,
  retriable: false,
})

/** Whether what could come back is enough for it. */
function reclaimOne(
  turn: Turn,
  starving: Starving,
  candidates: readonly Lease[],
  promised: Set<Lease>,
): boolean {
  const lacking = lackingOf(turn.state, starving.spec)
  const bundles = bundlesOf(turn.state, starving.spec)
  const chosen: Lease[] = []
  for (const lease of candidates) {
    if (lacking.size === 0) break
    if (promised.has(lease) || !mayTakeFrom(starving, lease, bundles)) continue
    const helps = [...lacking.keys()].some((name) => (lease.spec.demand[name] ?? 0) > 0)
    if (!helps) continue
    chosen.push(lease)
    for (const [name, amount] of lacking) {
      const left = amount - (lease.spec.demand[name] ?? 0)
      if (left <= 0) lacking.delete(name)
      else lacking.set(name, left)
    }
  }
  // What would not be enough is left alone: actors hold the rest, or work that waits in `get`.
  if (lacking.size > 0) return false
  for (const lease of chosen) {
    promised.add(lease)
    ask(turn, lease)
  }
  return true
}

/** Which resources are missing for one grant, and how much of each. */
function lackingOf(state: RayletState, spec: ClassSpec): Map<string, number> {
  const bundles = bundlesOf(state, spec)
  const free = bundles === undefined ? state.ledger.free : (bundles[0]?.ledger.free ?? {})
  const lacking = new Map<string, number>()
  for (const [name, amount] of Object.entries(spec.demand)) {
    const missing = (amount ?? 0) - (free[name] ?? 0)
    if (missing > 0) lacking.set(name, missing)
  }
  return lacking
}

function mayTakeFrom(
  starving: Starving,
  lease: Lease,
  bundles: readonly Bundle[] | undefined,
): boolean {
  const holder = lease.class
  if (holder === undefined || holder === starving.class) return false
  const samePlace =
    bundles === undefined
      ? lease.bundle === undefined
      : bundles.some((each) => each === lease.bundle)
  if (!samePlace) return false
  const held = starving.class?.leases.size ?? 0
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
