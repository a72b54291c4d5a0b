// Why a task waits that may run on other nodes too (pure): for which of them, and for what there.
import { toHex } from '../common/ids.ts'
import { lacking, showAmount } from '../common/resources.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { isAvailable, isFeasible, type NodeView } from '../scheduling/cluster-view.ts'
import { matchesAny } from '../scheduling/labels.ts'
import type { RayletState } from './state.ts'
import { freeOf } from './state-rows.ts'
import type { ClusterState } from './cluster/cluster-state.ts'

/** Undefined: there is no other node, or it waits for the bundles of its group. */
export function whyNodes(state: RayletState, spec: ClassSpec): string | undefined {
  const { cluster } = state
  if (cluster === undefined || spec.strategy.kind === 'PLACEMENT_GROUP') return undefined
  const nodes = nodesFor(state, cluster, spec)
  const [first] = nodes
  if (first === undefined) return undefined
  if (nodes.length === 1) return whyOne(state, cluster, spec, first)
  const free = nodes.filter((node) => isAvailable(node, spec.demand))
  if (free.length === 0) return whyNone(spec, nodes.length)
  const isAnyWell = free.some(({ isSlow }) => isSlow !== true)
  return isAnyWell ? whyNothing(state) : whySlow(free.length)
}

/** It would fit. */
export const whyNothing = (state: RayletState): string =>
  state.fenced ? 'the GCS has not answered this node for too long' : 'it is next in turn'

/** Those that can ever hold it, with what they have free; of this node, now. */
function nodesFor(state: RayletState, { view }: ClusterState, spec: ClassSpec): NodeView[] {
  const { strategy, demand, labelSelectors } = spec
  const own = toHex(state.config.nodeId)
  const fitting = [...view.nodes()]
    .filter((node) => isFeasible(node, demand))
    .map((node) => (node.nodeId === own ? { ...node, free: freeOf(state) } : node))
  if (strategy.kind === 'NODE_AFFINITY') {
    const bound = fitting.filter(({ nodeId }) => nodeId === strategy.nodeId)
    if (bound.length > 0 || !strategy.soft) return bound
  }
  return fitting.filter(({ labels }) => matchesAny(labels, labelSelectors))
}

function whyOne(
  state: RayletState,
  { shunned }: ClusterState,
  { demand }: ClassSpec,
  node: NodeView,
): string {
  if (state.fenced) return whyNothing(state)
  const where = `waits for node ${node.nodeId}`
  if (shunned.has(node.nodeId)) return `${where}, which does not answer or has refused it just now`
  const needs = lacking(demand, node.free).map(
    (name) =>
      `needs ${name}: ${showAmount(demand, name)}, ${showAmount(node.free, name)} free there`,
  )
  return needs.length === 0 ? `${where}, in turn there` : `${where}: ${needs.join('; ')}`
}

const whySlow = (count: number): string =>
  `waits for a node that is well: those that have room (${String(count)}) get too little time`

function whyNone({ demand }: ClassSpec, count: number): string {
  const needs = Object.keys(demand).map((name) => `${name}: ${showAmount(demand, name)}`)
  return `needs ${needs.join(', ')}, which none of the ${String(count)} nodes that can hold it has free`
}
