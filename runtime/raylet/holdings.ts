// What leases hold of the node: taken all or nothing, given back once, from the node's ledger or
// from that of a placement group's bundle. A worker that waits in `get` gives its CPUs back and
// takes them again when it goes on, free or not: until one comes free, nothing else is granted.
//   holds everything ──blocked──► all but its CPUs ──last wait ended──► holds everything
// An actor with default resources needs its CPU to be placed only, and never takes it again.
import type { Allocation, ResourceLedger } from '../common/resource-ledger.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { bundlesOf } from './placement.ts'
import type { Lease, RayletState, Wait } from './state.ts'
import type { Bundle } from './groups/group.ts'

export interface Holding {
  readonly bundle: Bundle | undefined
  readonly allocation: Allocation
}

/**
 * Take what the class demands, from the node or from its bundle; undefined when it is not free.
 * @param mayTake  whether it may be taken from that ledger now.
 */
export function takeFor(
  state: RayletState,
  spec: ClassSpec,
  mayTake: (ledger: ResourceLedger) => boolean,
): Holding | undefined {
  for (const bundle of bundlesOf(state, spec) ?? [undefined]) {
    const ledger = bundle?.ledger ?? state.ledger
    const allocation = mayTake(ledger) ? ledger.allocate(spec.demand) : undefined
    if (allocation !== undefined) return { bundle, allocation }
  }
  return undefined
}

const ledgerOf = (state: RayletState, lease: Lease): ResourceLedger =>
  lease.bundle?.ledger ?? state.ledger

/** Give back whatever the lease holds, for good. */
export function giveBack(state: RayletState, lease: Lease): void {
  if (lease.waits.size > 0) countBlocked(lease, -1)
  ledgerOf(state, lease).release(lease.allocation)
}

/** Give back the CPUs only. May be repeated. */
export function giveCpuBack(state: RayletState, lease: Lease): void {
  ledgerOf(state, lease).giveCpuBack(lease.allocation)
}

/** One more of the lease's tasks waits. */
export function addWait(state: RayletState, lease: Lease, wait: Wait): void {
  if (lease.waits.size === 0) countBlocked(lease, 1)
  lease.waits.add(wait)
  giveCpuBack(state, lease)
}

/** A wait has ended; with the last one the worker goes on and holds its CPUs. */
export function removeWait(state: RayletState, lease: Lease, wait: Wait): void {
  if (!lease.waits.delete(wait) || lease.waits.size > 0) return
  if (!state.leases.has(lease.leaseId)) return
  countBlocked(lease, -1)
  const freed = lease.actor?.phase === 'ALIVE' && lease.actor.spec.defaultResources
  if (!freed) ledgerOf(state, lease).takeCpuAgain(lease.allocation)
}

/** Actors are not counted: what they wait for needs no worker of theirs. */
function countBlocked({ pool, actor }: Lease, by: 1 | -1): void {
  if (actor === undefined) pool.blocked += by
}
