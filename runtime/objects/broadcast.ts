// Who serves whom when many nodes want one object: a tree, so that no node sends it more than
// fanOut times at once. A node that is still receiving passes on the chunks that it has, so the
// last node is done a few chunks after the first, and not rounds later. A pure state machine for
// the object's owner, who knows its holders.
// Invariants, asserted by checkBroadcast() in tests and simulation:
//   BC1. Every receiver has one source, and its sources lead to a holder: there is no circle.
//   BC2. A node serves at most fanOut receivers at a time.
//   BC3. Receivers join where the way to a holder is shortest: n of them are at most
//       log(n) / log(fanOut) + 1 deep below one holder.
// Source: Ray push_manager.h (bounded pushes per node); binomial broadcast of MPI (Thakur,
// Rabenseifner, Gropp 2005) with chunks passed on as they come.
import { assert } from '../common/assert.ts'

export interface BroadcastOptions {
  /** BC2. 2: a line of 10 Gbit/s is shared by two, and the tree is as shallow as it may be. */
  readonly fanOut: number
}

interface Node {
  readonly name: string
  /** Undefined: it holds the whole object. */
  source: Node | undefined
  readonly receivers: Set<Node>
}

/** From now on `to` is to ask `from`. */
export interface Serve {
  readonly from: string
  readonly to: string
}

export interface BroadcastState {
  readonly options: BroadcastOptions
  readonly nodes: Map<string, Node>
  /** Receivers that have no source, because no holder is known; first come first served. */
  readonly waiting: Set<string>
}

export function createBroadcast(options: BroadcastOptions): BroadcastState {
  assert(options.fanOut >= 2, `a fan-out of ${options.fanOut}`)
  return { options, nodes: new Map(), waiting: new Set() }
}

/** A node has the whole object: it was made there, or has come. It may be repeated. */
export function nodeHolds(state: BroadcastState, name: string): Serve[] {
  const node = state.nodes.get(name) ?? addNode(state, name)
  node.source?.receivers.delete(node)
  node.source = undefined
  state.waiting.delete(name)
  return serveWaiting(state)
}

/** A node wants the object. Nothing happens when it has it, or is being served. */
export function nodeWants(state: BroadcastState, name: string): Serve[] {
  if (state.nodes.has(name)) return []
  state.waiting.add(name)
  return serveWaiting(state)
}

/** A node is gone, has dropped its copy, or wants it no more: who it served gets other sources. */
export function nodeLeft(state: BroadcastState, name: string): Serve[] {
  state.waiting.delete(name)
  const node = state.nodes.get(name)
  if (node === undefined) return []
  state.nodes.delete(name)
  node.source?.receivers.delete(node)
  // They keep what they have, and those below them, who need not ask anybody else.
  const orphans = [...node.receivers]
  return orphans.flatMap((orphan) => adopt(state, orphan))
}

/** Finds a source for a receiver that has lost its own, not among those below it. */
function adopt(state: BroadcastState, orphan: Node): Serve[] {
  orphan.source = undefined
  const source = pickSource(state, orphan)
  if (source !== undefined) return [serve(orphan, source)]
  // Only those below are left, who wait for the same bytes: all of them wait for a holder.
  disband(state, orphan)
  return []
}

function disband(state: BroadcastState, node: Node): void {
  state.nodes.delete(node.name)
  state.waiting.add(node.name)
  for (const receiver of node.receivers) disband(state, receiver)
}

function serveWaiting(state: BroadcastState): Serve[] {
  const serves: Serve[] = []
  for (const name of [...state.waiting]) {
    const source = pickSource(state)
    if (source === undefined) break
    state.waiting.delete(name)
    serves.push(serve(addNode(state, name), source))
  }
  return serves
}

function addNode(state: BroadcastState, name: string): Node {
  const node: Node = { name, source: undefined, receivers: new Set() }
  state.nodes.set(name, node)
  return node
}

function serve(to: Node, from: Node): Serve {
  to.source = from
  from.receivers.add(to)
  return { from: from.name, to: to.name }
}

/** BC3. Level by level from the holders: the first with room, of a level the idlest. */
function pickSource(state: BroadcastState, without?: Node): Node | undefined {
  let level = [...state.nodes.values()].filter(
    (node) => node.source === undefined && node !== without,
  )
  while (level.length > 0) {
    const free = level.filter(({ receivers }) => receivers.size < state.options.fanOut)
    const [first, ...others] = free
    if (first !== undefined) {
      return others.reduce((best, node) => (isIdler(node, best) ? node : best), first)
    }
    level = level.flatMap(({ receivers }) => [...receivers])
  }
  return undefined
}

const isIdler = (node: Node, than: Node): boolean => node.receivers.size < than.receivers.size

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
    const { name, source, receivers } = node
    assert(receivers.size <= state.options.fanOut, `${name} serves ${receivers.size}`)
    assert(source === undefined || state.nodes.get(source.name) === source, `${name}: lost source`)
    assert(source === undefined || source.receivers.has(node), `${name} is served by nobody`)
    for (const receiver of receivers) assert(receiver.source === node, `${name} serves nobody`)
    assert(!state.waiting.has(name), `${name} is served and waits`)
  }
  const hasHolder = [...state.nodes.values()].some(({ source }) => source === undefined)
  assert(state.waiting.size === 0 || !hasHolder, 'somebody waits while there is a holder')
}
