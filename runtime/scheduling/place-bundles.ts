// Where the bundles of a placement group go: pure, on copies of the views, all or none.
//   PACK           as few nodes as it takes         STRICT_PACK    one node
//   SPREAD         as many nodes as there are       STRICT_SPREAD  a node for each bundle
// Large bundles first, nodes in the strategy's order, and back from a dead end: exact for small
// groups; after SEARCH_LOOKS_MAX the group is said to wait, never to be infeasible. PACK takes one
// node whenever one is enough; SPREAD a node for each whenever it can. Slow nodes are left out as
// long as the others can ever hold all bundles.
// The result is a plan; the nodes then prepare all bundles and commit them, or return them all.
// Source: Ray bundle_scheduling_policy.cc; placement_group_resource_manager.h (two phases).
import { NO_RESOURCES, addResources, fits, type ResourceSet } from '../common/resources.ts'
import { isFeasible, type ClusterView, type NodeView } from './cluster-view.ts'
import { nearMisses } from './near-misses.ts'

export type BundleStrategy = 'PACK' | 'SPREAD' | 'STRICT_PACK' | 'STRICT_SPREAD'

export type BundlePlan =
  /** The node of each bundle, in the order of the bundles. */
  | { readonly kind: 'PLACE'; readonly nodeIds: readonly string[] }
  /** Would fit if the nodes were empty, or may: the search was given up. */
  | { readonly kind: 'WAIT' }
  | { readonly kind: 'INFEASIBLE'; readonly reason: string }

/**
 * How many nodes are looked at before a search is given up, each once for each bundle that is
 * tried, beside those of a search without dead ends: some 30 ms of CPU, measured 2026-11. Up to
 * four searches follow each other: SPREAD begins with STRICT_SPREAD, and what fits not now may fit
 * ever.
 */
const SEARCH_LOOKS_MAX = 1_000_000

/** Plan all bundles at once; deterministic. */
export function placeBundles(
  bundles: readonly ResourceSet[],
  view: ClusterView,
  strategy: BundleStrategy,
): BundlePlan {
  const nodes = withoutGpuFirst(bundles, [...view.nodes()])
  const well = nodes.filter(({ isSlow }) => isSlow !== true)
  const plan =
    planAmong(bundles, well, strategy) ??
    (well.length < nodes.length ? planAmong(bundles, nodes, strategy) : undefined)
  return plan ?? { kind: 'INFEASIBLE', reason: reasonOf(bundles, view, strategy) }
}

/** Undefined: it never fits. */
function planAmong(
  bundles: readonly ResourceSet[],
  nodes: readonly NodeView[],
  strategy: BundleStrategy,
): BundlePlan | undefined {
  const now = arrange(bundles, roomsOf(nodes, 'free'), strategy)
  if (now.kind === 'FOUND') return { kind: 'PLACE', nodeIds: now.nodeIds }
  const ever = arrange(bundles, roomsOf(nodes, 'totals'), strategy)
  return ever.kind === 'NONE' ? undefined : { kind: 'WAIT' }
}

interface Room {
  readonly nodeId: string
  readonly left: Record<string, number>
  /** Bundles in it. */
  count: number
  /** Rooms of one twin key are as good as each other; undefined: not known since it changed. */
  twin: string | undefined
}

const roomsOf = (nodes: readonly NodeView[], side: 'free' | 'totals'): Room[] =>
  nodes.map(({ nodeId, [side]: left }) => ({
    nodeId,
    left: { ...left },
    count: 0,
    twin: undefined,
  }))

type Arrangement =
  | { readonly kind: 'FOUND'; readonly nodeIds: readonly string[] }
  | { readonly kind: 'NONE' | 'GIVEN_UP' }

function arrange(
  bundles: readonly ResourceSet[],
  rooms: readonly Room[],
  strategy: BundleStrategy,
): Arrangement {
  switch (strategy) {
    case 'STRICT_PACK':
      return arrangeInOne(bundles, rooms)
    case 'PACK': {
      const one = arrangeInOne(bundles, rooms)
      return one.kind === 'FOUND' ? one : new Search(bundles, rooms, fullestFirst).run()
    }
    case 'STRICT_SPREAD':
      if (bundles.length > rooms.length) return { kind: 'NONE' }
      return new Search(bundles, rooms, unusedOnly).run()
    case 'SPREAD': {
      const apart = arrange(bundles, rooms, 'STRICT_SPREAD')
      return apart.kind === 'FOUND' ? apart : new Search(bundles, rooms, emptiestFirst).run()
    }
  }
}

function arrangeInOne(bundles: readonly ResourceSet[], rooms: readonly Room[]): Arrangement {
  const sum = bundles.reduce(addResources, NO_RESOURCES)
  const room = rooms.find((each) => fits(sum, each.left))
  if (room === undefined) return { kind: 'NONE' }
  return { kind: 'FOUND', nodeIds: bundles.map(() => room.nodeId) }
}

/** The rooms to try, of those in which a bundle fits; the order of nodes decides between equals. */
type Preference = (fitting: readonly Room[]) => readonly Room[]

const fullestFirst: Preference = (fitting) => fitting.toSorted((a, b) => b.count - a.count)
const emptiestFirst: Preference = (fitting) => fitting.toSorted((a, b) => a.count - b.count)
const unusedOnly: Preference = (fitting) => fitting.filter((room) => room.count === 0)

/** Depth first, one bundle a level; leaves the rooms as they were unless it finds a way. */
class Search {
  readonly #bundles: readonly ResourceSet[]
  readonly #order: readonly number[]
  readonly #rooms: readonly Room[]
  readonly #prefer: Preference
  readonly #nodeIds: string[] = []
  #looksLeft: number

  constructor(bundles: readonly ResourceSet[], rooms: readonly Room[], prefer: Preference) {
    this.#bundles = bundles
    this.#order = largestFirst(bundles, rooms)
    this.#rooms = rooms
    this.#prefer = prefer
    this.#looksLeft = bundles.length * rooms.length + SEARCH_LOOKS_MAX
  }

  run(): Arrangement {
    if (this.#settle(0)) return { kind: 'FOUND', nodeIds: this.#nodeIds }
    return { kind: this.#looksLeft <= 0 ? 'GIVEN_UP' : 'NONE' }
  }

  #settle(depth: number): boolean {
    const index = this.#order[depth]
    if (index === undefined) return true
    const bundle = this.#bundles[index] ?? NO_RESOURCES
    const tried = new Set<string>()
    this.#looksLeft -= this.#rooms.length
    for (const room of this.#prefer(this.#rooms.filter((each) => fits(bundle, each.left)))) {
      if (this.#looksLeft <= 0) return false
      const twin = twinKey(room)
      if (tried.has(twin)) continue // as hopeless as the one before
      tried.add(twin)
      move(room, bundle, 1)
      this.#nodeIds[index] = room.nodeId
      if (this.#settle(depth + 1)) return true
      move(room, bundle, -1)
    }
    return false
  }
}

function twinKey(room: Room): string {
  room.twin ??= `${String(room.count)} ${JSON.stringify(room.left)}`
  return room.twin
}

function move(room: Room, bundle: ResourceSet, sign: 1 | -1): void {
  room.count += sign
  room.twin = undefined
  for (const name in bundle) {
    room.left[name] = (room.left[name] ?? 0) - sign * (bundle[name] ?? 0)
  }
}

/** By the largest share of the largest room: small bundles fill what is left. */
function largestFirst(bundles: readonly ResourceSet[], rooms: readonly Room[]): number[] {
  const most: Record<string, number> = {}
  for (const { left } of rooms) {
    for (const name in left) most[name] = Math.max(most[name] ?? 0, left[name] ?? 0)
  }
  const sizes = bundles.map((bundle) => {
    let size = 0
    for (const name in bundle) size = Math.max(size, (bundle[name] ?? 0) / (most[name] ?? 1))
    return size
  })
  return bundles.map((_, index) => index).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0))
}

function withoutGpuFirst(
  bundles: readonly ResourceSet[],
  nodes: readonly NodeView[],
): readonly NodeView[] {
  if (bundles.some((bundle) => (bundle['GPU'] ?? 0) > 0)) return nodes
  const hasGpu = ({ totals }: NodeView): number => Number((totals['GPU'] ?? 0) > 0)
  return nodes.toSorted((a, b) => hasGpu(a) - hasGpu(b))
}

function reasonOf(
  bundles: readonly ResourceSet[],
  view: ClusterView,
  strategy: BundleStrategy,
): string {
  const miss = (resources: ResourceSet): string =>
    nearMisses({ resources, labelSelectors: [] }, view)
  const nodes = [...view.nodes()]
  const alone = bundles.findIndex((bundle) => !nodes.some((node) => isFeasible(node, bundle)))
  if (alone >= 0) return `bundle ${String(alone)} ${miss(bundles[alone] ?? NO_RESOURCES)}`
  if (strategy === 'STRICT_PACK') {
    const sum = bundles.reduce(addResources, NO_RESOURCES)
    return `STRICT_PACK needs one node for all ${String(bundles.length)} bundles, which ${miss(sum)}`
  }
  if (strategy === 'STRICT_SPREAD' && bundles.length > nodes.length) {
    const count = nodes.length === 1 ? 'there is 1 node' : `there are ${String(nodes.length)} nodes`
    return `STRICT_SPREAD needs a node for each of ${String(bundles.length)} bundles, ${count}`
  }
  return `the nodes are too small for ${String(bundles.length)} bundles under ${strategy}`
}
