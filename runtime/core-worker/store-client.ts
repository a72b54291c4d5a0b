// This process's side of the node's object store: places for large values, mappings of sealed ones.
// Invariants:
//   SC1. A mapping is pinned at the raylet from before it is made until its buffer is collected.
//   SC2. A pin lingers a moment after its last mapping, so that repeated gets ask nobody; when the
//       raylet runs short it is given up, and for a while pins go with their last mapping.
//   SC3. A loop of gets on pinned objects waits for nothing, so no finalizer would run and mappings
//       would pile up until large objects had to be copied: it gives up its turn now and then.
//   SC4. What nobody in this process wants here any more is not asked for any more; a pin that is
//       granted all the same is given up.
import type { Clock, Timer } from '../common/clock.ts'
import type { ArenaClient, DirectAccess } from '../objects/arena-access.ts'
import { ObjectCorruptedError, StoppedError } from '../common/errors.ts'
import type { ObjectId, WorkerId } from '../common/ids.ts'
import { PIN_LINGER_MS } from '../common/limits.ts'
import type { Copy } from '../protocol/value-codec.ts'
import type { Collector } from './collector.ts'
import type { RayletCalls } from '../protocol/messages.ts'
import type { StoredAt } from './object-entry.ts'
import { arenaBlob, ownBlob, type StoredBlob } from './stored-blob.ts'

/** How a process reaches stored bytes: in the arena, or in a file when larger than the arena. */
export interface ObjectMemory {
  readonly client: ArenaClient
  readonly direct: DirectAccess
}

/** An encoded value on its way into the store. */
export interface Storable {
  readonly sizeBytes: number
  writeTo(target: Uint8Array, copy?: Copy): void
}

export interface StoreLink {
  create(
    objectId: ObjectId,
    sizeBytes: number,
    owner: WorkerId | undefined,
  ): Promise<RayletCalls['storeCreate'][1]>
  seal(objectId: ObjectId): Promise<undefined>
  drop(objectIds: readonly ObjectId[]): Promise<undefined>
  pin(stored: StoredAt): Promise<Place>
  abort(objectId: ObjectId): void
  damaged(objectId: ObjectId): void
  unpin(objectId: ObjectId, count: number): void
  /** Takes back a request for a pin, which then may be refused; it may have been granted. */
  unwant(objectId: ObjectId): void
}

/** A copy on its way here. */
export interface Fetching {
  /** Resolves once it can be read on this node. Rejects also where all who wanted it have left. */
  readonly done: Promise<void>
  /** Who asked for it wants it no more. Not to be called twice. */
  leave(this: void): void
}

type Place = RayletCalls['storePin'][1]

interface Pin {
  readonly place: Place
  mappings: number
  /** Nobody will ask for it again. */
  freed: boolean
  timer: Timer | undefined
}

/** A request for a pin, under way for all who want the object. */
interface Pinning {
  readonly pin: Promise<Pin>
  wants: number
  isLeft: boolean
}

export interface StoreClientDeps {
  readonly clock: Clock
  readonly collector: Pick<Collector, 'collect'>
  readonly memory: ObjectMemory
  readonly link: StoreLink
}

const READS_PER_TURN = 256

export class StoreClient {
  readonly #deps: StoreClientDeps
  /** Objects that views of this process map now. */
  readonly #pins = new Map<ObjectId, Pin>()
  #readsInTurn = 0
  #turn: Promise<void> | undefined
  #isShortUntilMs = -Infinity
  /** Reads and fetches under way. */
  readonly #pinning = new Map<ObjectId, Pinning>()

  constructor(deps: StoreClientDeps) {
    this.#deps = deps
  }

  /**
   * Writes an encoded value into the store.
   * @param owner  the process with which the object ends; undefined: this one.
   * @throws ObjectStoreFullError, ObjectTooLargeError
   */
  async put(objectId: ObjectId, encoded: Storable, owner: WorkerId | undefined): Promise<StoredAt> {
    const { link, memory } = this.#deps
    const { sizeBytes } = encoded
    const { offset, path } = await link.create(objectId, sizeBytes, owner)
    try {
      if (path === undefined) {
        const { client } = memory
        const target = client.writable(offset, sizeBytes)
        encoded.writeTo(target, client.copy?.bind(client))
        client.written(offset, target)
      } else {
        const bytes = Buffer.allocUnsafe(sizeBytes)
        encoded.writeTo(bytes)
        await memory.direct.write(path, bytes)
      }
      await link.seal(objectId)
    } catch (error) {
      link.abort(objectId)
      throw error
    }
    return { objectId, sizeBytes }
  }

  /** What this process has put and told nobody of is no more, once this resolves. */
  async drop(objects: readonly StoredAt[]): Promise<void> {
    if (objects.length > 0) await this.#deps.link.drop(objects.map(({ objectId }) => objectId))
  }

  /** The blob of a stored object, to be decoded before anything else is awaited. */
  async read(stored: StoredAt): Promise<StoredBlob> {
    const { objectId } = stored
    if (++this.#readsInTurn >= READS_PER_TURN) await this.#nextTurn()
    const pin = this.#pins.get(objectId) ?? (await this.#pin(stored).pin)
    pin.timer?.cancel()
    pin.timer = undefined
    pin.mappings += 1
    const { offset, sizeBytes, path, checksum } = pin.place
    const unmapped = (): void => {
      this.#unmapped(objectId, pin)
    }
    if (path === undefined) {
      try {
        return arenaBlob(this.#deps.memory.client, pin.place, unmapped)
      } catch (error) {
        unmapped()
        throw error
      }
    }
    try {
      const place = { path, offset, sizeBytes, checksum: checksum ?? 0 }
      return ownBlob(await this.#deps.memory.direct.read(place))
    } catch (error) {
      if (error instanceof ObjectCorruptedError) this.#deps.link.damaged(objectId)
      throw error
    } finally {
      unmapped()
    }
  }

  /** Has it brought to this node; its pin lingers for who reads it next (SC2). */
  fetch(stored: StoredAt): Fetching {
    const { objectId } = stored
    if (this.#pins.has(objectId)) return { done: Promise.resolve(), leave: () => undefined }
    const pinning = this.#pin(stored)
    return {
      done: this.#fetched(objectId, pinning),
      leave: () => {
        this.#leave(objectId, pinning)
      },
    }
  }

  async #fetched(objectId: ObjectId, pinning: Pinning): Promise<void> {
    const pin = await pinning.pin
    await Promise.resolve() // who reads it and waited for the same pin maps it first (SC1)
    if (pin.mappings > 0 || pin.timer !== undefined) return
    pin.mappings += 1
    this.#unmapped(objectId, pin)
  }

  /** SC4. */
  #leave(objectId: ObjectId, pinning: Pinning): void {
    pinning.wants -= 1
    if (pinning.wants > 0 || this.#pinning.get(objectId) !== pinning) return
    pinning.isLeft = true
    this.#pinning.delete(objectId)
    this.#deps.link.unwant(objectId)
  }

  /** SC3. */
  #nextTurn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      this.#deps.clock.immediate(() => {
        this.#readsInTurn = 0
        this.#turn = undefined
        resolve()
      })
    })
    return this.#turn
  }

  /** Whether this process keeps objects in their place. */
  get pinsSome(): boolean {
    return this.#pins.size > 0
  }

  /** The store runs short: gives up what nothing maps or refers to any more. */
  shed(): void {
    const { clock, collector } = this.#deps
    // What the collection finds is unmapped a little later.
    this.#isShortUntilMs = clock.monotonicMs() + PIN_LINGER_MS
    collector.collect()
    for (const [objectId, pin] of this.#pins) if (pin.mappings === 0) this.#unpin(objectId, pin)
  }

  /** This object is freed: its pin goes with its last mapping, without lingering. */
  freed(objectId: ObjectId): void {
    const pin = this.#pins.get(objectId)
    if (pin === undefined) return
    pin.freed = true
    if (pin.mappings === 0) this.#unpin(objectId, pin)
  }

  #pin(stored: StoredAt): Pinning {
    const { objectId } = stored
    const running = this.#pinning.get(objectId)
    if (running !== undefined) {
      running.wants += 1
      return running
    }
    const pin = this.#deps.link
      .pin(stored)
      .then((place) => this.#pinned(objectId, pinning, place))
      .finally(() => {
        if (this.#pinning.get(objectId) === pinning) this.#pinning.delete(objectId)
      })
    const pinning: Pinning = { pin, wants: 1, isLeft: false }
    this.#pinning.set(objectId, pinning)
    return pinning
  }

  #pinned(objectId: ObjectId, { isLeft }: Pinning, place: Place): Pin {
    if (isLeft) {
      this.#deps.link.unpin(objectId, 1) // SC4
      throw new StoppedError('nobody wants this object here any more')
    }
    const pin: Pin = { place, mappings: 0, freed: false, timer: undefined }
    this.#pins.set(objectId, pin)
    return pin
  }

  #unmapped(objectId: ObjectId, pin: Pin): void {
    pin.mappings -= 1
    if (pin.mappings > 0) return
    const { clock } = this.#deps
    if (pin.freed || clock.monotonicMs() < this.#isShortUntilMs) {
      this.#unpin(objectId, pin)
      return
    }
    pin.timer = clock.after(PIN_LINGER_MS, () => {
      this.#unpin(objectId, pin)
    })
  }

  #unpin(objectId: ObjectId, pin: Pin): void {
    if (this.#pins.get(objectId) !== pin) return
    pin.timer?.cancel()
    this.#pins.delete(objectId)
    this.#deps.link.unpin(objectId, 1)
  }
}
