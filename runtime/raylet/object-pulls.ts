// Objects between nodes: copies of what lies on other nodes come into this node's store when
// somebody here reads them, and this node gives of what it has. What to ask of whom, and how much
// at a time, is decided by objects/pull-manager.ts; this asks, checks, and writes into the store.
// Invariants:
//   OP1. Whoever wants an object that is here, or on its way, waits for nothing more (PM1).
//   OP2. A chunk is written only with the length and checksum that its holder told (PM3).
//   OP4. What a process of this node makes has the right of way over a copy that is still coming.
//   OP3. A free reaches every node that can be reached; the end of the job frees what it missed.
import type { Clock, Timer } from '../common/clock.ts'
import { ObjectCorruptedError, VirgaError } from '../common/errors.ts'
import type { PullEffect, PullEvent } from '../objects/pull-events.ts'
import {
  createPullState,
  nextPullTimerAtMs,
  stepPulls,
  type PullState,
} from '../objects/pull-manager.ts'
import type { ObjectPlace, ObjectStore } from '../objects/store.ts'
import { checksumOf } from '../protocol/framing.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { PeerMessage, PeerRayletCalls, PeerRayletNotices } from './peer-raylet-messages.ts'

/** What this node is to its own store, as the maker of copies and the reader of what it gives. */
const SELF = 'another node'
const CHUNK_LIMIT_MS = 10_000
/** A copy may be dropped for room between its coming and its being pinned. */
const ATTEMPTS = 3

export interface ObjectPullsDeps {
  readonly member: Pick<ClusterMember, 'ask' | 'askAll' | 'tellAll'>
  readonly clock: Clock
  /** Hex. */
  readonly nodeId: string
  readonly store: () => ObjectStore
}

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class ObjectPulls {
  readonly #deps: ObjectPullsDeps
  readonly #state: PullState
  /** By object, while it is looked for and pulled. */
  readonly #running = new Map<string, Promise<void>>()
  readonly #waiting = new Map<string, Waiting>()
  /** By object, where its copy is written. */
  readonly #places = new Map<string, ObjectPlace>()
  #timer: Timer | undefined

  constructor(deps: ObjectPullsDeps) {
    this.#deps = deps
    const inFlightBytesMax = 256 * 1024 * 1024
    this.#state = createPullState({ inFlightBytesMax, windowChunks: 4, attemptsMax: 12 })
  }

  /**
   * As ObjectStore.pin, wherever the object is.
   * @throws what ObjectStore.pin throws; ObjectLostError when its holders could not give it.
   */
  async pin(client: string, objectId: string): Promise<ObjectPlace> {
    const { store } = this.#deps
    for (let left = ATTEMPTS; left > 0 && store().sizeOf(objectId) === undefined; left -= 1) {
      await this.#fetch(objectId)
    }
    return await store().pin(client, objectId)
  }

  /** OP4. A process of this node is about to make this object: whoever waits for a copy looks anew. */
  giveWay(objectId: string): void {
    if (!this.#waiting.has(objectId)) return
    this.#step({ type: 'unwant', by: SELF, objectId })
    this.#end(objectId, Promise.resolve())
  }

  /** OP3. Here and everywhere. */
  free(objectIds: readonly string[]): void {
    this.#deps.store().free(objectIds)
    this.#deps.member.tellAll('freeObjects', { objectIds })
  }

  /** Another node asks, or tells. */
  async requested({ type, message }: PeerMessage): Promise<unknown> {
    if (type === 'readChunk') return await this.#readChunk(message as ChunkAsked)
    const { objectId } = message as PeerRayletCalls['holds'][0]
    const sizeBytes = this.#deps.store().sizeOf(objectId)
    return sizeBytes === undefined ? undefined : { nodeId: this.#deps.nodeId, sizeBytes }
  }

  freed({ objectIds }: PeerRayletNotices['freeObjects']): void {
    this.#deps.store().free(objectIds)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** OP1. Resolves also when nobody has it: then the store says so. */
  #fetch(objectId: string): Promise<void> {
    const running = this.#running.get(objectId)
    if (running !== undefined) return running
    const fetching = this.#pull(objectId).finally(() => this.#running.delete(objectId))
    this.#running.set(objectId, fetching)
    return fetching
  }

  async #pull(objectId: string): Promise<void> {
    const answers = await this.#deps.member.askAll('holds', { objectId })
    const found = answers.filter((answer) => answer !== undefined)
    const [first] = found
    if (first === undefined) return
    const { sizeBytes } = first
    const holders = found.map(({ nodeId }) => nodeId)
    await new Promise<void>((resolve, reject) => {
      this.#waiting.set(objectId, { resolve, reject })
      this.#step({ type: 'want', by: SELF, objectId, sizeBytes, purpose: 'get', holders })
    })
  }

  async #readChunk({ objectId, offset, sizeBytes }: ChunkAsked): Promise<ChunkGiven> {
    const store = this.#deps.store()
    const place = await store.pin(SELF, objectId)
    try {
      const bytes = await store.readPart(place, offset, sizeBytes)
      return { bytes, checksum: checksumOf(bytes) }
    } finally {
      store.unpin(SELF, objectId)
    }
  }

  #step(event: PullEvent): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const effect of stepPulls(this.#state, event, nowMs)) this.#perform(effect)
    this.#timer?.cancel()
    const atMs = nextPullTimerAtMs(this.#state)
    if (atMs === undefined) return
    this.#timer = this.#deps.clock.after(Math.max(1, atMs - nowMs), () => {
      this.#step({ type: 'timer' })
    })
  }

  #perform(effect: PullEffect): void {
    const { objectId } = effect
    switch (effect.type) {
      case 'makeRoom':
        void this.#makeRoom(effect)
        return
      case 'ask':
        void this.#ask(effect)
        return
      case 'pulled':
        this.#places.delete(objectId)
        this.#end(objectId, this.#deps.store().seal(objectId))
        return
      case 'failed':
        this.#end(objectId, Promise.reject(effect.error))
        return
      case 'abort':
        this.#places.delete(objectId)
        this.#deps.store().abort(objectId)
        return
    }
  }

  #end(objectId: string, outcome: Promise<void>): void {
    const waiting = this.#waiting.get(objectId)
    this.#waiting.delete(objectId)
    void outcome.then(waiting?.resolve, waiting?.reject)
  }

  async #makeRoom({
    pull,
    objectId,
    sizeBytes,
  }: Extract<PullEffect, { type: 'makeRoom' }>): Promise<void> {
    try {
      const place = await this.#deps.store().create(SELF, objectId, sizeBytes, { isPrimary: false })
      this.#places.set(objectId, place)
      this.#step({ type: 'roomMade', pull })
    } catch (error) {
      this.#step({ type: 'roomRefused', pull, error: asError(error) })
    }
  }

  async #ask({ pull, objectId, chunk }: Extract<PullEffect, { type: 'ask' }>): Promise<void> {
    const { holder, offset, sizeBytes } = chunk
    try {
      const asked = { objectId, offset, sizeBytes }
      const given = await this.#deps.member.ask(holder, 'readChunk', asked, CHUNK_LIMIT_MS)
      await this.#write(objectId, offset, checked(given, sizeBytes))
      this.#step({ type: 'chunkCame', pull, chunk })
    } catch (error) {
      this.#step({ type: 'chunkFailed', pull, chunk, reason: asError(error).message })
    }
  }

  async #write(objectId: string, offset: number, bytes: Uint8Array): Promise<void> {
    const place = this.#places.get(objectId)
    if (place === undefined) throw new VirgaError('nobody wants this object any more')
    await this.#deps.store().writePart(place, offset, bytes)
  }
}

type ChunkAsked = PeerRayletCalls['readChunk'][0]
type ChunkGiven = PeerRayletCalls['readChunk'][1]

/** OP2. */
function checked({ bytes, checksum }: ChunkGiven, sizeBytes: number): Uint8Array {
  if (bytes.length === sizeBytes && checksumOf(bytes) === checksum) return bytes
  throw new ObjectCorruptedError(
    `${bytes.length} bytes came for ${sizeBytes}, or not those that were sent: ask another holder`,
  )
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error))
