// Where an object of another node is to be had. A node that holds one tells whoever asks it first
// whom to read it from: itself, or another that has it or will (objects/broadcast.ts), so that many
// readers form a tree. It hears of each whether it has its copy.
// Invariants:
//   OD1. Asked first is who is said to hold it (a hint that travels with the ref); only where that
//        leads nowhere, all nodes are asked.
//   OD2. What cannot be reached from here is read through a node that can reach it (F15): neither
//        end of a cut pair is taken for dead.
//   OD3. Trees are kept of objects that are here alone.
//   OD4. Nobody has it only when all living nodes have said so, or were silent for SILENT_LIMIT_MS:
//        by then a node is dead or answers.
//   OD5. Who does not hear whom to read from is in no tree: it finds another way, and whoever was
//        told to read from it may be that way, in a circle.
import { delay, type Clock } from '../../common/clock.ts'
import type { ObjectId } from '../../common/ids.ts'
import {
  createBroadcast,
  nodeHolds,
  nodeLeft,
  sourceFor,
  type BroadcastState,
} from '../../objects/broadcast.ts'
import type { ObjectStore } from '../../objects/store.ts'
import type { ClusterMember } from './cluster-member.ts'
import { HolderSearch, type Holder, type Holders } from './holder-search.ts'
import type { PeerBreaker } from './peer-breaker.ts'
import type { PeerRayletCalls } from './peer-raylet-messages.ts'
import type { SilentWaits } from './silent-waits.ts'

const FAN_OUT = 2
/** Nodes that are asked by name before all are. */
const HINTS_MAX = 3
const ASK_LIMIT_MS = 1_000
/** OD4. A little more than a lease. */
const SILENT_LIMIT_MS = 20_000
const ROUND_MS = 250
/** The node in between has to find it as well. */
const RELAY_LIMIT_MS = 10_000
/** OD3. Trees above which those of objects that are gone are looked for. */
const TREES_MIN = 256

export interface FoundObject {
  readonly sizeBytes: number
  /** To be read from, best first; none where only those hold it that have failed. */
  readonly sources: readonly string[]
  /** Who hears whether the copy has come, and knows other sources. */
  readonly directory?: string
}

/** What is looked for. */
export interface ObjectSought {
  readonly objectId: string
  /** Nodes that are said to hold it. */
  readonly hints: readonly string[]
  /** Nodes that have failed to give it. */
  readonly failed: readonly string[]
  /** OD2. Not for another node: else two would send each other round. */
  readonly mayRelay: boolean
}

export interface ObjectDirectoryDeps {
  readonly member: Pick<ClusterMember, 'ask' | 'askEach' | 'nodes' | 'tell'>
  readonly breaker: Pick<PeerBreaker, 'why' | 'failed'>
  readonly clock: Clock
  /** Hex. */
  readonly nodeId: string
  readonly store: () => ObjectStore
  readonly silent: Pick<SilentWaits, 'unanswered' | 'answered'>
}

/** No node that answered has it. */
interface NotFound {
  /** Nodes, in hex, that did not. */
  readonly missed: readonly string[]
}

export class ObjectDirectory {
  readonly #deps: ObjectDirectoryDeps
  readonly #search: HolderSearch
  readonly #trees = new Map<string, BroadcastState>()
  #treesMax = TREES_MIN

  constructor(deps: ObjectDirectoryDeps) {
    this.#deps = deps
    this.#search = new HolderSearch(deps)
  }

  /** Of all other living nodes. */
  holdersOf(objectId: string): Promise<Holders> {
    return this.#search.holdersOf(objectId)
  }

  /** Another node asks. */
  holds(asked: PeerRayletCalls['holds'][0]): PeerRayletCalls['holds'][1] {
    return this.#search.holds(asked)
  }

  /** Another node asks. */
  reaches(asked: PeerRayletCalls['reaches'][0]): Promise<PeerRayletCalls['reaches'][1]> {
    return this.#search.reaches(asked)
  }

  /** OD4. @param isWanted  asked before each round. @returns undefined: nobody has it. */
  async find(sought: ObjectSought, isWanted: () => boolean): Promise<FoundObject | undefined> {
    const { clock, silent } = this.#deps
    const objectIds = [sought.objectId as ObjectId]
    const endMs = clock.monotonicMs() + SILENT_LIMIT_MS
    while (isWanted()) {
      const askedAtMs = clock.monotonicMs()
      const found = (await this.#findAtHints(sought)) ?? (await this.#findAnywhere(sought))
      const nodeIds = 'missed' in found ? found.missed : []
      if (nodeIds.length === 0) silent.answered('nodes', objectIds)
      else silent.unanswered({ who: 'nodes', nodeIds }, objectIds, askedAtMs)
      if (!('missed' in found)) return found
      if (nodeIds.length === 0 || clock.monotonicMs() >= endMs) return undefined
      await delay(clock, ROUND_MS)
    }
    return undefined
  }

  /** OP6. Whether it can be read from here now, through no other node. One round. */
  async isInReach({ objectId, hints }: Pick<ObjectSought, 'objectId' | 'hints'>): Promise<boolean> {
    const sought = { objectId, hints, failed: [], mayRelay: false }
    const found = (await this.#findAtHints(sought)) ?? (await this.#findAnywhere(sought))
    return !('missed' in found) && found.sources.length > 0
  }

  /** OD1. */
  async #findAtHints(sought: ObjectSought): Promise<FoundObject | undefined> {
    const { nodeId, breaker } = this.#deps
    for (const hint of sought.hints.slice(0, HINTS_MAX)) {
      if (hint === nodeId || breaker.why(hint) !== undefined) continue
      const found = await this.#join(hint, sought)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Another node wants an object of this one. @returns undefined: it is not here. */
  join(
    from: string,
    { objectId, failed }: PeerRayletCalls['joinReaders'][0],
  ): PeerRayletCalls['joinReaders'][1] {
    const sizeBytes = this.#deps.store().sizeOf(objectId)
    if (sizeBytes === undefined) {
      this.#trees.delete(objectId)
      return undefined
    }
    const tree = this.#treeOf(objectId)
    for (const each of failed) void this.#lookAt(tree, objectId, each)
    const source = sourceFor(tree, from, failed)
    return source === undefined ? undefined : { sizeBytes, source }
  }

  /** A node has its copy now, or not any more. */
  copyIs(from: string, { objectId, isThere }: { objectId: string; isThere: boolean }): void {
    const tree = this.#trees.get(objectId)
    if (tree === undefined) return
    if (isThere) nodeHolds(tree, from)
    else nodeLeft(tree, from)
  }

  freed(objectIds: readonly string[]): void {
    for (const objectId of objectIds) this.#trees.delete(objectId)
  }

  /** That node is no member any more. */
  forget(nodeId: string): void {
    for (const tree of this.#trees.values()) nodeLeft(tree, nodeId)
  }

  async #join(at: string, { objectId, failed }: ObjectSought): Promise<FoundObject | undefined> {
    try {
      const { member } = this.#deps
      const answer = await member.ask(at, 'joinReaders', { objectId, failed }, ASK_LIMIT_MS)
      if (answer === undefined) return undefined
      const { sizeBytes, source } = answer
      return { sizeBytes, sources: [source], directory: at }
    } catch (error) {
      this.#deps.breaker.failed(at, String(error)) // of ours, or of the system
      // OD5. It may take this node in when it reads that, and send others here.
      this.#deps.member.tell(at, 'copyIs', { objectId, isThere: false })
      return undefined
    }
  }

  /** OD1. */
  async #findAnywhere(sought: ObjectSought): Promise<FoundObject | NotFound> {
    const { objectId, failed } = sought
    const { holders, silent: missed } = await this.#search.holdersOf(objectId)
    const first = firstOf(holders)
    if (first !== undefined) {
      const found = await this.#join(first.nodeId, sought)
      if (found !== undefined) return found
      const sources = holders.map(({ nodeId }) => nodeId).filter((id) => !failed.includes(id))
      if (sources.length > 0) return { sizeBytes: first.sizeBytes, sources }
    }
    const { breaker } = this.#deps
    const broken = failed.filter((nodeId) => breaker.why(nodeId) !== undefined)
    const cutOff = [...new Set([...missed, ...broken])]
    const relayed = sought.mayRelay ? await this.#findThrough(sought, cutOff) : undefined
    if (relayed !== undefined || first === undefined) return relayed ?? { missed }
    return { sizeBytes: first.sizeBytes, sources: [] }
  }

  #others(): string[] {
    const { member, nodeId: self } = this.#deps
    const others = member.nodes().filter(({ nodeId, state }) => nodeId !== self && state !== 'DEAD')
    return others.map(({ nodeId }) => nodeId)
  }

  /** OD2. */
  async #findThrough(
    { objectId, hints, failed }: ObjectSought,
    cutOff: readonly string[],
  ): Promise<FoundObject | undefined> {
    if (cutOff.length === 0) return undefined
    const between = this.#others().filter((id) => !cutOff.includes(id) && !failed.includes(id))
    for (const nodeId of await this.#search.reachedBy(objectId, { between, beyond: cutOff })) {
      if (!between.includes(nodeId)) continue
      const asked = { objectId, hints: [...cutOff, ...hints] }
      const sizeBytes = await this.#deps.member
        .ask(nodeId, 'relayObject', asked, RELAY_LIMIT_MS)
        .catch(() => undefined) // the next one may reach it
      if (sizeBytes !== undefined) return { sizeBytes, sources: [nodeId] }
    }
    return undefined
  }

  /** A source failed somebody: it may have dropped its copy, or be out of that one's reach only. */
  async #lookAt(tree: BroadcastState, objectId: string, nodeId: string): Promise<void> {
    if (nodeId === this.#deps.nodeId || !tree.nodes.has(nodeId)) return
    const { member } = this.#deps
    const asked = { objectIds: [objectId] }
    const answer = await member.ask(nodeId, 'holds', asked, ASK_LIMIT_MS).catch(() => undefined)
    // A receiver that is not done yet has not got it either, and stays; as one that is away does.
    if (answer?.held.length === 0 && tree.nodes.get(nodeId)?.isHolder === true)
      nodeLeft(tree, nodeId)
  }

  #treeOf(objectId: string): BroadcastState {
    const known = this.#trees.get(objectId)
    if (known !== undefined) return known
    this.#sweep()
    const tree = createBroadcast({ fanOut: FAN_OUT })
    nodeHolds(tree, this.#deps.nodeId)
    this.#trees.set(objectId, tree)
    return tree
  }

  /** OD3. What went with its job, or was dropped for room, is told to nobody. */
  #sweep(): void {
    if (this.#trees.size < this.#treesMax) return
    const store = this.#deps.store()
    for (const objectId of this.#trees.keys()) {
      if (store.sizeOf(objectId) === undefined) this.#trees.delete(objectId)
    }
    this.#treesMax = Math.max(TREES_MIN, 2 * this.#trees.size)
  }
}

/** Whom all ask first: the node that made it, or the same of the others for everybody. */
const firstOf = (holders: readonly Holder[]): Holder | undefined =>
  holders.find(({ isPrimary }) => isPrimary) ??
  holders.toSorted((one, other) => (one.nodeId < other.nodeId ? -1 : 1))[0]
