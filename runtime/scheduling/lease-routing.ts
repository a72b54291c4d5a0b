// Which node a lease is asked of: pure. A request begins at its home raylet and travels two hops at
// most; whoever cannot grant it and may not pass it on refuses, with its own load as it is now.
//
//   home ──► node chosen by place() ──► one that it knows to be free ──► refused, home again
//     0              1: it grants               2: it grants
//
// Invariants:
//   LR1. A node grants what it has free when it is asked, whatever its view says of others.
//   LR2. After HOPS_MAX hops nothing is passed on: no request travels in circles.
//   LR3. Who forwards counts the demand as taken there at once, so that the next request goes
//        elsewhere; the node's own word replaces that, and comes with every answer. When the lease
//        ends, who forwarded it counts it back (ClusterView.giveBack) and hears nothing: gossip
//        is late about less than an eighth (GO1), and 64 tasks of one CPU each, forwarded and
//        ended one by one, would else leave an idle node of 64 full in the view of their home
//        (D68).
//   LR4. A request bound to a node is never passed on by it: it waits there.
// Source: Ray cluster_lease_manager.cc (spillback); Mitzenmacher (2001); design 6.
import type { Random } from '../common/random.ts'
import { isAvailable, type ClusterView, type NodeLoad } from './cluster-view.ts'
import { place, type Demand, type Placement, type Strategy } from './place.ts'

export const HOPS_MAX = 2

export interface RoutedRequest {
  readonly demand: Demand
  readonly strategy: Strategy
  /** 0 at home. */
  readonly hops: number
}

export type Route =
  | { readonly kind: 'GRANT' }
  | { readonly kind: 'FORWARD'; readonly nodeId: string; readonly hops: number }
  /** It waits at this node for room here or news of others. */
  | { readonly kind: 'WAIT' }
  /** Back to its home raylet, which learns `load`. */
  | { readonly kind: 'REFUSE'; readonly load: NodeLoad }
  | Extract<Placement, { kind: 'INFEASIBLE' | 'UNSCHEDULABLE' }>

export interface Router {
  /** With this node as the preferred one, its free resources up to date. */
  readonly view: ClusterView
  readonly random: Pick<Random, 'next'>
  /** This node's load now. */
  own(): NodeLoad
}

/** Decide where a request goes next. A grant or a forward is counted in the view (LR3). */
export function routeLease(router: Router, request: RoutedRequest): Route {
  const { view, random } = router
  const { demand, strategy, hops } = request
  const self = view.preferredId
  if (self === undefined) throw new RangeError('a view that routes leases needs its own node')
  if (hops > 0) return routeForwarded(router, request, self)
  const placement = place(demand, view, strategy, random)
  if (placement.kind === 'INFEASIBLE' || placement.kind === 'UNSCHEDULABLE') return placement
  if (placement.kind === 'PLACE') return give(view, request, placement.node.nodeId)
  const isBoundElsewhere = strategy.kind === 'NODE_AFFINITY' && placement.node.nodeId !== self
  return isBoundElsewhere ? give(view, request, placement.node.nodeId) : { kind: 'WAIT' }
}

function routeForwarded(router: Router, request: RoutedRequest, self: string): Route {
  const { view, random } = router
  const { demand, strategy, hops } = request
  const here = view.get(self)
  if (here !== undefined && isAvailable(here, demand.resources)) return give(view, request, self)
  if (strategy.kind === 'NODE_AFFINITY' && strategy.nodeId === self) return { kind: 'WAIT' } // LR4
  if (hops >= HOPS_MAX) return { kind: 'REFUSE', load: router.own() } // LR2
  const placement = place(demand, view, strategy, random)
  if (placement.kind !== 'PLACE') return { kind: 'REFUSE', load: router.own() }
  return give(view, request, placement.node.nodeId)
}

function give(view: ClusterView, request: RoutedRequest, nodeId: string): Route {
  const { demand, strategy, hops } = request
  view.take(nodeId, demand.resources)
  if (strategy.kind === 'SPREAD') view.tookTurn(nodeId)
  if (nodeId === view.preferredId) return { kind: 'GRANT' }
  return { kind: 'FORWARD', nodeId, hops: hops + 1 }
}
