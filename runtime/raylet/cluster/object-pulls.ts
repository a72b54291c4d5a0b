// Objects between nodes: copies of what lies on other nodes come into this node's store when
// somebody here reads them, and this node gives of what it has, or is getting. Whom to ask says
// object-directory.ts, what and how much at a time objects/pull-manager.ts; bytes travel on lanes
// of their own (bulk-lanes.ts, bulk-server.ts), straight from arena to arena.
// Invariants:
//   OP1. Whoever wants an object that is here, or on its way, waits for nothing more (PM1).
//   OP2. What has come counts only with the length and checksum that its sender told (BQ1).
//   OP3. A free reaches every node that can be reached; the end of the job frees what it missed.
//   OP4. A pull whose readers have all left ends, and gives its room back once nothing is written
//        there any more (BL2).
//   OP5. What a process of this node makes has the right of way over a copy that is still coming.
import { delay, type Clock, type Timer } from '../../common/clock.ts'
import {
  FrameCorruptError,
  ObjectCorruptedError,
  ObjectNotFoundError,
  ObjectStoreFullError,
  StoppedError,
  VirgaError,
} from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { PullEffect, PullEvent } from '../../objects/pull-events.ts'
import {
  createPullState,
  nextPullTimerAtMs,
  stepPulls,
  type PullState,
} from '../../objects/pull-manager.ts'
import type { ObjectPlace, ObjectStore } from '../../objects/store.ts'
import type { BulkConnection } from '../../protocol/bulk.ts'
import type { PeerTransport } from '../../protocol/peer-transport.ts'
import { BulkLanes, type ObjectRange, type Reading } from './bulk-lanes.ts'
import { BulkServer, type PartSource } from './bulk-server.ts'
import type { ClusterMember } from './cluster-member.ts'
import { IncomingObject } from './incoming-object.ts'
import { ObjectDirectory, type ObjectSought } from './object-directory.ts'
import type { PeerMessage, PeerRayletCalls, PeerRayletNotices } from './peer-raylet-messages.ts'

/** What this node is to its own store, as the maker of copies and the reader of what it gives. */
const SELF = 'another node'
/** A copy may be dropped for room between its coming and its being pinned. */
const ATTEMPTS = 3
/** Between two looks at an object that is made again here. */
const MAKING_MS = 20
/** PM2. At most this, and at most a share of the store. */
const IN_FLIGHT_BYTES_MAX = 256 * 1024 * 1024
const IN_FLIGHT_SHARE = 0.25
const WINDOW_CHUNKS = 4
const PULL_ATTEMPTS_MAX = 24

export interface ObjectPullsDeps {
  readonly member: Pick<ClusterMember, 'ask' | 'askEach' | 'tell' | 'tellAll' | 'nodes'>
  readonly transport: Pick<PeerTransport, 'connectBulk'>
  readonly clock: Clock
  readonly log: Log
  /** Hex. */
  readonly nodeId: string
  readonly store: () => ObjectStore
  /** Brings what no living node holds from where it outlives them, if it is there. */
  readonly restore?: (objectId: string) => Promise<void>
}

export class ObjectPulls {
  readonly #deps: ObjectPullsDeps
  readonly #directory: ObjectDirectory
  readonly #lanes: BulkLanes
  readonly #server: BulkServer
  /** By object, while it is looked for and pulled. */
  readonly #incoming = new Map<string, IncomingObject>()
  #state: PullState | undefined
  #timer: Timer | undefined
  #isStopped = false

  constructor(deps: ObjectPullsDeps) {
    this.#deps = deps
    this.#lanes = new BulkLanes(deps)
    this.#directory = new ObjectDirectory({ ...deps, breaker: this.#lanes.breaker })
    const open = (range: ObjectRange): Promise<PartSource> => this.#open(range)
    this.#server = new BulkServer({ ...deps, open })
  }

  /**
   * As ObjectStore.pin, wherever the object is.
   * @param hints  nodes that are said to hold it, in hex, best first.
   * @throws what ObjectStore.pin throws; ObjectLostError when its holders could not give it.
   */
  async pin(client: string, objectId: string, hints: readonly string[] = []): Promise<ObjectPlace> {
    const { store } = this.#deps
    for (let left = ATTEMPTS; left > 0 && store().sizeOf(objectId) === undefined; left -= 1) {
      while (this.#isMadeHere(objectId)) await delay(this.#deps.clock, MAKING_MS) // OP5
      const incoming = await this.#fetch(client, { objectId, hints, mayRelay: true })
      await incoming.whole
    }
    return await store().pin(client, objectId)
  }

  /**
   * OP5. A process of this node is about to make this object, once this resolves; whoever waits for
   * a copy waits for that. Undefined: it may at once.
   */
  giveWay(objectId: string): Promise<void> | undefined {
    const incoming = this.#incoming.get(objectId)
    if (incoming === undefined) return undefined
    incoming.givesWay = true
    this.#unwant(incoming)
    return incoming.ended
  }

  /** OP4. That process waits for nothing any more. */
  clientLeft(client: string): void {
    for (const incoming of [...this.#incoming.values()]) this.#unwant(incoming, client)
  }

  /** OP3. Here and everywhere. */
  free(objectIds: readonly string[]): void {
    this.freed({ objectIds })
    this.#deps.member.tellAll('freeObjects', { objectIds })
  }

  freed({ objectIds }: PeerRayletNotices['freeObjects']): void {
    this.#deps.store().free(objectIds)
    this.#directory.freed(objectIds)
    if (this.#incoming.size === 0) return
    for (const objectId of objectIds) {
      const incoming = this.#incoming.get(objectId)
      if (incoming === undefined) continue
      incoming.error = new ObjectNotFoundError('this object was freed while it was pulled')
      this.#unwant(incoming)
    }
  }

  /** Another node asks. */
  async requested({ from, type, message }: PeerMessage): Promise<unknown> {
    if (type === 'joinReaders') return this.#directory.join(from, message as JoinAsked)
    if (type === 'keepObject') return await this.#keep(from, message as KeepAsked)
    if (type === 'relayObject') return await this.#relay(from, message as RelayAsked)
    const { objectId } = message as PeerRayletCalls['holds'][0]
    const held = this.#deps.store().holding(objectId)
    if (held === undefined) return undefined
    const { sizeBytes, isPrimary } = held
    return { nodeId: this.#deps.nodeId, sizeBytes, isPrimary }
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
    for (const row of rows) {
      if (row.state !== 'DEAD') continue
      this.#lanes.forget(row)
      this.#server.forget(row.nodeId)
      this.#directory.forget(row.nodeId)
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#lanes.close()
    this.#server.close()
  }

  #isMadeHere(objectId: string): boolean {
    return !this.#incoming.has(objectId) && this.#deps.store().isMaking(objectId)
  }

  /** OP1. Its `whole` resolves also when nobody has it: then the store says so. */
  async #fetch(by: string, sought: Sought): Promise<IncomingObject> {
    const { objectId } = sought
    let incoming = this.#incoming.get(objectId)
    while (incoming?.isEnding === true) {
      await incoming.ended
      incoming = this.#incoming.get(objectId)
    }
    if (incoming !== undefined) {
      incoming.wantedBy.add(by)
      if (incoming.found !== undefined) this.#want(incoming, by, incoming.found)
      return incoming
    }
    incoming = new IncomingObject(objectId)
    incoming.wantedBy.add(by)
    this.#incoming.set(objectId, incoming)
    void this.#find(incoming, sought)
    return incoming
  }

  async #find(incoming: IncomingObject, sought: Sought): Promise<void> {
    const isWanted = (): boolean => incoming.wantedBy.size > 0 && !this.#isStopped
    const found = await this.#directory.find({ ...sought, failed: [] }, isWanted)
    if (found === undefined || !isWanted()) {
      this.#end(incoming, isWanted() ? await this.#restore(incoming) : undefined)
      return
    }
    const { sizeBytes, sources, directory } = found
    incoming.sought = sought
    incoming.directory = directory
    incoming.isFound({ sizeBytes, sources })
    for (const by of incoming.wantedBy) this.#want(incoming, by, { sizeBytes, sources })
  }

  /** No living node has it. @returns why a copy that outlives them could not be brought. */
  async #restore({ objectId }: IncomingObject): Promise<Error | undefined> {
    try {
      await this.#deps.restore?.(objectId)
      return undefined
    } catch (error) {
      return asError(error)
    }
  }

  #want(
    { objectId }: IncomingObject,
    by: string,
    { sizeBytes, sources }: { readonly sizeBytes: number; readonly sources: readonly string[] },
  ): void {
    this.#step({ type: 'want', by, objectId, sizeBytes, purpose: 'get', holders: sources })
  }

  /** @param by  undefined: nobody does any more. */
  #unwant(incoming: IncomingObject, by?: string): void {
    const leaving = by === undefined ? [...incoming.wantedBy] : [by]
    const { objectId } = incoming
    for (const each of leaving) {
      if (!incoming.wantedBy.delete(each)) continue
      if (incoming.found !== undefined) this.#step({ type: 'unwant', by: each, objectId })
    }
    const isQueued = incoming.found !== undefined && !incoming.isEnding
    if (isQueued && incoming.wantedBy.size === 0) this.#endUnwanted(incoming)
  }

  /** Another node cannot reach who has it. @returns its size, once it is on its way to here. */
  async #relay(from: string, { objectId, hints }: RelayAsked): Promise<number | undefined> {
    const here = this.#deps.store().sizeOf(objectId)
    if (here !== undefined) return here
    const incoming = await this.#fetch(`node ${from}`, { objectId, hints, mayRelay: false })
    await incoming.foundOrEnded
    return incoming.found?.sizeBytes
  }

  /** F06. @returns whether it is here to stay. */
  async #keep(from: string, { objectId }: KeepAsked): Promise<boolean> {
    const sought = { objectId, hints: [from], mayRelay: false }
    const { store } = this.#deps
    if (store().sizeOf(objectId) === undefined) {
      await (
        await this.#fetch(`node ${from}`, sought)
      ).whole
    }
    return store().keep(objectId)
  }

  #step(event: PullEvent): void {
    if (this.#isStopped) return
    this.#state ??= createPullState({
      inFlightBytesMax: this.#inFlightBytesMax(),
      ...{ windowChunks: WINDOW_CHUNKS, attemptsMax: PULL_ATTEMPTS_MAX },
    })
    const nowMs = this.#deps.clock.monotonicMs()
    for (const effect of stepPulls(this.#state, event, nowMs)) this.#perform(effect)
    this.#timer?.cancel()
    const atMs = nextPullTimerAtMs(this.#state)
    if (atMs === undefined) return
    this.#timer = this.#deps.clock.after(Math.max(1, atMs - nowMs), () => {
      this.#step({ type: 'timer' })
    })
  }

  #inFlightBytesMax(): number {
    return Math.min(IN_FLIGHT_BYTES_MAX, this.#deps.store().stats().sizeBytes * IN_FLIGHT_SHARE)
  }

  #perform(effect: PullEffect): void {
    const incoming = this.#incoming.get(effect.objectId)
    if (incoming === undefined) return
    switch (effect.type) {
      case 'makeRoom':
        void this.#makeRoom(incoming, effect)
        return
      case 'ask':
        void this.#ask(incoming, effect)
        return
      case 'pulled':
        void this.#seal(incoming)
        return
      case 'failed':
        incoming.error = effect.error
        return
      case 'abort':
        void this.#abort(incoming)
        return
    }
  }

  async #makeRoom(
    incoming: IncomingObject,
    { pull, objectId, sizeBytes }: Extract<PullEffect, { type: 'makeRoom' }>,
  ): Promise<void> {
    const store = this.#deps.store()
    if (store.isMaking(objectId) || store.sizeOf(objectId) !== undefined) {
      incoming.givesWay = true // OP5
      this.#unwant(incoming)
      return
    }
    try {
      incoming.hasRoom = true
      const place = await store.create(SELF, objectId, sizeBytes, { isPrimary: false })
      if (place.path !== undefined) throw tooLarge(sizeBytes, store.stats().sizeBytes)
      incoming.place = place
      this.#step({ type: 'roomMade', pull })
    } catch (error) {
      incoming.hasRoom = error instanceof ObjectStoreFullError // a file was made for it, maybe
      this.#step({ type: 'roomRefused', pull, error: asError(error) })
    }
  }

  async #ask(
    incoming: IncomingObject,
    { pull, objectId, chunk }: Extract<PullEffect, { type: 'ask' }>,
  ): Promise<void> {
    const { holder, offset, sizeBytes } = chunk
    let reading: Reading | undefined
    try {
      reading = this.#read(incoming, holder, { objectId, offset, sizeBytes })
      incoming.readings.add(reading)
      await reading.done
      incoming.chunkCame(offset, sizeBytes)
      this.#step({ type: 'chunkCame', pull, chunk })
    } catch (error) {
      if (!incoming.isEnding) void this.#findOther(incoming, holder)
      const { message: reason } = asError(error)
      const isDamaged = error instanceof FrameCorruptError || error instanceof ObjectCorruptedError
      this.#step({ type: 'chunkFailed', pull, chunk, reason, isDamaged })
    } finally {
      if (reading !== undefined) incoming.readings.delete(reading)
    }
  }

  #read({ place }: IncomingObject, holder: string, range: ObjectRange): Reading {
    const node = this.#deps.member
      .nodes()
      .find(({ nodeId, state }) => nodeId === holder && state !== 'DEAD')
    if (node === undefined) throw new VirgaError(`node ${holder} is not alive`)
    if (place === undefined) throw new VirgaError('there is no room for this object yet')
    const store = this.#deps.store()
    return this.#lanes.read(node, range, (offset, bytes) => store.placeOfPart(place, offset, bytes))
  }

  /** A holder has failed: whoever knows of others is asked, once at a time for each object. */
  async #findOther(incoming: IncomingObject, holder: string): Promise<void> {
    incoming.failed.add(holder)
    const { sought, directory, objectId } = incoming
    if (sought === undefined || incoming.isSeeking) return
    incoming.isSeeking = true
    try {
      const hints = directory === undefined ? [] : [directory]
      const failed = [...incoming.failed]
      const isWanted = (): boolean => !incoming.isEnding && !this.#isStopped
      const found = await this.#directory.find({ ...sought, hints, failed }, isWanted)
      if (found === undefined || incoming.isEnding) return
      incoming.directory = found.directory
      for (const source of found.sources) {
        this.#step({ type: 'holderFound', objectId, holder: source })
      }
    } finally {
      incoming.isSeeking = false
    }
  }

  async #seal(incoming: IncomingObject): Promise<void> {
    const { objectId, directory } = incoming
    try {
      await this.#deps.store().seal(objectId)
    } catch (error) {
      this.#end(incoming, asError(error))
      return
    }
    this.#end(incoming)
    this.#tellCopy(directory, objectId, true)
  }

  /** OP4. */
  async #abort(incoming: IncomingObject): Promise<void> {
    const { objectId, directory } = incoming
    await incoming.stopReading()
    if (incoming.hasRoom) this.#deps.store().abort(objectId)
    this.#endUnwanted(incoming)
    this.#tellCopy(directory, objectId, false)
  }

  #endUnwanted(incoming: IncomingObject): void {
    this.#end(incoming, incoming.givesWay ? undefined : (incoming.error ?? notWanted()))
  }

  #tellCopy(directory: string | undefined, objectId: string, isThere: boolean): void {
    if (directory !== undefined) {
      this.#deps.member.tell(directory, 'copyIs', { objectId, isThere })
    }
  }

  #end(incoming: IncomingObject, error?: Error): void {
    this.#incoming.delete(incoming.objectId)
    incoming.end(error)
  }

  /** What another node reads here: sealed, or as it comes. */
  async #open({ objectId, offset, sizeBytes }: ObjectRange): Promise<PartSource> {
    const store = this.#deps.store()
    const incoming = this.#incoming.get(objectId)
    const isComing = store.sizeOf(objectId) === undefined && incoming !== undefined
    const place = isComing ? await incoming.rangeCame(offset, sizeBytes) : undefined
    if (incoming === undefined || place === undefined) return await this.#openSealed(objectId)
    let sealed: PartSource | undefined
    return {
      read: async (at, count) => {
        if (incoming.isEnding) sealed ??= await this.#openSealed(objectId)
        return await (sealed?.read(at, count) ?? store.partOf(place, at, count))
      },
      close: () => {
        sealed?.close()
      },
    }
  }

  async #openSealed(objectId: string): Promise<PartSource> {
    const store = this.#deps.store()
    const place = await store.pin(SELF, objectId)
    return {
      read: (at, count) => store.partOf(place, at, count),
      close: () => {
        store.unpin(SELF, objectId)
      },
    }
  }
}

const tooLarge = (sizeBytes: number, capacityBytes: number): ObjectStoreFullError =>
  new ObjectStoreFullError(
    `an object of ${sizeBytes} B of another node is larger than the object store of this node, ` +
      `of ${capacityBytes} B. Give the nodes larger stores, split the value, or bind what reads ` +
      'it to the node that made it.',
    { data: { sizeBytes, capacityBytes } },
  )

type JoinAsked = PeerRayletCalls['joinReaders'][0]
type KeepAsked = PeerRayletCalls['keepObject'][0]
type RelayAsked = PeerRayletCalls['relayObject'][0]
type Sought = Omit<ObjectSought, 'failed'>

const notWanted = (): StoppedError => new StoppedError('nobody wants this object any more')

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error))
