// Why a task waits that may run on other nodes too (pure): for which of them, and for what there.
import { toHex } from '../common/ids.ts'
import { lacking, showAmount } from '../common/resources.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { isAvailable, isFeasible, type NodeView } from '../scheduling/cluster-view.ts'
import { matchesAny } from '../scheduling/labels.ts'
import type { RayletState } from './state.ts'
import type { ClusterState } from './cluster/cluster-state.ts'

/** Undefined: it waits for this node alone, or for its turn. */
export function whyNodes(state: RayletState, spec: ClassSpec): string | undefined {
  const { cluster, config } = state
  if (cluster === undefined || spec.strategy.kind === 'PLACEMENT_GROUP') return undefined
  const nodes = nodesFor(cluster, spec)
  const [first] = nodes
  if (first === undefined) return undefined
  if (nodes.length > 1) {
    const isAnyFree = nodes.some((node) => isAvailable(node, spec.demand))
    return isAnyFree ? undefined : whyNone(spec, nodes.length)
  }
  return first.nodeId === toHex(config.nodeId) ? undefined : whyOne(cluster, spec, first)
}

/** Those that can ever hold it. */
function nodesFor({ view }: ClusterState, { strategy, demand, labelSelectors }: ClassSpec) {
  const fitting = [...view.nodes()].filter((node) => isFeasible(node, demand))
  if (strategy.kind === 'NODE_AFFINITY') {
    const bound = fitting.filter(({ nodeId }) => nodeId === strategy.nodeId)
    if (bound.length > 0 || !strategy.soft) return bound
  }
  return fitting.filter(({ labels }) => matchesAny(labels, labelSelectors))
}

function whyOne({ shunned }: ClusterState, { demand }: ClassSpec, node: NodeView): string {
  const where = `waits for node ${node.nodeId}`
  if (shunned.has(node.nodeId)) return `${where}, which does not answer or has refused it just now`
  const needs = lacking(demand, node.free).map(
    (name) =>
      `needs ${name}: ${showAmount(demand, name)}, ${showAmount(node.free, name)} free there`,
  )
  return needs.length === 0 ? `${where}, in turn there` : `${where}: ${needs.join('; ')}`
}

function whyNone({ demand }: ClassSpec, count: number): string {
  const needs = Object.keys(demand).map((name) => `${name}: ${showAmount(demand, name)}`)
  return `needs ${needs.join(', ')}, which none of the ${String(count)} nodes that can hold it has free`
}
