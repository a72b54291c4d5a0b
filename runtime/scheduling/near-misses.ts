// Why a demand fits nowhere, for people: what the nodes that come closest lack.
import { assert } from '../common/assert.ts'
import { lacking, showAmount, unitsOf, type ResourceSet } from '../common/resources.ts'
import type { ClusterView, NodeView } from './cluster-view.ts'
import { matchesAny, type LabelSelector } from './labels.ts'

/** Misses that are told; a thousand nodes that lack the same are one. */
const MISSES_MAX = 3

interface Miss {
  readonly node: NodeView
  readonly names: readonly string[]
  /** Sum over what it lacks of the share that is missing, 0 to 1 each. */
  readonly shortfall: number
}

/** `needs GPU: 4, node b has 1; needs GPU: 4, this node and 2 more have 0` */
export function nearMisses(
  demand: {
    readonly resources: ResourceSet
    readonly labelSelectors: readonly LabelSelector[]
  },
  view: ClusterView,
): string {
  if (view.size === 0) return 'there is no node'
  const { resources, labelSelectors } = demand
  const labelled = [...view.nodes()].filter(({ labels }) => matchesAny(labels, labelSelectors))
  if (labelled.length === 0) {
    const wanted = labelSelectors.map((each) => JSON.stringify(each)).join(' or ')
    return `no node has the labels ${wanted}`
  }
  const misses = labelled.map((node) => missOf(resources, node)).sort(byCloseness)
  return distinct(misses)
    .map((alike) => showLackOf(resources, alike, view.preferredId))
    .join('; ')
}

/** `needs CPU: 8, node 3f… has 2`, for everything that its total lacks. */
export function showLack(
  demand: ResourceSet,
  node: NodeView,
  preferredId: string | undefined,
): string {
  return showLackOf(demand, [node], preferredId)
}

/** @param alike  nodes that lack the same: one of them is named, who asks before all others. */
function showLackOf(
  demand: ResourceSet,
  alike: readonly NodeView[],
  preferredId: string | undefined,
): string {
  const own = alike.find(({ nodeId }) => nodeId === preferredId)
  const node = own ?? alike[0]
  assert(node !== undefined, 'what a demand lacks is told of one node at least')
  const named = own === undefined ? `node ${node.nodeId}` : 'this node'
  const whoHas = alike.length === 1 ? `${named} has` : `${named} and ${alike.length - 1} more have`
  return lacking(demand, node.totals)
    .map((name) => {
      const wanted = showAmount(demand, name)
      return `needs ${name}: ${wanted}, ${whoHas} ${showAmount(node.totals, name)}`
    })
    .join(', ')
}

function missOf(demand: ResourceSet, node: NodeView): Miss {
  const names = lacking(demand, node.totals)
  let shortfall = 0
  for (const name of names) shortfall += 1 - unitsOf(node.totals, name) / unitsOf(demand, name)
  return { node, names, shortfall }
}

const byCloseness = (a: Miss, b: Miss): number =>
  a.names.length - b.names.length ||
  a.shortfall - b.shortfall ||
  (a.node.nodeId < b.node.nodeId ? -1 : 1)

/** The closest few: of each, all nodes that lack the same amounts of the same things. */
function distinct(misses: readonly Miss[]): NodeView[][] {
  const alike = Map.groupBy(misses, ({ node, names }) =>
    names.map((name) => `${name} ${String(unitsOf(node.totals, name))}`).join(),
  )
  return [...alike.values()].slice(0, MISSES_MAX).map((each) => each.map(({ node }) => node))
}
