// Where the bundles of a placement group go that lie nowhere, over the nodes of the cluster (pure):
// at first all of them, after the loss of a node those that were there. The others stay.
import { toHex } from '../../common/ids.ts'
import { NO_RESOURCES, type ResourceSet } from '../../common/resources.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import { ClusterView, type NodeView } from '../../scheduling/cluster-view.ts'
import { placeBundles, type BundlePlan } from '../../scheduling/place-bundles.ts'
import { seeOwnNode } from '../placement.ts'
import type { RayletState } from '../state.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'

export interface Placing {
  readonly spec: GroupSpec
  /** The bundles to place. */
  readonly missing: readonly number[]
  /** Nodes that have others of the group. */
  readonly occupied: ReadonlySet<string>
  /** It has waited for nodes that are well for long enough. */
  readonly mayBeSlow?: boolean
}

/** By what is free; on slow nodes only what those that are well have no room for. */
export function planGroup(state: RayletState, cluster: ClusterState, placing: Placing): BundlePlan {
  seeOwnNode(state, cluster.view)
  const nodes = [...cluster.view.nodes()]
  const plan = planAmong(state, nodes, placing)
  if (plan.kind === 'PLACE' || placing.mayBeSlow !== true) return plan
  return planAmong(
    state,
    nodes.map((node) => ({ ...node, isSlow: false })),
    placing,
  )
}

function planAmong(
  state: RayletState,
  nodes: readonly NodeView[],
  { spec, missing, occupied }: Placing,
): BundlePlan {
  const bundles = missing.map((index) => spec.bundles[index] ?? NO_RESOURCES)
  const apart = nodes.filter(({ nodeId }) => !occupied.has(nodeId))
  const own = toHex(state.config.nodeId)
  const plan = (among: readonly NodeView[]): BundlePlan =>
    placeBundles(bundles, new ClusterView(among, own), spec.strategy)
  if (occupied.size === 0) return plan(nodes)
  const again = planAgain(spec, plan, nodes, apart)
  if (again.kind !== 'INFEASIBLE') return again
  const whole = placeBundles(spec.bundles, new ClusterView(nodes, own), spec.strategy)
  if (whole.kind === 'INFEASIBLE') return whole
  const reason = `no node has room for its bundles ${missing.join(', ')} beside the others`
  return { kind: 'INFEASIBLE', reason }
}

/** Plan what was lost of a group, of which the rest stays where it is. */
function planAgain(
  spec: GroupSpec,
  plan: (among: readonly NodeView[]) => BundlePlan,
  nodes: readonly NodeView[],
  apart: readonly NodeView[],
): BundlePlan {
  if (spec.strategy === 'STRICT_SPREAD') return plan(apart)
  // Of those that may be mixed: SPREAD with nodes that have none yet, PACK with those that have.
  const first = plan(
    spec.strategy === 'SPREAD' ? apart : nodes.filter((each) => !apart.includes(each)),
  )
  return first.kind === 'PLACE' ? first : plan(nodes)
}

/**
 * For one that waits: where it would fit if nothing were taken, among equals at random. Asked
 * there, nodes ask leases back for it, and keep what comes free.
 */
export function planAnyway(
  state: RayletState,
  { view, random, shunned }: Pick<ClusterState, 'view' | 'random' | 'shunned'>,
  { spec, missing, occupied }: Placing,
): BundlePlan {
  const bundles: ResourceSet[] = missing.map((index) => spec.bundles[index] ?? NO_RESOURCES)
  const nodes = [...view.nodes()]
    .filter(({ nodeId }) => !shunned.has(nodeId))
    .filter(({ nodeId }) => spec.strategy !== 'STRICT_SPREAD' || !occupied.has(nodeId))
    .map((node) => ({ node: { ...node, free: node.totals }, order: random.next() }))
    .sort((a, b) => a.order - b.order)
    .map(({ node }) => node)
  const own = toHex(state.config.nodeId)
  return placeBundles(bundles, new ClusterView(nodes, own), spec.strategy)
}
