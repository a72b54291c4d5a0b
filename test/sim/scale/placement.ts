// What placing one task costs, in CPU time, where there are many nodes: the real choice, on a view
// that changes with each one, as use grows and as gossip brings news of a hundredth of the nodes.
import { UNITS_PER_ONE } from '../../../runtime/common/resources.ts'
import { ClusterView, type NodeView } from '../../../runtime/scheduling/cluster-view.ts'
import { place, type Demand, type Strategy } from '../../../runtime/scheduling/place.ts'
import { seeded } from '../../support/seeded.ts'

export interface PlacementPlan {
  readonly seed: number
  readonly nodes: number
  readonly cpus: number
  readonly tasks: number
}

export interface PlacementCost {
  readonly strategy: Strategy['kind']
  /** Share of CPUs in use when it was placed. */
  readonly use: number
  readonly p50Microseconds: number
  readonly p99Microseconds: number
}

const USES = [0, 0.4, 0.6, 0.9, 1]
const DEMAND: Demand = { resources: { CPU: UNITS_PER_ONE }, labelSelectors: [] }
const STRATEGIES: readonly Strategy[] = [{ kind: 'DEFAULT' }, { kind: 'SPREAD' }]
/** The clock of the machine shows tenths of microseconds: so many are timed together. */
const TOGETHER = 4
/** The same is done so often, and the least time counts: the rest is other programs' doing. */
const PASSES = 5

export function placementCosts(plan: PlacementPlan): PlacementCost[] {
  return STRATEGIES.flatMap((strategy) => USES.map((use) => costAt(plan, strategy, use)))
}

function costAt(plan: PlacementPlan, strategy: Strategy, use: number): PlacementCost {
  const passes = Array.from({ length: PASSES }, () => pass(plan, strategy, use))
  const least = (passes[0] ?? []).map((_, i) =>
    Math.min(...passes.map((samples) => samples[i] ?? Infinity)),
  )
  // The first find code that was not compiled yet.
  const sorted = least.slice(least.length / 10).sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? NaN
  return { strategy: strategy.kind, use, p50Microseconds: at(0.5), p99Microseconds: at(0.99) }
}

/** Microseconds of one placement, one after the other. */
function pass(plan: PlacementPlan, strategy: Strategy, use: number): number[] {
  const random = { next: seeded(plan.seed) }
  const view = aView(plan, use, random.next)
  const ids = [...view.nodes()].map(({ nodeId }) => nodeId)
  const samples: number[] = []
  let version = 0
  for (let placed = 0; placed < plan.tasks; placed += TOGETHER) {
    if (placed % 1_000 === 0) {
      version += 1
      for (let i = 0; i < ids.length / 100; i += 1) {
        const nodeId = ids[Math.floor(random.next() * ids.length)] ?? ''
        view.learn({ nodeId, epoch: 1, version, free: freeAt(plan, use, random.next) })
      }
    }
    const taken: string[] = []
    const startedAtMs = performance.now()
    for (let i = 0; i < TOGETHER; i += 1) {
      const placement = place(DEMAND, view, strategy, random)
      if (placement.kind !== 'PLACE') continue
      taken.push(placement.node.nodeId)
      view.take(placement.node.nodeId, DEMAND.resources)
    }
    samples.push((1_000 * (performance.now() - startedAtMs)) / TOGETHER)
    for (const nodeId of taken) view.giveBack(nodeId, DEMAND.resources)
  }
  return samples
}

function aView(plan: PlacementPlan, use: number, random: () => number): ClusterView {
  const nodes = Array.from({ length: plan.nodes }, (_, i): NodeView => {
    const nodeId = i.toString(16).padStart(28, '0')
    const totals = { CPU: plan.cpus * UNITS_PER_ONE }
    return { nodeId, totals, free: freeAt(plan, use, random), labels: {} }
  })
  return new ClusterView(nodes, nodes[0]?.nodeId)
}

/** Around that use, a quarter of the node more or less. */
function freeAt({ cpus }: PlacementPlan, use: number, random: () => number): { CPU: number } {
  const share = Math.min(1, Math.max(0, 1 - use + (use % 1 === 0 ? 0 : (random() - 0.5) / 2)))
  return { CPU: Math.round(share * cpus) * UNITS_PER_ONE }
}
