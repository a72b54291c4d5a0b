// Where one demand goes: pure, for raylets and the autoscaler alike.
// Assumes that views may be stale, that node ids are unique, and that a chosen node may refuse.
//   DEFAULT  hybrid: score = use of the scarcest resource, 0 below one half. Nodes that hold the
//            largest arguments first; then the preferred node if its score is lowest; else one
//            of the best k at random. Nodes without GPUs first for demands without.
//   SPREAD   the available node with the lowest use.
//   NODE_AFFINITY  that node; soft: elsewhere if it is gone or too small.
// Available nodes come first; feasible but busy ones are waited for.
// Source: Ray src/ray/raylet/scheduling/policy/hybrid_scheduling_policy.cc.
import type { Random } from '../common/random.ts'
import {
  MEMORY,
  lacking,
  showBytes,
  unitsOf,
  unitsPerOne,
  type ResourceSet,
} from '../common/resources.ts'
import { isAvailable, isFeasible, type NodeView } from './cluster-view.ts'
import { matchesLabels, type LabelSelector } from './labels.ts'

export interface Demand {
  readonly resources: ResourceSet
  /** The first is wanted, the rest are fallbacks in order; none: any node. */
  readonly labelSelectors: readonly LabelSelector[]
}

export type Strategy =
  | { readonly kind: 'DEFAULT' | 'SPREAD' }
  | { readonly kind: 'NODE_AFFINITY'; readonly nodeId: string; readonly soft: boolean }

export type Placement =
  | { readonly kind: 'PLACE'; readonly node: NodeView }
  /** Fits that node's total, not what is free now. */
  | { readonly kind: 'WAIT'; readonly node: NodeView }
  /** No node can ever hold it; `nearest` says what the closest one lacks. */
  | { readonly kind: 'INFEASIBLE'; readonly nearest: string }
  /** Hard affinity to a node that is dead or too small. */
  | { readonly kind: 'UNSCHEDULABLE'; readonly reason: string }

/** Utilisation below this counts as none. Source: Ray scheduler_spread_threshold = 0.5. */
const SPREAD_THRESHOLD = 0.5
/** Share of nodes to pick from at random. Source: Ray scheduler_top_k_fraction = 0.2. */
const TOP_K_FRACTION = 0.2

/** Choose a node for `demand` among the living `nodes`. Same input and random: same choice. */
export function place(
  demand: Demand,
  nodes: readonly NodeView[],
  strategy: Strategy,
  random: Pick<Random, 'next'>,
): Placement {
  if (strategy.kind === 'NODE_AFFINITY') {
    const pinned = placeOnNode(demand, nodes, strategy.nodeId)
    if (pinned.kind !== 'UNSCHEDULABLE' || !strategy.soft) return pinned
    return place(demand, nodes, { kind: 'DEFAULT' }, random)
  }
  const selectors = demand.labelSelectors.length > 0 ? demand.labelSelectors : [{}]
  let waiting: NodeView | undefined
  for (const selector of selectors) {
    const feasible = nodes.filter(
      (node) => matchesLabels(node.labels, selector) && isFeasible(node, demand.resources),
    )
    const available = feasible.filter((node) => isAvailable(node, demand.resources))
    if (available.length > 0) {
      return { kind: 'PLACE', node: choose(demand, available, strategy, random) }
    }
    if (feasible.length > 0) waiting ??= choose(demand, feasible, strategy, random)
  }
  if (waiting !== undefined) return { kind: 'WAIT', node: waiting }
  return { kind: 'INFEASIBLE', nearest: nearestMiss(demand, nodes) }
}

function placeOnNode(demand: Demand, nodes: readonly NodeView[], nodeId: string): Placement {
  const node = nodes.find((each) => each.nodeId === nodeId)
  if (node === undefined) {
    return { kind: 'UNSCHEDULABLE', reason: `node ${nodeId} is not alive` }
  }
  if (!isFeasible(node, demand.resources)) {
    return { kind: 'UNSCHEDULABLE', reason: lacks(demand.resources, node).join(', ') }
  }
  return { kind: isAvailable(node, demand.resources) ? 'PLACE' : 'WAIT', node }
}

function choose(
  demand: Demand,
  nodes: readonly NodeView[],
  strategy: Strategy,
  random: Pick<Random, 'next'>,
): NodeView {
  const pool = withoutGpuFirst(demand, nodes)
  const scored = pool
    .map((node) => ({ node, score: scoreOf(node, strategy.kind === 'SPREAD') }))
    .sort((a, b) => a.score - b.score || (a.node.nodeId < b.node.nodeId ? -1 : 1))
  const best = scored[0]
  if (best === undefined) throw new RangeError('choose needs at least one node')
  if (strategy.kind === 'SPREAD') return best.node
  const holder = mostArguments(pool)
  if (holder !== undefined) return holder
  const preferred = scored.find(({ node }) => node.preferred === true)
  if (preferred !== undefined && preferred.score <= best.score) return preferred.node
  const topK = Math.max(1, Math.floor(scored.length * TOP_K_FRACTION))
  return (scored[Math.floor(random.next() * topK)] ?? best).node
}

function withoutGpuFirst(demand: Demand, nodes: readonly NodeView[]): readonly NodeView[] {
  if ((demand.resources['GPU'] ?? 0) > 0) return nodes
  const plain = nodes.filter((node) => (node.totals['GPU'] ?? 0) === 0)
  return plain.length > 0 ? plain : nodes
}

function mostArguments(nodes: readonly NodeView[]): NodeView | undefined {
  let best: NodeView | undefined
  for (const node of nodes) {
    if ((node.argumentBytes ?? 0) > (best?.argumentBytes ?? 0)) best = node
  }
  return best
}

/** How much of its scarcest resource is in use, 0 to 1. */
function scoreOf(node: NodeView, exact: boolean): number {
  let worst = 0
  for (const name in node.totals) {
    const total = node.totals[name] ?? 0
    if (total > 0) worst = Math.max(worst, 1 - (node.free[name] ?? 0) / total)
  }
  return exact || worst >= SPREAD_THRESHOLD ? worst : 0
}

function nearestMiss(demand: Demand, nodes: readonly NodeView[]): string {
  if (nodes.length === 0) return 'there is no node'
  const misses = nodes.map((node) => lacks(demand.resources, node))
  misses.sort((a, b) => a.length - b.length)
  const nearest = misses[0]
  if (nearest === undefined || nearest.length === 0) {
    const wanted = demand.labelSelectors.map((each) => JSON.stringify(each)).join(' or ')
    return `no node has the labels ${wanted}`
  }
  return nearest.join(', ')
}

/** What the node's total lacks, each as `needs GPU: 1, node 3f… has 0`. */
function lacks(demand: ResourceSet, node: NodeView): string[] {
  const shown = node.preferred === true ? 'this node' : `node ${node.nodeId}`
  return lacking(demand, node.totals).map((name) => {
    const wanted = amountOf(demand, name)
    return `needs ${name}: ${wanted}, ${shown} has ${amountOf(node.totals, name)}`
  })
}

function amountOf(set: ResourceSet, name: string): string {
  const units = unitsOf(set, name)
  return name === MEMORY ? showBytes(units) : String(units / unitsPerOne(name))
}
