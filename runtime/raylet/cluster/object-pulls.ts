// Objects between nodes: copies of what lies on other nodes come into this node's store when
// somebody here reads them (incoming-objects.ts), and this node gives of what it has, or is getting
// (object-parts.ts). Whom to ask says object-directory.ts, what and how much at a time
// objects/pull-manager.ts; bytes travel on lanes of their own (bulk-lanes.ts, bulk-server.ts),
// straight from arena to arena.
// Invariants:
//   OP1. Whoever wants an object that is here, or on its way, waits for nothing more (PM1).
//   OP2. What has come counts only with the length and checksum that its sender told (BQ1).
//   OP3. A free reaches every node that has a copy or may get one, once that can be reached (OF1).
//   OP4. A pull whose readers have all left ends, and gives its room back once nothing is written
//        there any more (BL2). Nothing is pinned for a reader that has left: nobody would unpin it.
//   OP5. What a process of this node makes has the right of way over a copy that is still coming.
//   OP6. Nodes that read from each other in a circle go on as soon as one of them has heard of it
//        (WC1); none of two that need a way round waits for the other's (OD2).
//   OP7. A copy that came for a driver alone goes with it: a detached actor may keep its job alive
//        for ever. One that this node is to keep for another does not, nor what others here read.
import { delay, type Clock } from '../../common/clock.ts'
import {
  ObjectNotFoundError,
  StoppedError,
  type ObjectCorruptedError,
} from '../../common/errors.ts'
import type { JobId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { ObjectPlace, ObjectStore } from '../../objects/store.ts'
import type { BulkConnection } from '../../protocol/bulk.ts'
import type { PeerTransport } from '../../protocol/peer-transport.ts'
import { BulkLanes } from './bulk-lanes.ts'
import { BulkServer } from './bulk-server.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { Holders } from './holder-search.ts'
import { IncomingObjects } from './incoming-objects.ts'
import { ObjectDirectory, type ObjectDirectoryDeps } from './object-directory.ts'
import { ObjectFrees, type Told } from './object-frees.ts'
import { AS_CLIENT, openPart, PieceSpares } from './object-parts.ts'
import type { PeerMessage, PeerRayletCalls, PeerRayletNotices } from './peer-raylet-messages.ts'

/** A copy may be dropped for room between its coming and its being pinned. */
const ATTEMPTS = 3
/** Between two looks at an object that is made again here. */
const MAKING_MS = 20

export interface ObjectPullsDeps {
  readonly member: Pick<ClusterMember, 'ask' | 'askEach' | 'others' | 'tell' | 'tellAll' | 'nodes'>
  readonly transport: Pick<PeerTransport, 'connectBulk'>
  readonly clock: Clock
  readonly log: Log
  /** Hex. */
  readonly nodeId: string
  readonly store: () => ObjectStore
  readonly silent: ObjectDirectoryDeps['silent']
  /** Whether that process is connected still. */
  readonly isHere: (client: string) => boolean
  /** Whether that process is a driver of this node; absent: none is. */
  readonly isDriver?: (client: string) => boolean
  /** Brings what no living node holds from where it outlives them, if it is there. */
  readonly restore?: (objectId: string) => Promise<void>
  /** This node keeps that object for one that leaves. */
  readonly kept?: (objectId: string) => void
}

export class ObjectPulls {
  readonly #deps: ObjectPullsDeps
  readonly #directory: ObjectDirectory
  readonly #lanes: BulkLanes
  readonly #server: BulkServer
  readonly #incoming: IncomingObjects
  readonly #frees: ObjectFrees
  /** Pins that wait for what is not here, by client and object. */
  readonly #asks = new Map<string, Set<Ask>>()

  constructor(deps: ObjectPullsDeps) {
    this.#deps = deps
    this.#lanes = new BulkLanes(deps)
    this.#frees = new ObjectFrees(deps)
    this.#directory = new ObjectDirectory({ ...deps, breaker: this.#lanes.breaker })
    this.#incoming = new IncomingObjects(deps, this.#directory, this.#lanes)
    const spares = new PieceSpares()
    this.#server = new BulkServer({
      ...deps,
      open: (range, asker) => {
        const { objectId } = range
        const incoming = this.#incoming.find(objectId)
        const isHere = incoming !== undefined || deps.store().sizeOf(objectId) !== undefined
        if (isHere) this.#frees.gave(objectId, asker) // GV1
        return openPart({ store: deps.store(), spares }, range, incoming)
      },
      wayOf: ({ objectId, offset }) => this.#incoming.find(objectId)?.wayOf(offset) ?? [],
    })
  }

  /**
   * As ObjectStore.pin, wherever the object is.
   * @param hints  nodes that are said to hold it, in hex, best first.
   * @throws what ObjectStore.pin throws; ObjectLostError when its holders could not give it;
   * StoppedError when the client has left meanwhile.
   */
  async pin(client: string, objectId: string, hints: readonly string[] = []): Promise<ObjectPlace> {
    const { store } = this.#deps
    if (store().sizeOf(objectId) === undefined) {
      const ask: Ask = { client, isLeft: false }
      const asks = this.#asksOf(client, objectId)
      asks.add(ask)
      try {
        await this.#fetched(ask, objectId, hints)
      } finally {
        asks.delete(ask)
        if (asks.size === 0) this.#asks.delete(askKey(client, objectId))
        if (asks.size === 0 && this.#isGone(ask)) this.#unwantHere(client, objectId)
      }
    }
    return await store().pin(client, objectId)
  }

  async #fetched(ask: Ask, objectId: string, hints: readonly string[]): Promise<void> {
    const { store } = this.#deps
    let damage: ObjectCorruptedError | undefined
    for (let left = ATTEMPTS; left > 0 && store().sizeOf(objectId) === undefined; left -= 1) {
      while (this.#isMadeHere(objectId)) await delay(this.#deps.clock, MAKING_MS) // OP5
      this.#checkHere(ask)
      const sought = { objectId, hints, mayRelay: true }
      const incoming = await this.#incoming.fetch(ask.client, sought)
      this.#checkHere(ask)
      await incoming.whole
      damage = incoming.damage ?? damage
    }
    this.#checkHere(ask)
    if (damage !== undefined && store().sizeOf(objectId) === undefined) throw damage
  }

  #asksOf(client: string, objectId: string): Set<Ask> {
    const key = askKey(client, objectId)
    const asks = this.#asks.get(key) ?? new Set()
    this.#asks.set(key, asks)
    return asks
  }

  /** OP4. That process waits for this object no more; what it asks for later is another request. */
  unwant(client: string, objectId: string): void {
    const asks = this.#asks.get(askKey(client, objectId))
    if (asks === undefined) return // it is here, and granted
    for (const ask of asks) ask.isLeft = true
    this.#unwantHere(client, objectId)
  }

  #unwantHere(client: string, objectId: string): void {
    const incoming = this.#incoming.find(objectId)
    if (incoming !== undefined) this.#incoming.unwant(incoming, client)
  }

  #isGone({ client, isLeft }: Ask): boolean {
    return isLeft || !this.#deps.isHere(client)
  }

  /** OP4. Others may have wanted the same pull to go on. */
  #checkHere(ask: Ask): void {
    if (!this.#isGone(ask)) return
    throw new StoppedError('The process that asked for this object has left, or wants it no more.')
  }

  /**
   * OP5. A process of this node is about to make this object, once this resolves; whoever waits for
   * a copy waits for that. Undefined: it may at once.
   */
  giveWay(objectId: string): Promise<void> | undefined {
    const incoming = this.#incoming.find(objectId)
    if (incoming === undefined) return undefined
    incoming.givesWay = true
    this.#incoming.unwant(incoming)
    return incoming.ended
  }

  /** OP4. That process waits for nothing any more. */
  clientLeft(client: string): void {
    this.#incoming.readerLeft(client)
  }

  /** OP3. For good. @param at  the node where alone they were made, in hex, if that is known. */
  free(objectIds: readonly string[], at?: string): void {
    this.#freeHere(objectIds)
    this.#frees.free(objectIds, at)
  }

  /** Here, and where others can be reached: they are made again. */
  drop(objectIds: readonly string[]): void {
    this.#freeHere(objectIds)
    this.#deps.member.tellAll('freeObjects', { objectIds })
  }

  /** OP3. The connection to that node has closed, or could not be made. */
  lost(nodeId: string): void {
    this.#frees.lost(nodeId)
  }

  /** Any node may have a copy of it that came from the bucket. */
  isInBucket(objectId: string): void {
    this.#frees.isAnywhere(objectId)
  }

  /** Nothing of that job is left here. */
  jobForgotten(jobId: JobId): void {
    this.#frees.jobForgotten(jobId)
  }

  /** ObjectFrees.takeGiven(), of what lies here and that process owns, which has ended. */
  takeGivenOf(owner: string): Told {
    return this.#frees.takeGiven(this.#deps.store().ownedBy(owner))
  }

  /** Nobody refers to any of that: copies of it go wherever they are, here as well. */
  freeGiven(told: Told): void {
    this.freed({ objectIds: [...new Set([...told.values()].flat())] })
    this.#frees.tell(told)
  }

  /** Another node tells. */
  freed({ objectIds }: PeerRayletNotices['freeObjects']): void {
    const here = this.#hereOf(objectIds)
    this.#freeHere(objectIds)
    this.#frees.freed(objectIds, here)
  }

  /** Those of them that are here, or on their way. */
  #hereOf(objectIds: readonly string[]): ReadonlySet<string> {
    const { store } = this.#deps
    const isHere = (objectId: string): boolean =>
      store().sizeOf(objectId) !== undefined || this.#incoming.find(objectId) !== undefined
    return new Set(objectIds.filter(isHere))
  }

  #freeHere(objectIds: readonly string[]): void {
    this.#deps.store().free(objectIds)
    this.#directory.freed(objectIds)
    for (const objectId of objectIds) {
      const incoming = this.#incoming.find(objectId)
      if (incoming === undefined) continue
      incoming.error = new ObjectNotFoundError('this object was freed while it was pulled')
      this.#incoming.unwant(incoming)
    }
  }

  /** Of all other living nodes. */
  holdersOf(objectId: string): Promise<Holders> {
    return this.#directory.holdersOf(objectId)
  }

  /** Another node asks. */
  async requested({ from, type, message }: PeerMessage): Promise<unknown> {
    if (type === 'joinReaders') return this.#directory.join(from, message as JoinAsked)
    if (type === 'freeMissed') {
      const { objectIds, agesMs } = message as PeerRayletCalls['freeMissed'][0]
      const here = this.#hereOf(objectIds)
      this.#deps.store().free(objectIds, agesMs) // what is pulled now may have been made since
      this.#frees.missed(objectIds, agesMs, here)
      return undefined
    }
    if (type === 'keepObject') return await this.#keep(from, message as KeepAsked)
    if (type === 'relayObject') return await this.#relay(from, message as RelayAsked)
    if (type === 'reaches') {
      return await this.#directory.reaches(message as PeerRayletCalls['reaches'][0])
    }
    return this.#directory.holds(message as PeerRayletCalls['holds'][0])
  }

  /** Another node tells. */
  copyIs({ from, message }: PeerMessage): void {
    this.#directory.copyIs(from, message as PeerRayletNotices['copyIs'])
  }

  /** Another node dialled, to read. */
  serve(connection: BulkConnection): void {
    this.#server.serve(connection)
  }

  nodes(rows: readonly NodeRow[]): void {
    this.#frees.nodes(rows)
    for (const row of rows) {
      if (row.state !== 'DEAD') continue
      this.#lanes.forget(row)
      this.#server.forget(row.nodeId)
      this.#directory.forget(row.nodeId)
    }
  }

  stop(): void {
    this.#frees.stop()
    this.#incoming.stop()
    this.#lanes.close()
    this.#server.close()
  }

  #isMadeHere(objectId: string): boolean {
    return this.#incoming.find(objectId) === undefined && this.#deps.store().isMaking(objectId)
  }

  /** Another node cannot reach who has it. @returns its size, once it is on its way to here. */
  async #relay(from: string, { objectId, hints }: RelayAsked): Promise<number | undefined> {
    const here = this.#deps.store().sizeOf(objectId)
    if (here !== undefined) return here
    const sought = { objectId, hints, mayRelay: false }
    const isFound = this.#incoming.find(objectId)?.found !== undefined
    if (!isFound && !(await this.#directory.isInReach(sought))) return undefined // OP6
    const incoming = await this.#incoming.fetch(`node ${from}`, sought)
    await incoming.foundOrEnded
    return incoming.found?.sizeBytes
  }

  /** F06. @returns whether it is here to stay. */
  async #keep(from: string, { objectId }: KeepAsked): Promise<boolean> {
    const sought = { objectId, hints: [from], mayRelay: false }
    const { store } = this.#deps
    if (store().sizeOf(objectId) === undefined) {
      const incoming = await this.#incoming.fetch(`node ${from}`, sought)
      await incoming.whole
    }
    const isKept = store().keep(objectId, AS_CLIENT)
    if (isKept) this.#deps.kept?.(objectId)
    return isKept
  }
}

/** One pin that waits. */
interface Ask {
  readonly client: string
  isLeft: boolean
}

const askKey = (client: string, objectId: string): string => `${client} ${objectId}`

type JoinAsked = PeerRayletCalls['joinReaders'][0]
type KeepAsked = PeerRayletCalls['keepObject'][0]
type RelayAsked = PeerRayletCalls['relayObject'][0]
