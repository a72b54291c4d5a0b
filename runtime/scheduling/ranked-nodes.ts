// The nodes for one shape of demand, in order of use: those that can hold it now, or those that
// ever could. Kept as a sorted array, since moving a pointer past a thousand takes a microsecond.
//   RN1. Sorted by score, then, where scores are exact, by turn (CV7), then by node id; below one
//        half of use all scores of the hybrid are 0, so that most changes of load move nothing.
import { fits, type ResourceSet } from '../common/resources.ts'
import type { NodeView } from './cluster-view.ts'
import { matchesLabels, type LabelSelector } from './labels.ts'
import { scoreOf, type Scoring } from './score.ts'

export interface Shape {
  /** Equal shapes have equal keys. */
  readonly key: string
  readonly resources: ResourceSet
  readonly selector: LabelSelector
  readonly scoring: Scoring
  /** What it must fit: what is free there now, or the node's total. */
  readonly within: 'free' | 'totals'
}

export interface Ranked {
  readonly nodeId: string
  readonly node: NodeView
  readonly score: number
}

interface Position {
  readonly nodeId: string
  readonly score: number
  readonly turn: number
}

interface Entry extends Ranked {
  node: NodeView
  score: number
  turn: number
  readonly list: Entry[]
}

/** RN1. */
function isBefore(a: Position, b: Position): boolean {
  if (a.score !== b.score) return a.score < b.score
  return a.turn === b.turn ? a.nodeId < b.nodeId : a.turn < b.turn
}

export class RankedNodes {
  readonly #shape: Shape
  /** A demand without GPU goes to nodes without GPUs first, so the others are kept apart. */
  readonly #plain: Entry[] = []
  readonly #gpu: Entry[] = []
  /** After all that are well. */
  readonly #slow: Entry[] = []
  readonly #entries = new Map<string, Entry>()
  /** Changed since they were ranked. */
  readonly #stale: Set<string>

  constructor(shape: Shape, nodeIds: Iterable<string>) {
    this.#shape = shape
    this.#stale = new Set(nodeIds)
  }

  changed(nodeId: string): void {
    this.#stale.add(nodeId)
  }

  catchUp(nodes: ReadonlyMap<string, NodeView>): void {
    for (const nodeId of this.#stale) this.#rank(nodeId, nodes.get(nodeId))
    this.#stale.clear()
  }

  /** What to choose from, the least used first. */
  get candidates(): readonly Ranked[] {
    if (this.#plain.length > 0) return this.#plain
    return this.#gpu.length > 0 ? this.#gpu : this.#slow
  }

  /** A node, if it is among the candidates. */
  find(nodeId: string): Ranked | undefined {
    const entry = this.#entries.get(nodeId)
    return entry?.list === this.candidates ? entry : undefined
  }

  #rank(nodeId: string, node: NodeView | undefined): void {
    const entry = this.#entries.get(nodeId)
    const list = node === undefined ? undefined : this.#listFor(node)
    if (entry !== undefined && entry.list !== list) {
      entry.list.splice(positionOf(entry.list, entry), 1)
      this.#entries.delete(nodeId)
    }
    if (node === undefined || list === undefined) return
    const { scoring } = this.#shape
    const score = scoreOf(node, scoring)
    const turn = scoring === 'exact' ? (node.turn ?? 0) : 0
    if (entry?.list === list) {
      entry.node = node
      move(entry, { nodeId, score, turn })
    } else {
      const added = { nodeId, node, score, turn, list }
      this.#entries.set(nodeId, added)
      list.splice(positionOf(list, added), 0, added)
    }
  }

  /** Where a node belongs, or undefined: it does not hold the shape. */
  #listFor(node: NodeView): Entry[] | undefined {
    const { resources, selector, within } = this.#shape
    if (!fits(resources, node[within]) || !fits(resources, node.totals)) return undefined
    if (within === 'free' && node.isAside === true) return undefined
    if (!matchesLabels(node.labels, selector)) return undefined
    if (node.isSlow === true) return this.#slow
    const wantsGpu = (resources['GPU'] ?? 0) > 0
    return wantsGpu || (node.totals['GPU'] ?? 0) === 0 ? this.#plain : this.#gpu
  }
}

/** The index of the first that does not come before. */
function positionOf(list: readonly Entry[], sought: Position): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = list[middle]
    if (other !== undefined && isBefore(other, sought)) low = middle + 1
    else high = middle
  }
  return low
}

/** To its new place, past those in between and no others (RN1). */
function move(entry: Entry, to: Position): void {
  if (to.score === entry.score && to.turn === entry.turn) return
  const { list } = entry
  let at = positionOf(list, entry)
  for (let next = list[at + 1]; next && isBefore(next, to); next = list[at + 1]) {
    list[at] = next
    at += 1
  }
  for (let last = list[at - 1]; last && !isBefore(last, to); last = list[at - 1]) {
    list[at] = last
    at -= 1
  }
  list[at] = entry
  entry.score = to.score
  entry.turn = to.turn
}
