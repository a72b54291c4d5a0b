// Where one demand goes: for raylets and the autoscaler alike. Same view and random: same choice.
// Assumes that views may be stale, that node ids are unique, and that a chosen node may refuse.
//   DEFAULT  hybrid: score = use of the scarcest resource, 0 below one half. The node that holds
//            the large arguments first; then the preferred node if its score is lowest; else two
//            of the best k at random, and the less used of them.
//   SPREAD   the available node with the lowest use; of several, the next in turn (CV7).
//   NODE_AFFINITY  that node; soft: elsewhere if it is gone or too small.
// Available nodes come first; feasible but busy ones are waited for; among either, nodes without
// GPUs come first for demands without. Slow nodes come last: a node that is well and busy is waited
// for, a slow one is chosen where no other can ever hold the demand, or where that has waited long.
// Source: Ray src/ray/raylet/scheduling/policy/hybrid_scheduling_policy.cc; Mitzenmacher, "The
// power of two choices in randomized load balancing" (2001), for stale views.
import type { Random } from '../common/random.ts'
import { resourceKey, type ResourceSet } from '../common/resources.ts'
import { isAvailable, isFeasible, type ClusterView, type NodeView } from './cluster-view.ts'
import type { LabelSelector } from './labels.ts'
import { nearMisses, showLack } from './near-misses.ts'
import { scoreOf } from './score.ts'
import type { Ranked, RankedNodes } from './ranked-nodes.ts'

export interface Demand {
  readonly resources: ResourceSet
  /** The first is wanted, the rest are fallbacks in order; none: all nodes will do. */
  readonly labelSelectors: readonly LabelSelector[]
  /** The node that holds most bytes of the large arguments, whatever its use. */
  readonly holder?: string | undefined
  /** It has waited for nodes that are well for long enough. */
  readonly mayBeSlow?: boolean
}

export type Strategy =
  | { readonly kind: 'DEFAULT' | 'SPREAD' }
  | { readonly kind: 'NODE_AFFINITY'; readonly nodeId: string; readonly soft: boolean }

export type Placement =
  | { readonly kind: 'PLACE'; readonly node: NodeView }
  /** Fits that node's total, not what is free now. */
  | { readonly kind: 'WAIT'; readonly node: NodeView }
  /** No node can ever hold it; `nearest` says what the closest ones lack. */
  | { readonly kind: 'INFEASIBLE'; readonly nearest: string }
  /** Hard affinity to a node that is dead or too small. */
  | { readonly kind: 'UNSCHEDULABLE'; readonly reason: string }

/** Share of all nodes to draw from. Source: Ray scheduler_top_k_fraction = 0.2. */
const TOP_K_FRACTION = 0.2
const ANY_NODE: readonly LabelSelector[] = [{}]

type Draw = Pick<Random, 'next'>

/** Choose a node for `demand` among the living nodes of `view`. */
export function place(
  demand: Demand,
  view: ClusterView,
  strategy: Strategy,
  random: Draw,
): Placement {
  if (strategy.kind === 'NODE_AFFINITY') {
    const pinned = placeOnNode(demand, view, strategy.nodeId)
    if (pinned.kind !== 'UNSCHEDULABLE' || !strategy.soft) return pinned
    return place(demand, view, { kind: 'DEFAULT' }, random)
  }
  let waiting: NodeView | undefined
  for (const selector of demand.labelSelectors.length > 0 ? demand.labelSelectors : ANY_NODE) {
    const chosen = (within: 'free' | 'totals'): NodeView | undefined => {
      const ranked = rankedFor(demand, view, { strategy, selector, within })
      return strategy.kind === 'SPREAD'
        ? ranked.candidates[0]?.node
        : choose(demand, ranked, view, random)
    }
    const node = chosen('free')
    const able = isWell(node) ? node : chosen('totals')
    if (node !== undefined && mayTake(demand, node, able)) return { kind: 'PLACE', node }
    waiting ??= able
  }
  if (waiting !== undefined) return { kind: 'WAIT', node: waiting }
  return { kind: 'INFEASIBLE', nearest: nearMisses(demand, view) }
}

const isWell = (node: NodeView | undefined): node is NodeView =>
  node !== undefined && node.isSlow !== true

/** @param able  the best that can ever hold it: of slow ones, only where no other can. */
const mayTake = ({ mayBeSlow }: Demand, node: NodeView, able: NodeView | undefined): boolean =>
  isWell(node) || mayBeSlow === true || !isWell(able)

function rankedFor(
  { resources }: Demand,
  view: ClusterView,
  wanted: {
    readonly strategy: Strategy
    readonly selector: LabelSelector
    readonly within: 'free' | 'totals'
  },
): RankedNodes {
  const { strategy, selector, within } = wanted
  const scoring = strategy.kind === 'SPREAD' ? 'exact' : 'hybrid'
  const key = `${within} ${scoring} ${resourceKey(resources)} ${JSON.stringify(selector)}`
  return view.ranked({ key, resources, selector, scoring, within })
}

function placeOnNode(demand: Demand, view: ClusterView, nodeId: string): Placement {
  const node = view.get(nodeId)
  if (node === undefined) {
    return { kind: 'UNSCHEDULABLE', reason: `node ${nodeId} is not alive` }
  }
  if (!isFeasible(node, demand.resources)) {
    return { kind: 'UNSCHEDULABLE', reason: showLack(demand.resources, node, view.preferredId) }
  }
  return { kind: isAvailable(node, demand.resources) ? 'PLACE' : 'WAIT', node }
}

/** The hybrid choice, or undefined when there are no candidates. */
function choose(
  { holder }: Demand,
  ranked: RankedNodes,
  view: ClusterView,
  random: Draw,
): NodeView | undefined {
  const { candidates } = ranked
  const best = candidates[0]
  if (best === undefined) return undefined
  const holding = holder === undefined ? undefined : ranked.find(holder)
  if (holding !== undefined) return holding.node
  const preferred = view.preferredId === undefined ? undefined : ranked.find(view.preferredId)
  if (preferred !== undefined && preferred.score <= best.score) return preferred.node
  const topK = Math.max(1, Math.floor(view.size * TOP_K_FRACTION))
  const count = Math.min(topK, candidates.length)
  return lessUsed(drawn(candidates, count, random), drawn(candidates, count, random)).node
}

function drawn(candidates: readonly Ranked[], count: number, random: Draw): Ranked {
  const found = candidates[Math.floor(random.next() * count)]
  if (found === undefined) throw new RangeError(`no candidate among the best ${String(count)}`)
  return found
}

function lessUsed(a: Ranked, b: Ranked): Ranked {
  return a !== b && scoreOf(b.node, 'exact') < scoreOf(a.node, 'exact') ? b : a
}
