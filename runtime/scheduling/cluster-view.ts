// What a raylet or the autoscaler believes of the nodes of the cluster, indexed for placement.
// Views are stale: each node counts the versions of its own load, and an older one never replaces a
// newer one. For each shape of demand the nodes that can hold it are kept ranked, so that placing
// does not look at every node.
// Invariants:
//   CV1. A ranking gives what sorting all nodes anew would give (test: against a reference).
//   CV2. A ranking catches up on the nodes that changed since it was asked last, when it is asked.
//   CV3. At most SHAPES_MAX shapes are ranked; the one that was asked longest ago is forgotten.
//   CV4. A node that is set aside stays in the view and counts as full, whatever is said of it,
//        until it is let in again: what fits only there waits for it.
//   CV5. What was asked of a node and is not answered yet counts as taken there, whatever the node
//        says meanwhile: it may have said so before it was asked. Else a thousand leases that are
//        placed one after the other are asked of the same few nodes again with each answer.
//   CV6. A node that says that it is slow is marked so, as long as no more than half of all do:
//        where most are, going elsewhere gains nothing, and nobody is avoided. The own node is
//        counted and never marked.
//   CV7. Of nodes that are used alike, SPREAD takes the one that it chose longest ago, by the turns
//        that are counted in this view: it goes round, also with what takes nothing.
// Source: Ray cluster_resource_manager.h; design 6.
import { fits, type ResourceSet } from '../common/resources.ts'
import { RankedNodes, type Shape } from './ranked-nodes.ts'

export interface NodeView {
  /** Hex, as users see it. */
  readonly nodeId: string
  readonly totals: ResourceSet
  /** What is free now; amounts may be below zero while a node is oversubscribed. */
  readonly free: ResourceSet
  readonly labels: Readonly<Record<string, string>>
  /** It comes after those that are well (CV6). */
  readonly isSlow?: boolean
  /** Full whatever the demand, were it nothing (CV4). */
  readonly isAside?: boolean
  /** CV7: in which turn a SPREAD chose it last; absent: in none. */
  readonly turn?: number
}

/** What one node says of its own load. Versions count up, in one epoch of the node. */
export interface NodeLoad {
  readonly nodeId: string
  readonly epoch: number
  readonly version: number
  readonly free: ResourceSet
  /** It does not get the time it needs. */
  readonly isSlow?: boolean
}

/** Shapes of demand that are ranked at once: scheduling classes with their selectors. */
const SHAPES_MAX = 64

/** Feasible: the node could ever hold it. Available: it can now. */
export const isFeasible = (node: NodeView, demand: ResourceSet): boolean =>
  fits(demand, node.totals)
export const isAvailable = (node: NodeView, demand: ResourceSet): boolean =>
  node.isAside !== true && fits(demand, node.free)

export class ClusterView {
  /** The node that asks: it wins where nothing speaks against it. None: the autoscaler asks. */
  readonly preferredId: string | undefined
  readonly #nodes = new Map<string, NodeView>()
  readonly #loads = new Map<string, { readonly epoch: number; readonly version: number }>()
  /** CV4: what the nodes that are set aside have free. */
  readonly #aside = new Map<string, ResourceSet>()
  /** CV5. */
  readonly #unanswered = new Map<string, ResourceSet>()
  /** CV6: those that say so. */
  readonly #slow = new Set<string>()
  /** CV7. */
  readonly #turns = new Map<string, number>()
  #turnCount = 0
  /** In the order in which they were asked last. */
  readonly #ranked = new Map<string, RankedNodes>()

  constructor(nodes: readonly NodeView[] = [], preferredId?: string) {
    this.preferredId = preferredId
    for (const node of nodes) this.set(node)
  }

  get size(): number {
    return this.#nodes.size
  }

  get(nodeId: string): NodeView | undefined {
    return this.#nodes.get(nodeId)
  }

  nodes(): IterableIterator<NodeView> {
    return this.#nodes.values()
  }

  /** Add a node, or replace what is known of it. */
  set(node: NodeView): void {
    const { nodeId } = node
    const isAside = this.#aside.has(nodeId)
    if (isAside) this.#aside.set(nodeId, node.free)
    const { size } = this.#nodes
    const isKnown = !isAside && node.isAside !== true
    const free = isAside ? {} : node.free
    const turn = this.#turns.get(nodeId)
    const seen = turn === undefined || turn === node.turn ? node : { ...node, turn }
    this.#nodes.set(nodeId, this.#marked(isKnown ? seen : { ...seen, free, isAside }))
    this.#changed(nodeId)
    if (this.#nodes.size > size) this.#markAnew()
  }

  /** The same, but for what is free there: that is known better by what the node itself says. */
  refresh(node: NodeView): void {
    this.set({ ...node, free: this.#known(node.nodeId)?.free ?? node.free })
  }

  /** CV4. A node that is not in the view is none to set aside. */
  setAside(nodeId: string): void {
    const node = this.#nodes.get(nodeId)
    if (node === undefined || this.#aside.has(nodeId)) return
    this.#aside.set(nodeId, node.free)
    this.set(node)
  }

  /** The reverse: with what it has free by what was said of it meanwhile. */
  letIn(nodeId: string): void {
    const node = this.#known(nodeId)
    if (this.#aside.delete(nodeId) && node !== undefined) this.set(node)
  }

  /** The node is gone: dead, or drained. */
  delete(nodeId: string): void {
    this.#loads.delete(nodeId)
    this.#aside.delete(nodeId)
    this.#unanswered.delete(nodeId)
    this.#slow.delete(nodeId)
    this.#turns.delete(nodeId)
    if (!this.#nodes.delete(nodeId)) return
    this.#changed(nodeId)
    this.#markAnew()
  }

  /** CV6: the node says so; what others say comes with their load. */
  saidSlow(nodeId: string, isSlow: boolean): void {
    if (this.#slow.has(nodeId) === isSlow) return
    if (isSlow) this.#slow.add(nodeId)
    else this.#slow.delete(nodeId)
    const node = this.#known(nodeId)
    if (node !== undefined) this.set({ ...node, isSlow: false })
    this.#markAnew()
  }

  get hasSlow(): boolean {
    return this.#slow.size > 0
  }

  /** CV6: it says that it is slow, and most do not. */
  isAvoided(nodeId: string): boolean {
    return this.#slow.has(nodeId) && this.#slow.size * 2 <= this.#nodes.size
  }

  /** @returns whether this was news: the node is known, and nothing newer is. */
  learn({ nodeId, epoch, version, free, isSlow = false }: NodeLoad): boolean {
    const known = this.#loads.get(nodeId)
    if (known !== undefined && !isNewer({ epoch, version }, known)) return false
    if (this.#nodes.has(nodeId)) this.saidSlow(nodeId, isSlow)
    const node = this.#nodes.get(nodeId)
    if (node === undefined) return false
    this.#loads.set(nodeId, { epoch, version })
    const asked = this.#unanswered.get(nodeId)
    this.set({ ...node, free: asked === undefined ? free : less(free, asked, 1) })
    return true
  }

  /** CV5: so many of a demand, which are taken there already, were asked of the node. */
  ask(nodeId: string, demand: ResourceSet, count: number): void {
    if (!this.#nodes.has(nodeId)) return
    this.#unanswered.set(nodeId, less(this.#unanswered.get(nodeId) ?? {}, demand, -count))
  }

  /** CV5: it has answered, or will not; what it said with it is to be learned after this. */
  answered(nodeId: string, demand: ResourceSet, count: number): void {
    const asked = this.#unanswered.get(nodeId)
    if (asked === undefined) return
    const left = less(asked, demand, count)
    if (Object.values(left).some((amount) => amount > 0)) this.#unanswered.set(nodeId, left)
    else this.#unanswered.delete(nodeId)
  }

  /** Count a demand as taken there until the node itself says more: it was asked to hold it. */
  take(nodeId: string, demand: ResourceSet, count = 1): void {
    const node = this.#known(nodeId)
    if (node !== undefined) this.set({ ...node, free: less(node.free, demand, count) })
  }

  /** CV7: a SPREAD chose it. */
  tookTurn(nodeId: string): void {
    const node = this.#known(nodeId)
    if (node === undefined) return
    this.#turnCount += 1
    this.#turns.set(nodeId, this.#turnCount)
    this.set(node)
  }

  /** The reverse of take(): it holds the demand no more, by what is known here. */
  giveBack(nodeId: string, demand: ResourceSet, count = 1): void {
    const node = this.#known(nodeId)
    if (node === undefined) return
    const free: Record<string, number> = { ...node.free }
    for (const name in demand) {
      free[name] = Math.min((free[name] ?? 0) + count * (demand[name] ?? 0), node.totals[name] ?? 0)
    }
    this.set({ ...node, free })
  }

  /** The nodes for a shape of demand, in order (CV1). Valid until the view changes. */
  ranked(shape: Shape): RankedNodes {
    const known = this.#ranked.get(shape.key)
    if (known !== undefined) this.#ranked.delete(shape.key)
    else this.#forgetOldest()
    const ranked = known ?? new RankedNodes(shape, this.#nodes.keys())
    this.#ranked.set(shape.key, ranked)
    ranked.catchUp(this.#nodes)
    return ranked
  }

  /** With what it has free, also while it is set aside. */
  #known(nodeId: string): NodeView | undefined {
    const node = this.#nodes.get(nodeId)
    const free = this.#aside.get(nodeId)
    return node === undefined || free === undefined ? node : { ...node, free }
  }

  #marked(node: NodeView): NodeView {
    const { nodeId } = node
    if (!this.#slow.has(nodeId) || nodeId === this.preferredId) return node
    return { ...node, isSlow: this.isAvoided(nodeId) }
  }

  #markAnew(): void {
    for (const nodeId of this.#slow) {
      const node = this.#nodes.get(nodeId)
      if (node === undefined) continue
      const marked = this.#marked(node)
      if (marked.isSlow === node.isSlow) continue
      this.#nodes.set(nodeId, marked)
      this.#changed(nodeId)
    }
  }

  #forgetOldest(): void {
    if (this.#ranked.size < SHAPES_MAX) return
    const [oldest] = this.#ranked.keys()
    if (oldest !== undefined) this.#ranked.delete(oldest)
  }

  #changed(nodeId: string): void {
    for (const ranked of this.#ranked.values()) ranked.changed(nodeId)
  }
}

/** Without so many of a demand. */
function less(amounts: ResourceSet, demand: ResourceSet, count: number): ResourceSet {
  const left: Record<string, number> = { ...amounts }
  for (const name in demand) left[name] = (left[name] ?? 0) - count * (demand[name] ?? 0)
  return left
}

interface Counted {
  readonly epoch: number
  readonly version: number
}

export const isNewer = (a: Counted, b: Counted): boolean =>
  a.epoch === b.epoch ? a.version > b.version : a.epoch > b.epoch
