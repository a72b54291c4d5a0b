// Why a demand fits nowhere, for people: what the nodes that come closest lack.
import { lacking, showAmount, unitsOf, type ResourceSet } from '../common/resources.ts'
import type { ClusterView, NodeView } from './cluster-view.ts'
import { matchesAny, type LabelSelector } from './labels.ts'

/** Nodes that are named; a thousand equal ones are one miss. */
const MISSES_MAX = 3

interface Miss {
  readonly node: NodeView
  readonly names: readonly string[]
  /** Sum over what it lacks of the share that is missing, 0 to 1 each. */
  readonly shortfall: number
}

/** `needs GPU: 4, node b has 1; needs GPU: 4, node c has 0` */
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
    .map(({ node }) => showLack(resources, node, view.preferredId))
    .join('; ')
}

/** `needs CPU: 8, node 3f… has 2`, for everything that its total lacks. */
export function showLack(
  demand: ResourceSet,
  node: NodeView,
  preferredId: string | undefined,
): string {
  const shown = node.nodeId === preferredId ? 'this node' : `node ${node.nodeId}`
  return lacking(demand, node.totals)
    .map((name) => {
      const wanted = showAmount(demand, name)
      return `needs ${name}: ${wanted}, ${shown} has ${showAmount(node.totals, name)}`
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

/** The first few that do not lack the same amounts of the same things. */
function distinct(misses: readonly Miss[]): Miss[] {
  const found = new Map<string, Miss>()
  for (const miss of misses) {
    const { totals } = miss.node
    const key = miss.names.map((name) => `${name} ${String(unitsOf(totals, name))}`).join()
    if (!found.has(key)) found.set(key, miss)
    if (found.size === MISSES_MAX) break
  }
  return [...found.values()]
}
