// One object that is looked for at other nodes, or on its way from them: who waits for it here,
// what of it has come, and who waits to pass that on.
import type { ObjectCorruptedError } from '../../common/errors.ts'
import type { ObjectPlace } from '../../objects/store.ts'
import type { Reading } from './bulk-lanes.ts'
import type { FoundObject, ObjectSought } from './object-directory.ts'

interface RangeWaiter {
  readonly offset: number
  readonly sizeBytes: number
  readonly resolve: (place: ObjectPlace | undefined) => void
}

export class IncomingObject {
  readonly objectId: string
  readonly wantedBy = new Set<string>()
  /** Resolves when it is here, or nobody has it; rejects when it could not be had. */
  readonly whole: Promise<void>
  /** Resolves when `whole` does, either way. */
  readonly ended: Promise<void>
  /** Resolves when it is known who has it, or nobody does. */
  readonly foundOrEnded: Promise<void>
  readonly readings = new Set<Reading>()
  /** Holders that have failed to give it. */
  readonly failed = new Set<string>()
  found: Pick<FoundObject, 'sizeBytes' | 'sources'> | undefined
  sought: Omit<ObjectSought, 'failed'> | undefined
  directory: string | undefined
  place: ObjectPlace | undefined
  /** It was asked of the store, and not refused. */
  hasRoom = false
  error: Error | undefined
  /** The disk of this node did not take a part of it. */
  diskError: Error | undefined
  /** F41. What a copy that was read last was found to be. */
  damage: ObjectCorruptedError | undefined
  isSeeking = false
  /** Its end is no error: it is made here instead, or nobody has it any more. */
  givesWay = false
  /** Its place may be another object's soon. */
  isEnding = false
  /** What parts that go into a file came in, to be used again. No more than are on their way. */
  readonly #spares: Uint8Array[] = []
  readonly #came = new Map<number, number>()
  #waiters: RangeWaiter[] = []
  readonly #whole = Promise.withResolvers<void>()
  readonly #found = Promise.withResolvers<void>()

  constructor(objectId: string) {
    this.objectId = objectId
    this.whole = this.#whole.promise
    this.foundOrEnded = this.#found.promise
    this.ended = this.whole.catch(() => undefined) // its readers have the error
  }

  isFound(found: Pick<FoundObject, 'sizeBytes' | 'sources'>): void {
    this.found = found
    this.#found.resolve()
  }

  /** Chunks are the same ranges on all nodes. */
  chunkCame(offset: number, sizeBytes: number): void {
    this.#came.set(offset, sizeBytes)
    const { place } = this
    this.#waiters = this.#waiters.filter((waiter) => {
      const isHere = waiter.offset === offset && waiter.sizeBytes <= sizeBytes
      if (isHere) waiter.resolve(place)
      return !isHere
    })
  }

  takeSpare(sizeBytes: number): Uint8Array | undefined {
    const spare = this.#spares.pop()
    return spare?.byteLength === sizeBytes ? spare : undefined
  }

  giveSpare(spare: Uint8Array): void {
    this.#spares.push(spare)
  }

  /** Nodes that the range at that offset comes from, one behind the other. */
  wayOf(offset: number): readonly string[] {
    const reading = [...this.readings].find(({ range }) => range.offset === offset)
    return reading?.way() ?? []
  }

  /** @returns where to read the range; undefined: look in the store. */
  rangeCame(offset: number, sizeBytes: number): Promise<ObjectPlace | undefined> {
    if ((this.#came.get(offset) ?? -1) >= sizeBytes) return Promise.resolve(this.place)
    return new Promise((resolve) => {
      this.#waiters.push({ offset, sizeBytes, resolve })
    })
  }

  /** Resolves when nothing is written into its place any more. */
  async stopReading(): Promise<void> {
    this.isEnding = true
    const readings = [...this.readings]
    for (const reading of readings) reading.cancel()
    await Promise.allSettled(readings.map(({ done }) => done))
  }

  end(error?: Error): void {
    this.isEnding = true
    for (const { resolve } of this.#waiters) resolve(undefined)
    this.#waiters = []
    this.#found.resolve()
    if (error === undefined) this.#whole.resolve()
    else this.#whole.reject(error)
  }
}
