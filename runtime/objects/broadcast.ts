// Who serves whom when many nodes want one object: a tree, so that no node sends it more than
// fanOut times at once. A node that is still receiving passes on the chunks that it has, so the
// last node is done a few chunks after the first, and not rounds later. A pure state machine for
// the node that is asked first: one that holds the object (raylet/cluster/object-directory.ts).
// Invariants, asserted by checkBroadcast() in tests:
//   BC1. A receiver's sources lead to a holder, or to a receiver that lost its own and asks again:
//        there is no circle, and only who leads to a holder is given as a source.
//   BC2. A node serves at most fanOut receivers at a time.
//   BC3. Receivers join where the way to a holder is shortest: n of them are at most
//        log(n) / log(fanOut) + 1 deep below one holder. Of nodes that are as idle, the one that
//        has served fewest serves, so that those who come one by one do not all ask the first.
//   BC4. Nobody is sent to a source that it says has failed it.
// Source: Ray push_manager.h (bounded pushes per node); binomial broadcast of MPI (Thakur,
// Rabenseifner, Gropp 2005) with chunks passed on as they come.
import { assert } from '../common/assert.ts'

export interface BroadcastOptions {
  /** BC2. 2: a line of 10 Gbit/s is shared by two, and the tree is as shallow as it may be. */
  readonly fanOut: number
}

interface Node {
  readonly name: string
  /** It has the whole object. */
  isHolder: boolean
  /** Undefined: it is a holder, or has lost its source. */
  source: Node | undefined
  readonly receivers: Set<Node>
  /** How many it was ever to serve. */
  servedCount: number
}

export interface BroadcastState {
  readonly options: BroadcastOptions
  readonly nodes: Map<string, Node>
}

export function createBroadcast(options: BroadcastOptions): BroadcastState {
  assert(options.fanOut >= 2, `a fan-out of ${options.fanOut}`)
  return { options, nodes: new Map() }
}

/** A node has the whole object: it was made there, or has come. It may be repeated. */
export function nodeHolds(state: BroadcastState, name: string): void {
  const node = state.nodes.get(name) ?? addNode(state, name)
  leaveSource(node)
  node.isHolder = true
}

/**
 * Whom a node is to ask that wants the object, or whose source has failed it.
 * @param failed  BC4.
 * @returns undefined when all that could serve it are among those.
 */
export function sourceFor(
  state: BroadcastState,
  name: string,
  failed: readonly string[] = [],
): string | undefined {
  const node = state.nodes.get(name) ?? addNode(state, name)
  node.isHolder = false
  if (node.source !== undefined && !failed.includes(node.source.name)) return node.source.name
  leaveSource(node)
  const source = pickSource(state, failed)
  if (source === undefined) return undefined
  node.source = source
  source.receivers.add(node)
  source.servedCount += 1
  return source.name
}

/** A node is gone, has dropped its copy, or wants it no more: who it served asks again. */
export function nodeLeft(state: BroadcastState, name: string): void {
  const node = state.nodes.get(name)
  if (node === undefined) return
  state.nodes.delete(name)
  leaveSource(node)
  for (const receiver of node.receivers) receiver.source = undefined
}

function addNode(state: BroadcastState, name: string): Node {
  const receivers = new Set<Node>()
  const node: Node = { name, isHolder: false, source: undefined, receivers, servedCount: 0 }
  state.nodes.set(name, node)
  return node
}

function leaveSource(node: Node): void {
  node.source?.receivers.delete(node)
  node.source = undefined
}

/** BC1, BC3, BC4. Level by level from the holders: the first with room, of a level the idlest. */
function pickSource(state: BroadcastState, failed: readonly string[]): Node | undefined {
  let level = [...state.nodes.values()].filter(({ isHolder }) => isHolder)
  while (level.length > 0) {
    const free = level.filter(
      ({ name, receivers }) => receivers.size < state.options.fanOut && !failed.includes(name),
    )
    const [first, ...others] = free
    if (first !== undefined) {
      return others.reduce((best, node) => (isIdler(node, best) ? node : best), first)
    }
    level = level.flatMap(({ receivers }) => [...receivers])
  }
  return undefined
}

const isIdler = (node: Node, than: Node): boolean =>
  node.receivers.size === than.receivers.size
    ? node.servedCount < than.servedCount
    : node.receivers.size < than.receivers.size

/** How many nodes the bytes pass on their way to a node; 0 at a holder. */
export function depthOf(state: BroadcastState, name: string): number {
  let depth = 0
  let node = state.nodes.get(name)
  for (; node?.source !== undefined; node = node.source) {
    assert(depth < state.nodes.size, `${name} is served in a circle`)
    depth += 1
  }
  return depth
}

/** @throws AssertionError naming what does not hold. */
export function checkBroadcast(state: BroadcastState): void {
  for (const node of state.nodes.values()) {
    depthOf(state, node.name)
    const { name, source, receivers, isHolder } = node
    assert(receivers.size <= state.options.fanOut, `${name} serves ${receivers.size}`)
    assert(!isHolder || source === undefined, `${name} has it and is served`)
    assert(source === undefined || state.nodes.get(source.name) === source, `${name}: lost source`)
    assert(source === undefined || source.receivers.has(node), `${name} is served by nobody`)
    for (const receiver of receivers) assert(receiver.source === node, `${name} serves nobody`)
  }
}
