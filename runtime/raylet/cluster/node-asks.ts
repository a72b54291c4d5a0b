// What the processes of this node ask of other nodes (pure): leases that placement finds there
// (lease-placement.ts), and what becomes of those that they have. What the nodes answer is
// remote-leases.ts.
//   wanted ──place──► asked of a node ──granted there──► held by the owner ──► returned, or broken
//                         │ refused: asked of a better node that one knows, or placed again
// Invariants:
//   OL1. A lease on another node lives no longer than the connection over which it was asked: when
//        that closes, its owner hears that it broke, and the other raylet ends it.
//   OL2. What is asked of a node and neither granted nor refused yet counts as on its way: no more
//        is asked for than is wanted. Each accepted lease is granted, or lapses.
//   OL3. A node that refused what by its own word it has room for, or did not answer, is left alone
//        for a second: nobody is asked over and over.
//   OL4. A class bound to a node waits there, in that node's turn; all others wait at home.
//   OL5. A node that does not answer is asked for nothing until it does, and what fits only there
//        waits. Work fails for want of a node only when that is dead or leaves.
//   OL6. A node that refuses a class for good (it leaves, its workers cannot start) is asked for it
//        no more. The class fails where no other node can ever hold it.
//   OL7. A class has so many leases on their way at most, the next are placed as those are granted:
//        of several drivers that begin at once, the first does not take the whole cluster.
//   OL8. What this node can never hold, and has nothing, waits for one lease at one of those that
//        can: nobody is kept from its first by others who have theirs (first-leases.ts).
//   OL9. Where the arguments of a class lie it comes before all others: what those who have nothing
//        there take is had elsewhere too.
// Source: design 6; Ray cluster_lease_manager.cc (spillback to the better node).
import { toHex, type LeaseId } from '../../common/ids.ts'
import type { ClassSpec } from '../../protocol/messages.ts'
import { isFeasible, type NodeLoad } from '../../scheduling/cluster-view.ts'
import { routeLease, type Route, type Router } from '../../scheduling/lease-routing.ts'
import type { Demand } from '../../scheduling/place.ts'
import { forgetIfUnused } from '../class-wants.ts'
import { endFirstWait } from './first-leases.ts'
import type { LeasesAsked } from './peer-raylet-messages.ts'
import { guestClassOf, tellNode } from './node-notices.ts'
import type { Client, RayletState, SchedulingClass } from '../state.ts'
import type { ClusterState, RemoteLease } from './cluster-state.ts'
import type { EventOf, Turn } from '../turn.ts'

/** Where one lease of the class goes next; undefined: to the holders of its group's bundles. */
export function routeFor(
  cluster: ClusterState,
  spec: ClassSpec & Pick<Demand, 'mayBeSlow'>,
  hops: number,
): Route | undefined {
  const { strategy, demand: resources, labelSelectors, holder, mayBeSlow: isDue = false } = spec
  if (strategy.kind === 'PLACEMENT_GROUP') return undefined
  const router: Router = { ...cluster, own: () => NO_LOAD }
  return routeLease(router, {
    demand: { resources, labelSelectors, holder, mayBeSlow: isDue },
    strategy,
    hops,
  })
}

/** The shell says what is free here, with every answer. */
const NO_LOAD: NodeLoad = { nodeId: '', epoch: 0, version: 0, free: {} }

/** OL4. The other node to which a class is bound, if that can hold it. */
export function boundNode(
  { cluster, config }: RayletState,
  { strategy, demand }: ClassSpec,
): string | undefined {
  if (cluster === undefined || strategy.kind !== 'NODE_AFFINITY') return undefined
  const node = cluster.view.get(strategy.nodeId)
  if (node === undefined || strategy.nodeId === toHex(config.nodeId)) return undefined
  return isFeasible(node, demand) ? strategy.nodeId : undefined
}

/** OL4: tell the node how many it wants by now. To be called when that has changed. */
export function tellBoundNode(turn: Turn, each: SchedulingClass): void {
  tellNotWanted(turn, each)
  if (each.wanted === 0) endFirstWait(turn, each)
  const nodeId = boundNode(turn.state, each.spec)
  if (nodeId === undefined) return
  const guest = guestClassOf(turn, each, nodeId)
  if (guest === undefined) return
  tellNode(turn, nodeId, 'guestWants', { ...guest, count: each.wanted })
}

/** The holders of its group's bundles hear the rest at the end of the step: group-wants.ts. */
function tellNotWanted(turn: Turn, each: SchedulingClass): void {
  if (each.told === undefined || each.wanted > 0) return
  for (const nodeId of each.told.keys()) {
    const guest = guestClassOf(turn, each, nodeId)
    if (guest !== undefined) tellNode(turn, nodeId, 'guestWants', { ...guest, count: 0 })
  }
  each.told = undefined
}

/** What it asks for is taken in the view already. */
export function askNode(
  turn: Turn,
  each: SchedulingClass,
  {
    nodeId,
    count,
    hops,
  }: { readonly nodeId: string; readonly count: number; readonly hops: number },
): void {
  const guest = guestClassOf(turn, each, nodeId)
  if (guest === undefined) return
  const known = knownAt(each, nodeId)
  each.asked.set(nodeId, (each.asked.get(nodeId) ?? 0) + count)
  turn.state.cluster?.view.ask(nodeId, each.spec.demand, count)
  const isSlow = turn.state.cluster?.view.get(nodeId)?.isSlow === true
  const asked = { ...guest, count, known, hops }
  const message: LeasesAsked = isSlow ? { ...asked, isSlowFine: true } : asked
  turn.effects.push({ kind: 'askLeases', nodeId, message })
}

function knownAt({ asked, remote }: SchedulingClass, nodeId: string): number {
  let known = asked.get(nodeId) ?? 0
  for (const lease of remote) if (lease.nodeId === nodeId) known += 1
  return known
}

/** @returns false when the lease is none of those on other nodes. */
export function returnRemoteLease(
  turn: Turn,
  client: Client,
  { leaseId, retire }: { readonly leaseId: number; readonly retire: boolean },
): boolean {
  const lease = turn.state.remoteLeases.get(leaseId as LeaseId)
  if (lease?.class.client !== client.id) return false
  const { nodeId, remoteId } = lease
  forgetRemote(turn, lease)
  tellNode(turn, nodeId, 'returnLease', { client: client.id, leaseId: remoteId, retire })
  return true
}

/** Its end comes back as a notice of the other node. */
export function killRemoteLease(
  turn: Turn,
  client: Client,
  { leaseId, isCut }: Pick<EventOf<'killLease'>, 'leaseId' | 'isCut'>,
): boolean {
  const lease = turn.state.remoteLeases.get(leaseId as LeaseId)
  if (lease?.class.client !== client.id) return false
  const { nodeId, remoteId } = lease
  const cut = isCut === undefined ? {} : { isCut }
  tellNode(turn, nodeId, 'killLease', { client: client.id, leaseId: remoteId, ...cut })
  return true
}

/** A process of this node has ended: what it held elsewhere ends with it. */
export function leaveOtherNodes(turn: Turn, client: Client): void {
  for (const each of client.classes.values())
    for (const lease of each.remote) forgetRemote(turn, lease)
  for (const nodeId of client.knownAt.keys())
    tellNode(turn, nodeId, 'guestLeft', { client: client.id })
}

export function forgetRemote({ state }: Turn, lease: RemoteLease): void {
  state.remoteLeases.delete(lease.leaseId)
  state.remoteByKey.delete(keyOf(lease.nodeId, lease.remoteId))
  lease.class.remote.delete(lease)
  const { strategy, demand } = lease.class.spec
  // What a bundle gives was taken from its node before.
  if (strategy.kind !== 'PLACEMENT_GROUP') state.cluster?.view.giveBack(lease.nodeId, demand)
  forgetIfUnused(state, lease.class)
}

export const keyOf = (nodeId: string, remoteId: number): string => `${nodeId}#${String(remoteId)}`
