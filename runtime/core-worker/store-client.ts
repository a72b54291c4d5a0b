// This process's side of the node's object store: places for large values, mappings of sealed ones.
// Invariants:
//   S1. A mapping is pinned at the raylet from before it is made until its buffer is collected.
//   S2. A pin lingers a moment after its last mapping, so that repeated gets ask nobody; it is given
//       up when the raylet runs short.
import type { Clock, Timer } from '../common/clock.ts'
import type { ObjectId } from '../common/ids.ts'
import { PIN_LINGER_MS } from '../common/limits.ts'
import type { StoredAt } from './object-entry.ts'

/** What a process sees of the arena: objects/arena-access.ts says more. */
export interface ObjectMemory {
  /** A place to write the object that will be sealed at `offset`. */
  writable(offset: number, sizeBytes: number): Uint8Array
  /** To be called when `target` was filled, before the seal. */
  written(offset: number, target: Uint8Array): void
  /** The sealed object: this reader's own view or copy. `released`: nothing shows it any more. */
  readable(offset: number, sizeBytes: number, released?: () => void): Uint8Array
}

/** An encoded value on its way into the store. */
export interface Storable {
  readonly sizeBytes: number
  writeTo(target: Uint8Array): void
}

export interface StoreLink {
  create(objectId: ObjectId, sizeBytes: number): Promise<{ offset: number; path?: string }>
  seal(objectId: ObjectId): Promise<undefined>
  pin(objectId: ObjectId): Promise<{ offset: number; sizeBytes: number }>
  abort(objectId: ObjectId): void
  unpin(objectId: ObjectId, count: number): void
}

interface Pin {
  readonly offset: number
  readonly sizeBytes: number
  mappings: number
  timer: Timer | undefined
}

export interface StoreClientDeps {
  readonly clock: Clock
  readonly memory: ObjectMemory
  readonly link: StoreLink
}

export class StoreClient {
  readonly #deps: StoreClientDeps
  readonly #pins = new Map<ObjectId, Pin>()
  readonly #pinning = new Map<ObjectId, Promise<Pin>>()

  constructor(deps: StoreClientDeps) {
    this.#deps = deps
  }

  /** Writes an encoded value into the store. @throws ObjectStoreFullError, ObjectTooLargeError */
  async put(objectId: ObjectId, encoded: Storable): Promise<StoredAt> {
    const { link, memory } = this.#deps
    const { sizeBytes } = encoded
    const { offset } = await link.create(objectId, sizeBytes)
    try {
      const target = memory.writable(offset, sizeBytes)
      encoded.writeTo(target)
      memory.written(offset, target)
    } catch (error) {
      link.abort(objectId)
      throw error
    }
    await link.seal(objectId)
    return { objectId, sizeBytes }
  }

  /** The blob of a stored object; `view` says whether it may be read in place. */
  async read({ objectId }: StoredAt): Promise<Uint8Array> {
    const pin = this.#pins.get(objectId) ?? (await this.#pin(objectId))
    pin.timer?.cancel()
    pin.timer = undefined
    pin.mappings += 1
    return this.#deps.memory.readable(pin.offset, pin.sizeBytes, () => {
      this.#unmapped(objectId, pin)
    })
  }

  /** Gives up pins that nothing maps any more, when the store runs short. */
  shed(): void {
    for (const [objectId, pin] of this.#pins) if (pin.mappings === 0) this.#unpin(objectId, pin)
  }

  #pin(objectId: ObjectId): Promise<Pin> {
    const running = this.#pinning.get(objectId)
    if (running !== undefined) return running
    const pinning = this.#deps.link
      .pin(objectId)
      .then(({ offset, sizeBytes }) => {
        const pin: Pin = { offset, sizeBytes, mappings: 0, timer: undefined }
        this.#pins.set(objectId, pin)
        return pin
      })
      .finally(() => this.#pinning.delete(objectId))
    this.#pinning.set(objectId, pinning)
    return pinning
  }

  #unmapped(objectId: ObjectId, pin: Pin): void {
    pin.mappings -= 1
    if (pin.mappings > 0) return
    pin.timer = this.#deps.clock.after(PIN_LINGER_MS, () => {
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
