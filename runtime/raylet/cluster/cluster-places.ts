// Copies in the cluster's bucket, which outlive nodes, for those who read them when nobody who
// knows is left: told to the GCS a batch at a time, and read from there.
// Invariants:
//   OQ1. Only copies in the bucket are told of (D164), a write unit each; what is freed before its
//        batch goes costs nothing. Rows of freed ones expire by themselves.
//   OQ2. A copy from the bucket counts by its checksum alone, wherever the row came from. One that
//        is damaged or gone is not told of again here, so that its object is made again in place of
//        being looked for. Whoever could not read it may be on another node: it is tried here then.
//   OQ3. At most WAITING_MAX places wait while the GCS is away: the oldest are forgotten, as facts
//        may be.
import type { Clock, Timer } from '../../common/clock.ts'
import { ObjectCorruptedError, UsageError, VirgaError } from '../../common/errors.ts'
import { jobIdOfObject, fromHex, toHex, type JobId, type ObjectId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import {
  findLocations,
  tellLocations,
  type ObjectLocation,
  type SpillPlace,
} from '../../gcs/object-locations.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { SpillRange } from '../../objects/spill.ts'
import type { JobStore } from '../job-store.ts'

const TELL_EVERY_MS = 1_000
const WAITING_MAX = 100_000
const UNREADABLE_MAX = 10_000
/** Each has 16 MiB on their way. */
const TRIED_AT_ONCE = 4
/** What this node is to its own store, as the maker of copies and their reader. */
const SELF = 'the bucket'

export interface ClusterPlacesDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly objects: Pick<JobStore, 'store' | 'opened'>
  /** This node, in hex. */
  readonly nodeId: string
  readonly epoch: number
  /** A copy of it is there, for any node to read. */
  readonly inBucket: (objectId: string) => void
}

export class ClusterPlaces {
  readonly #deps: ClusterPlacesDeps
  readonly #waiting = new Map<string, ObjectLocation>()
  /** OQ2. The last UNREADABLE_MAX. */
  readonly #unreadable = new Set<string>()
  #timer: Timer | undefined
  #stopped = false

  constructor(deps: ClusterPlacesDeps) {
    this.#deps = deps
  }

  /** A copy lies there: told when other nodes can read it. */
  spilled(objectId: string, { path, offset, sizeBytes, checksum }: SpillRange): void {
    if (this.#bucket?.holds(path) !== true) return
    this.#deps.inBucket(objectId)
    this.#tell(objectId, sizeBytes, { path, offset, checksum })
  }

  /**
   * The copy in the bucket; undefined where none was told, or nobody here can read it.
   * @returns also which node, in hex, has put it there.
   */
  async find(objectId: string): Promise<(SpillRange & { nodeId: string }) | undefined> {
    if (this.#bucket === undefined) return undefined
    const locations = await findLocations(this.#deps.storage, toHex(objectId))
    const ranges = locations.map(({ spill, sizeBytes, nodeId }) => ({
      ...spill,
      sizeBytes,
      nodeId,
    }))
    return ranges.find((range) => !this.#unreadable.has(keyOf(range)))
  }

  /**
   * Those of which there is a copy in the bucket.
   * @param unread  which of them somebody could not read: such a copy is tried (OQ2).
   */
  async kept(
    objectIds: readonly ObjectId[],
    unread: readonly ObjectId[],
  ): Promise<readonly ObjectId[]> {
    const isUnread = new Set(unread)
    const found = await Promise.all(objectIds.map((objectId) => this.find(objectId)))
    const told = objectIds.filter((_, i) => found[i] !== undefined)
    const kept = told.filter((objectId) => !isUnread.has(objectId))
    const untried = told.filter((objectId) => isUnread.has(objectId))
    const tryAll = async (): Promise<void> => {
      for (let next = untried.pop(); next !== undefined; next = untried.pop()) {
        if (await this.#canBeRead(next)) kept.push(next)
      }
    }
    await Promise.all(Array.from({ length: TRIED_AT_ONCE }, tryAll))
    return kept
  }

  /** OQ2. What a bucket that does not answer was told to have may be there. */
  async #canBeRead(objectId: ObjectId): Promise<boolean> {
    for (;;) {
      const range = await this.find(objectId)
      if (range === undefined) return false
      try {
        await this.#bucket?.read(range, () => Promise.resolve())
        return true
      } catch (error) {
        if (!(error instanceof VirgaError)) throw error
        if (!(error instanceof ObjectCorruptedError)) return true
        this.#isUnreadable(range)
      }
    }
  }

  /** Brings a copy from the bucket into this node's store, if there is one. */
  async restore(objectId: string): Promise<void> {
    const range = await this.find(objectId)
    const bucket = this.#bucket
    if (range === undefined || bucket === undefined) return
    const { store } = this.#deps.objects
    const place = await store.create(SELF, objectId, range.sizeBytes, { isPrimary: false })
    try {
      await bucket.read(range, async (offset, bytes) => {
        const part = store.placeOfPart(place, offset, bytes.length)
        part.bytes.set(bytes)
        await part.written?.()
      })
      await store.seal(objectId)
    } catch (error) {
      store.abort(objectId)
      if (!(error instanceof ObjectCorruptedError)) throw error
      this.#isUnreadable(range)
      if ((await this.find(objectId)) === undefined) throw error
      await this.restore(objectId) // from the other copy
    }
  }

  #isUnreadable(range: SpillRange): void {
    this.#unreadable.add(keyOf(range))
    const [oldest] = this.#unreadable
    if (oldest !== undefined && this.#unreadable.size > UNREADABLE_MAX) {
      this.#unreadable.delete(oldest)
    }
  }

  /**
   * Resolves when a sealed object of this node is in the bucket and the GCS knows.
   * @throws UsageError where the cluster has no bucket; CapacityError; GcsUnavailableError
   */
  async keep(objectId: ObjectId): Promise<void> {
    const { storage, clock, objects, nodeId, epoch } = this.#deps
    const bucket = this.#bucket
    if (bucket === undefined) throw new UsageError(NO_BUCKET)
    const { store } = objects
    this.#deps.inBucket(objectId)
    const place = await store.pin(SELF, objectId)
    try {
      const read = (offset: number, sizeBytes: number): Promise<Uint8Array> =>
        store.partOf(place, offset, sizeBytes)
      const source = { sizeBytes: place.sizeBytes, read }
      const { path, offset, checksum } = await bucket.keep(toHex(jobIdOfObject(objectId)), source)
      const { sizeBytes } = place
      const row = { objectId: toHex(objectId), sizeBytes, nodeId, epoch }
      const spill = { path, offset, checksum }
      await tellLocations(storage, [{ ...row, spill, isKept: true }], clock.nowMs())
    } finally {
      store.unpin(SELF, objectId)
    }
  }

  /** Whether this node reaches one. */
  get hasBucket(): boolean {
    return this.#bucket !== undefined
  }

  /** What was kept for that job is needed no more. @returns false: it is still there. */
  async jobForgotten(jobId: JobId): Promise<boolean> {
    try {
      await this.#bucket?.forget(toHex(jobId))
      return true
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error
      const fields = { jobId: toHex(jobId), error: error.message }
      this.#deps.log.warn('what a job had put is still in the bucket', fields)
      return false
    }
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  get #bucket(): NonNullable<JobStore['opened']>['bucket'] {
    return this.#deps.objects.opened?.bucket
  }

  #tell(objectId: string, sizeBytes: number, spill: SpillPlace): void {
    const { nodeId, epoch } = this.#deps
    const location = { objectId: toHex(objectId), sizeBytes, nodeId, epoch, spill, isKept: false }
    this.#waiting.set(location.objectId, location)
    const [oldest] = this.#waiting.keys()
    // OQ3.
    if (oldest !== undefined && this.#waiting.size > WAITING_MAX) this.#waiting.delete(oldest)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#stopped || this.#timer !== undefined || this.#waiting.size === 0) return
    this.#timer = this.#deps.clock.after(TELL_EVERY_MS, () => {
      void this.#flush().then(() => {
        this.#timer = undefined
        this.#schedule()
      })
    })
  }

  async #flush(): Promise<void> {
    const { storage, clock, log, objects } = this.#deps
    for (const hex of this.#waiting.keys()) {
      if (objects.store.sizeOf(fromHex(hex)) === undefined) this.#waiting.delete(hex) // OQ1
    }
    const batch = [...this.#waiting.values()]
    if (batch.length === 0) return
    try {
      await tellLocations(storage, batch, clock.nowMs())
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error
      log.info('where objects lie is told to the GCS later', { error: error.message })
      return
    }
    for (const location of batch) {
      const { objectId } = location
      if (this.#waiting.get(objectId) === location) this.#waiting.delete(objectId)
    }
  }
}

const keyOf = ({ path, offset }: SpillRange): string => `${path}@${String(offset)}`
const NO_BUCKET =
  'durable: true copies what is put to a bucket, and this cluster has none: start it with ' +
  'VIRGA_SPILL=s3://BUCKET/PREFIX, or leave durable out'
