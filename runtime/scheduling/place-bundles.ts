// Where the bundles of a placement group go: pure, on copies of the views, all or none.
//   PACK           as few nodes as it takes         STRICT_PACK    one node
//   SPREAD         as many nodes as there are       STRICT_SPREAD  a node for each bundle
// The result is a plan; the nodes then prepare all bundles and commit them, or return them all.
// Source: Ray bundle_scheduling_policy.cc; placement_group_resource_manager.h (two phases).
import { fits, type ResourceSet } from '../common/resources.ts'
import type { NodeView } from './cluster-view.ts'

export type BundleStrategy = 'PACK' | 'SPREAD' | 'STRICT_PACK' | 'STRICT_SPREAD'

export type BundlePlan =
  /** The node of each bundle, in the order of the bundles. */
  | { readonly kind: 'PLACE'; readonly nodeIds: readonly string[] }
  /** Would fit if the nodes were empty. */
  | { readonly kind: 'WAIT' }
  | { readonly kind: 'INFEASIBLE'; readonly reason: string }

/** Plan all bundles at once; deterministic. */
export function placeBundles(
  bundles: readonly ResourceSet[],
  nodes: readonly NodeView[],
  strategy: BundleStrategy,
): BundlePlan {
  const placed = fill(bundles, roomsOf(nodes, 'free'), strategy)
  if (placed !== undefined) return { kind: 'PLACE', nodeIds: placed }
  if (fill(bundles, roomsOf(nodes, 'totals'), strategy) !== undefined) return { kind: 'WAIT' }
  return { kind: 'INFEASIBLE', reason: reasonOf(bundles, nodes, strategy) }
}

interface Room {
  readonly nodeId: string
  readonly left: Record<string, number>
  count: number
}

const roomsOf = (nodes: readonly NodeView[], side: 'free' | 'totals'): Room[] =>
  nodes.map((node) => ({ nodeId: node.nodeId, left: { ...node[side] }, count: 0 }))

function fill(
  bundles: readonly ResourceSet[],
  rooms: Room[],
  strategy: BundleStrategy,
): string[] | undefined {
  if (strategy === 'STRICT_PACK') return fillOne(bundles, rooms)
  const nodeIds: string[] = []
  for (const index of largestFirst(bundles)) {
    const bundle = bundles[index] ?? {}
    const room = pick(rooms, bundle, strategy)
    if (room === undefined) return undefined
    take(room, bundle)
    nodeIds[index] = room.nodeId
  }
  return nodeIds
}

function fillOne(bundles: readonly ResourceSet[], rooms: readonly Room[]): string[] | undefined {
  const sum: Record<string, number> = {}
  for (const bundle of bundles) {
    for (const name in bundle) sum[name] = (sum[name] ?? 0) + (bundle[name] ?? 0)
  }
  const room = rooms.find((each) => fits(sum, each.left))
  return room === undefined ? undefined : bundles.map(() => room.nodeId)
}

function pick(rooms: Room[], bundle: ResourceSet, strategy: BundleStrategy): Room | undefined {
  const fitting = rooms.filter((room) => fits(bundle, room.left))
  if (strategy === 'STRICT_SPREAD') return fitting.find((room) => room.count === 0)
  const most = strategy === 'PACK' ? -1 : 1
  return fitting.sort((a, b) => most * (a.count - b.count))[0]
}

function take(room: Room, bundle: ResourceSet): void {
  room.count += 1
  for (const name in bundle) room.left[name] = (room.left[name] ?? 0) - (bundle[name] ?? 0)
}

/** Large bundles first: small ones fill what is left. */
function largestFirst(bundles: readonly ResourceSet[]): number[] {
  const sizes = bundles.map((bundle) => {
    let size = 0
    for (const name in bundle) if (name !== 'memory') size += bundle[name] ?? 0
    return size
  })
  return bundles.map((_, index) => index).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0))
}

function reasonOf(
  bundles: readonly ResourceSet[],
  nodes: readonly NodeView[],
  strategy: BundleStrategy,
): string {
  if (strategy === 'STRICT_SPREAD' && bundles.length > nodes.length) {
    const nodeCount = `${String(nodes.length)} node${nodes.length === 1 ? '' : 's'}`
    return `STRICT_SPREAD needs a node for each of ${String(bundles.length)} bundles, there is ${nodeCount}`
  }
  return `the nodes are too small for ${String(bundles.length)} bundles under ${strategy}`
}
