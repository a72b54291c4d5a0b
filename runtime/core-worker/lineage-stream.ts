// The owner's side of lineage: how each object that leaves this process is made again goes with its
// ref, and then to the GCS through the raylet, a batch at a time. What never leaves costs nothing:
// nobody else could ask for it.
// Invariants:
//   LS1. Refs that leave in one turn of the event loop carry CARRIED_BYTES_MAX at most; those
//        beyond wait to leave until their specs are committed, and then carry none.
//   LS2. One batch at a time is with the raylet, and it is answered when it is committed: that is
//        the back-pressure. What has no ref any more when its batch goes is not in it.
//   LS3. Batches go in the order of their sequences, and one that fails goes again before others.
// Source: design 2 (step 7) and 5; Lineage Stash (SOSP 2019).
import type { Clock, Timer } from '../common/clock.ts'
import type { ObjectId } from '../common/ids.ts'
import type { LineagePlace } from '../protocol/messages.ts'
import type { ObjectEntry } from './object-entry.ts'
import type { RayletLink } from './raylet-link.ts'
import { writeLineage } from './ref-lineage.ts'

const CARRIED_BYTES_MAX = 64 * 1024
const BATCH_EVERY_MS = 200
/** The rest waits for the next batch. */
const BATCH_BYTES_MAX = 1024 * 1024
/** A raylet that could not write a batch is given it again. */
const RETRY_MS = 1_000

export interface LineageStreamDeps {
  readonly clock: Clock
  readonly raylet: Pick<RayletLink, 'request' | 'notify'>
  /** undefined: nothing can make it again. */
  specOf(entry: ObjectEntry): Uint8Array | undefined
  idOf(entry: ObjectEntry): ObjectId
  /** What is about to leave stays until this has settled. */
  keepUntil(settled: Promise<void>): void
}

export interface LineageStreamOptions extends Pick<LineagePlace, 'nodeId' | 'epoch' | 'owner'> {
  /** Specs go at once, refs carry none, and who tells of results waits for `commits`. */
  readonly durable: boolean
}

/** An object that has left. */
interface Left {
  readonly place: LineagePlace
  readonly objectId: ObjectId
  /** Until it is committed. */
  spec: Uint8Array | undefined
  segment: number | undefined
  readonly waiters: (() => void)[]
}

export class LineageStream {
  readonly #deps: LineageStreamDeps
  readonly #own: Pick<LineagePlace, 'nodeId' | 'epoch' | 'owner'>
  readonly #durable: boolean
  /** By object, as long as somebody holds a ref of it. */
  readonly #left = new Map<ObjectId, Left>()
  /** Not yet with the raylet, in order. */
  readonly #waiting = new Set<Left>()
  readonly #dropped: number[] = []
  /** Those who wait for all specs below a sequence. */
  #barriers: { readonly below: number; readonly resolve: () => void }[] = []
  /** The first one with the raylet; Infinity: none is. */
  #sendingFrom = Infinity
  #nextSequence = 0
  #carriedBytes = 0
  #timer: Timer | undefined
  #isUrgent = false
  #stopped = false

  constructor(deps: LineageStreamDeps, { durable, ...own }: LineageStreamOptions) {
    this.#deps = deps
    this.#own = own
    this.#durable = durable
  }

  /** In a durable job: this object may be asked for when this process is gone, whoever asks. */
  keep(entry: ObjectEntry): void {
    if (!this.#left.has(this.#deps.idOf(entry))) this.#leaves(entry)
  }

  /** LS3. Resolves when all that has left so far is committed; undefined: it is. */
  commits(): Promise<void> | undefined {
    if (this.#stopped || this.#oldestOpen() === Infinity) return undefined
    const below = this.#nextSequence
    return new Promise((resolve) => this.#barriers.push({ below, resolve }))
  }

  /** The lineage that a ref of an object of ours takes along; empty when there is none. */
  carry(entry: ObjectEntry): Uint8Array {
    const left = this.#left.get(this.#deps.idOf(entry)) ?? this.#leaves(entry)
    if (left === undefined) return NOTHING
    const { place, spec, segment } = left
    if (spec === undefined) {
      const known = segment === undefined ? place : { ...place, segment }
      return writeLineage({ place: known, spec: undefined })
    }
    if (this.#carriedBytes === 0) {
      this.#deps.clock.immediate(() => {
        this.#carriedBytes = 0
      })
    }
    if (!this.#durable && this.#carriedBytes + spec.length <= CARRIED_BYTES_MAX) {
      this.#carriedBytes += spec.length
      return writeLineage({ place, spec })
    }
    this.#deps.keepUntil(this.#committed(left)) // LS1
    return writeLineage({ place, spec: undefined })
  }

  /** Nobody holds a ref of it any more. */
  gone(objectId: ObjectId): void {
    const left = this.#left.get(objectId)
    if (left === undefined) return
    this.#left.delete(objectId)
    if (this.#waiting.delete(left)) {
      this.#settle(left)
      this.#passBarriers()
    } else {
      this.#dropped.push(left.place.sequence)
      this.#schedule()
    }
  }

  /** This process leaves, or its raylet has: nothing is committed any more. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    for (const left of this.#left.values()) this.#settle(left)
    for (const { resolve } of this.#barriers.splice(0)) resolve()
  }

  #leaves(entry: ObjectEntry): Left | undefined {
    const spec = this.#deps.specOf(entry)
    if (spec === undefined) return undefined
    const objectId = this.#deps.idOf(entry)
    const place = { ...this.#own, sequence: this.#nextSequence++ }
    const left: Left = { place, objectId, spec, segment: undefined, waiters: [] }
    this.#left.set(objectId, left)
    this.#waiting.add(left)
    if (this.#durable) this.#isUrgent = true
    this.#schedule()
    return left
  }

  #committed(left: Left): Promise<void> {
    this.#isUrgent = true
    this.#schedule()
    return new Promise((resolve) => left.waiters.push(resolve))
  }

  #settle({ waiters }: Left): void {
    for (const resolve of waiters.splice(0)) resolve()
  }

  #schedule(): void {
    if (this.#stopped || this.#isSending || (this.#timer !== undefined && !this.#isUrgent)) return
    if (this.#waiting.size === 0 && this.#dropped.length === 0) return
    this.#timer?.cancel()
    this.#timer = this.#deps.clock.after(this.#isUrgent ? 0 : BATCH_EVERY_MS, () => {
      this.#timer = undefined
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#dropped.length > 0) {
      this.#deps.raylet.notify('dropSpecs', { sequences: this.#dropped.splice(0) })
    }
    if (this.#waiting.size > 0) void this.#send()
  }

  /** LS2. */
  async #send(): Promise<void> {
    const { clock, raylet } = this.#deps
    const batch = this.#takeBatch()
    const urgent = this.#isUrgent
    this.#isUrgent = false
    this.#sendingFrom = batch[0]?.place.sequence ?? Infinity
    const specs = batch.map(({ spec }) => spec ?? NOTHING)
    try {
      const { segments } = await raylet.request(
        'commitSpecs',
        {
          sequences: batch.map(({ place }) => place.sequence),
          sizes: specs.map(({ length }) => length),
          specs: Buffer.concat(specs),
          urgent,
        },
        { holds: false },
      )
      for (const [i, left] of batch.entries()) this.#written(left, segments[i] ?? undefined)
    } catch {
      // The raylet is gone, or the GCS refuses the segment, which the raylet logs: a ref that waits
      // for it leaves without. Results of a durable job are not told.
      const later = [...this.#waiting]
      this.#waiting.clear()
      for (const left of [...batch, ...later]) {
        if (this.#left.get(left.objectId) === left) this.#waiting.add(left)
      }
      for (const left of batch) this.#settle(left)
      await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
    }
    this.#sendingFrom = Infinity
    this.#passBarriers()
    this.#schedule()
  }

  get #isSending(): boolean {
    return this.#sendingFrom !== Infinity
  }

  #oldestOpen(): number {
    const [first] = this.#waiting
    return Math.min(this.#sendingFrom, first?.place.sequence ?? Infinity)
  }

  #passBarriers(): void {
    if (this.#barriers.length === 0) return
    const oldest = this.#oldestOpen()
    const passed = this.#barriers.filter(({ below }) => below <= oldest)
    this.#barriers = this.#barriers.filter(({ below }) => below > oldest)
    for (const { resolve } of passed) resolve()
  }

  #written(left: Left, segment: number | undefined): void {
    left.segment = segment
    left.spec = undefined
    this.#settle(left)
  }

  #takeBatch(): Left[] {
    const batch: Left[] = []
    let sizeBytes = 0
    for (const left of this.#waiting) {
      if (sizeBytes >= BATCH_BYTES_MAX) break
      this.#waiting.delete(left)
      sizeBytes += left.spec?.length ?? 0
      batch.push(left)
    }
    return batch
  }
}

const NOTHING = new Uint8Array(0)
