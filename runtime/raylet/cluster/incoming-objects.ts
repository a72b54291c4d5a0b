// Objects that come into this node's store from others, performed: each is looked for, its room is
// made, its chunks are asked for, and it is sealed or given up. What to ask whom, and when, decides
// objects/pull-manager.ts; for whom and why, object-pulls.ts, whose invariants these are.
import type { Clock, Timer } from '../../common/clock.ts'
import {
  FrameCorruptError,
  ObjectCorruptedError,
  ObjectStoreFullError,
  VirgaError,
} from '../../common/errors.ts'
import type { PullEffect, PullEvent } from '../../objects/pull-events.ts'
import {
  createPullState,
  nextPullTimerAtMs,
  stepPulls,
  type PullOptions,
  type PullState,
} from '../../objects/pull-manager.ts'
import type { ObjectStore } from '../../objects/store.ts'
import type { PartPlace } from '../../objects/arena-access.ts'
import { notWanted, type BulkLanes, type ObjectRange, type Reading } from './bulk-lanes.ts'
import type { ClusterMember } from './cluster-member.ts'
import { IncomingObject } from './incoming-object.ts'
import type { ObjectDirectory, ObjectSought } from './object-directory.ts'
import { AS_CLIENT } from './object-parts.ts'

/** PM2. At most this, and at most a share of the store. */
const IN_FLIGHT_BYTES_MAX = 256 * 1024 * 1024
const IN_FLIGHT_SHARE = 0.25
const WINDOW_CHUNKS = 4
const PULL_ATTEMPTS_MAX = 24

export interface IncomingObjectsDeps {
  readonly member: Pick<ClusterMember, 'tell' | 'nodes'>
  readonly clock: Clock
  readonly store: () => ObjectStore
  readonly isDriver?: (client: string) => boolean
  /** Brings what no living node holds from where it outlives them, if it is there. */
  readonly restore?: (objectId: string) => Promise<void>
}

/** What is looked for, and where to begin. */
export type Sought = Omit<ObjectSought, 'failed'>

export class IncomingObjects {
  readonly #deps: IncomingObjectsDeps
  readonly #directory: ObjectDirectory
  readonly #lanes: BulkLanes
  /** By object, while it is looked for and pulled. */
  readonly #incoming = new Map<string, IncomingObject>()
  #state: PullState | undefined
  #timer: Timer | undefined
  #isStopped = false

  constructor(deps: IncomingObjectsDeps, directory: ObjectDirectory, lanes: BulkLanes) {
    this.#deps = deps
    this.#directory = directory
    this.#lanes = lanes
  }

  find(objectId: string): IncomingObject | undefined {
    return this.#incoming.get(objectId)
  }

  /** OP4. That reader waits for nothing any more. */
  readerLeft(by: string): void {
    for (const incoming of [...this.#incoming.values()]) this.unwant(incoming, by)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /** OP1. Its `whole` resolves also when nobody has it: then the store says so. */
  async fetch(by: string, sought: Sought): Promise<IncomingObject> {
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
    void this.#look(incoming, sought)
    return incoming
  }

  async #look(incoming: IncomingObject, sought: Sought): Promise<void> {
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
  unwant(incoming: IncomingObject, by?: string): void {
    const leaving = by === undefined ? [...incoming.wantedBy] : [by]
    const { objectId } = incoming
    for (const each of leaving) {
      if (!incoming.wantedBy.delete(each)) continue
      if (incoming.found !== undefined) this.#step({ type: 'unwant', by: each, objectId })
    }
    const isQueued = incoming.found !== undefined && !incoming.isEnding
    if (isQueued && incoming.wantedBy.size === 0) this.#endUnwanted(incoming)
  }

  #step(event: PullEvent): void {
    if (this.#isStopped) return
    this.#state ??= createPullState({
      ...this.#roomHere(),
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

  #roomHere(): Pick<PullOptions, 'inFlightBytesMax' | 'arenaBytes'> {
    const { sizeBytes: arenaBytes } = this.#deps.store().stats()
    const inFlightBytesMax = Math.min(IN_FLIGHT_BYTES_MAX, arenaBytes * IN_FLIGHT_SHARE)
    return { inFlightBytesMax, arenaBytes }
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
      this.unwant(incoming)
      return
    }
    try {
      incoming.hasRoom = true
      const options = { isPrimary: false, owner: this.#ownerOf(incoming) }
      incoming.place = await store.create(AS_CLIENT, objectId, sizeBytes, options)
      this.#step({ type: 'roomMade', pull })
    } catch (error) {
      incoming.hasRoom = false
      this.#step({ type: 'roomRefused', pull, error: asError(error) })
    }
  }

  /** OP7. */
  #ownerOf({ wantedBy }: IncomingObject): string {
    const [first = AS_CLIENT, ...others] = wantedBy
    return others.length === 0 && this.#deps.isDriver?.(first) === true ? first : AS_CLIENT
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
      if (incoming.diskError !== undefined) {
        this.#step({ type: 'roomRefused', pull, error: incoming.diskError })
        return
      }
      // What lies damaged there stays so: after a second try that is no copy.
      const isGone = error instanceof ObjectCorruptedError && incoming.failed.has(holder)
      if (!incoming.isEnding) void this.#findOther(incoming, holder)
      if (error instanceof ObjectCorruptedError) incoming.damage = error
      const { message: reason } = asError(error)
      const isDamaged = error instanceof FrameCorruptError || error instanceof ObjectCorruptedError
      this.#step({ type: 'chunkFailed', pull, chunk, reason, isDamaged })
      if (isGone) this.#step({ type: 'holderLost', objectId, holder })
    } finally {
      if (reading !== undefined) incoming.readings.delete(reading)
    }
  }

  #read(incoming: IncomingObject, holder: string, range: ObjectRange): Reading {
    const { place } = incoming
    const node = this.#deps.member
      .nodes()
      .find(({ nodeId, state }) => nodeId === holder && state !== 'DEAD')
    if (node === undefined) throw new VirgaError(`node ${holder} is not alive`)
    if (place === undefined) throw new VirgaError('there is no room for this object yet')
    const store = this.#deps.store()
    return this.#lanes.read(node, range, (offset, bytes) => {
      const part = store.placeOfPart(place, offset, bytes, incoming.takeSpare(bytes))
      return { ...part, ...(part.written && { written: () => this.#write(incoming, part) }) }
    })
  }

  /** That the disk here takes no more is no holder's fault, and the end of the pull. */
  async #write(incoming: IncomingObject, part: PartPlace): Promise<void> {
    try {
      await part.written?.()
      incoming.giveSpare(part.bytes)
    } catch (error) {
      incoming.diskError ??= noRoom(incoming.found?.sizeBytes ?? 0, asError(error))
      throw error
    }
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
      if (incoming.isEnding || this.#isStopped) return
      if (found === undefined) {
        incoming.givesWay = true // those that had it have dropped it: no pause brings it back
        this.unwant(incoming)
        return
      }
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
}

const noRoom = (sizeBytes: number, cause: Error): ObjectStoreFullError =>
  new ObjectStoreFullError(
    `An object of ${sizeBytes} B of another node has no room in the object store of this node, ` +
      `and its disk could not take all of it: ${cause.message}`,
    { cause, data: { sizeBytes } },
  )

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error))
