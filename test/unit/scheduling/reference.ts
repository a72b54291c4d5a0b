// Placement as one would write it without an index, to compare with: every node is looked at, every
// arrangement of bundles is tried.
import { fits, type ResourceSet } from '../../../runtime/common/resources.ts'
import type { NodeView } from '../../../runtime/scheduling/cluster-view.ts'
import { matchesLabels } from '../../../runtime/scheduling/labels.ts'
import type { Demand } from '../../../runtime/scheduling/place.ts'
import type { BundleStrategy } from '../../../runtime/scheduling/place-bundles.ts'

export interface Asked {
  readonly demand: Demand
  readonly nodes: readonly NodeView[]
  readonly preferredId: string
  readonly spread: boolean
}

/** Every node that may be chosen, after PLACE or WAIT; empty: infeasible. */
export function allowed(asked: Asked): { readonly kind: string; readonly nodeIds: Set<string> } {
  const { demand, nodes } = asked
  const selectors = demand.labelSelectors.length > 0 ? demand.labelSelectors : [{}]
  const feasible = selectors.map((selector) =>
    nodes.filter(
      (node) => matchesLabels(node.labels, selector) && fits(demand.resources, node.totals),
    ),
  )
  const available = feasible.map((some) => some.filter((node) => fits(demand.resources, node.free)))
  const now = available.find((some) => some.length > 0)
  if (now !== undefined) return { kind: 'PLACE', nodeIds: choices(asked, now) }
  const later = feasible.find((some) => some.length > 0)
  if (later !== undefined) return { kind: 'WAIT', nodeIds: choices(asked, later) }
  return { kind: 'INFEASIBLE', nodeIds: new Set() }
}

function choices(asked: Asked, nodes: readonly NodeView[]): Set<string> {
  const { demand, preferredId, spread } = asked
  const hasGpu = (node: NodeView): boolean => (node.totals['GPU'] ?? 0) > 0
  const plain = nodes.filter((node) => !hasGpu(node))
  const pool = (demand.resources['GPU'] ?? 0) > 0 || plain.length === 0 ? nodes : plain
  const used = (node: NodeView): number =>
    Math.max(0, ...Object.entries(node.totals).map(([name, n]) => 1 - (node.free[name] ?? 0) / n))
  const score = (node: NodeView): number => (spread || used(node) >= 0.5 ? used(node) : 0)
  const turn = (node: NodeView): number => (spread ? (node.turn ?? 0) : 0)
  const ranked = pool.toSorted(
    (a, b) => score(a) - score(b) || turn(a) - turn(b) || (a.nodeId < b.nodeId ? -1 : 1),
  )
  const [best] = ranked
  if (best === undefined || spread) return new Set(best && [best.nodeId])
  const holder = pool.find(({ nodeId }) => nodeId === demand.holder)
  if (holder !== undefined) return new Set([holder.nodeId])
  const preferred = pool.find(({ nodeId }) => nodeId === preferredId)
  if (preferred !== undefined && score(preferred) <= score(best)) return new Set([preferredId])
  const topK = Math.max(1, Math.floor(asked.nodes.length / 5))
  return new Set(ranked.slice(0, topK).map(({ nodeId }) => nodeId))
}

/** The fewest and the most nodes on which all bundles fit, or undefined: they never do. */
export function arrangements(
  bundles: readonly ResourceSet[],
  nodes: readonly NodeView[],
  strategy: BundleStrategy,
): { readonly fewest: number; readonly most: number } | undefined {
  const counts: number[] = []
  const chosen: number[] = []
  const visit = (left: readonly Record<string, number>[]): void => {
    const bundle = bundles[chosen.length]
    if (bundle === undefined) {
      const count = new Set(chosen).size
      if (strategy === 'STRICT_PACK' && count > 1) return
      if (strategy === 'STRICT_SPREAD' && count < bundles.length) return
      counts.push(count)
      return
    }
    for (const [at, room] of left.entries()) {
      if (!fits(bundle, room)) continue
      const rest = { ...room }
      for (const name in bundle) rest[name] = (rest[name] ?? 0) - (bundle[name] ?? 0)
      chosen.push(at)
      visit(left.with(at, rest))
      chosen.pop()
    }
  }
  visit(nodes.map(({ free }) => ({ ...free })))
  if (counts.length === 0) return undefined
  return { fewest: Math.min(...counts), most: Math.max(...counts) }
}
