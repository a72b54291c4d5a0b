// The spill place in a bucket (S3): every fused file is one object, written in parts as its pieces
// come and read by ranges, a few pieces ahead.
// Invariants (with SL1 to SL3 of spill.ts, SK1 of spill-files.ts, BK1 of bucket.ts):
//   SB1. At most PARTS_IN_FLIGHT parts of a file are in memory, and PIECES_AHEAD pieces of a range.
//   SB2. Keys name the node and its epoch first: nodes are random, so that S3 spreads them over its
//        partitions, and what a dead one has left is found (sweepSpill).
// Source: S3 "Multipart upload limits", "Optimizing performance"; faults.md F39, F66, F67.
import {
  type Bucket,
  PART_BYTES_MIN,
  PART_COUNT_MAX,
  type Part,
  type Upload,
} from '../common/bucket.ts'
import type { Clock } from '../common/clock.ts'
import { VirgaError } from '../common/errors.ts'
import { FusedSpill, type SpillMedium, type SpillReader, type SpillWriter } from './spill-files.ts'
import { SPILL_PIECE_BYTES, type SpillRange, allOf, corrupted, spillFailed } from './spill.ts'

/** Large enough that a request's fixed time does not count: 8 MiB take about 80 ms. */
const PART_BYTES = 2 * SPILL_PIECE_BYTES
const PARTS_IN_FLIGHT = 4
const PIECES_AHEAD = 3
/** Swept at a time: what S3 lists in a page. */
const SWEEP_PAGE = 1_000

export interface BucketSpillOptions {
  readonly bucket: Bucket
  /** Of this node and epoch: nobody else has ever written below it. */
  readonly owner: string
  /** The checksum of `bytes` after those that gave `checksum`. */
  readonly sum: (bytes: Uint8Array, checksum: number) => number
  readonly clock: Clock
}

export class BucketSpill extends FusedSpill {
  readonly #bucket: Bucket

  constructor(options: BucketSpillOptions) {
    super(new SpillBucket(options), undefined, options.clock)
    this.#bucket = options.bucket
  }

  /** @throws CapacityError always: workers, which write such objects, do not reach a bucket. */
  override openDirect(sizeBytes: number): Promise<never> {
    const message =
      `An object of ${sizeBytes} B that is larger than the object store is written to a disk, ` +
      `and only ${this.#bucket.name} is given to spill to.`
    return Promise.reject(spillFailed(message, 'bucket'))
  }
}

/** Files by their paths: the bucket's name, then the key. */
class SpillBucket implements SpillMedium {
  readonly #options: BucketSpillOptions
  #fileCount = 0

  constructor(options: BucketSpillOptions) {
    this.#options = options
  }

  sum(bytes: Uint8Array, checksum: number): number {
    return this.#options.sum(bytes, checksum)
  }

  async create(sizeBytes: number): Promise<SpillWriter> {
    const { bucket, owner } = this.#options
    const key = `${prefixOf(owner)}${String(this.#fileCount++)}`
    const file = { path: bucket.name + key, sizeBytes }
    const partBytes = Math.max(PART_BYTES, Math.ceil(sizeBytes / PART_COUNT_MAX))
    if (sizeBytes <= partBytes) return new WholeWriter(bucket, key, file)
    const upload = await told(bucket.startUpload(key), file.path)
    return new PartsWriter(bucket, upload, { ...file, partBytes })
  }

  async openRange(range: SpillRange): Promise<SpillReader> {
    return new RangeReader(this.#options.bucket, this.#keyOf(range.path), range)
  }

  delete(path: string): Promise<void> {
    return told(this.#options.bucket.delete(this.#keyOf(path)), path)
  }

  #keyOf(path: string): string {
    return path.slice(this.#options.bucket.name.length)
  }
}

interface FileOptions {
  readonly path: string
  readonly sizeBytes: number
}

/** A small file: one request. */
class WholeWriter implements SpillWriter {
  readonly path: string
  readonly #bucket: Bucket
  readonly #key: string
  readonly #bytes: Uint8Array

  constructor(bucket: Bucket, key: string, { path, sizeBytes }: FileOptions) {
    this.path = path
    this.#bucket = bucket
    this.#key = key
    this.#bytes = new Uint8Array(sizeBytes)
  }

  async write(bytes: Uint8Array, at: number): Promise<void> {
    this.#bytes.set(bytes, at)
  }

  async close(isWhole: boolean): Promise<void> {
    if (isWhole) await told(this.#bucket.put(this.#key, this.#bytes), this.path)
  }
}

/** A large file: parts in the order of its bytes, several at a time. */
class PartsWriter implements SpillWriter {
  readonly path: string
  readonly #bucket: Bucket
  readonly #upload: Upload
  readonly #partBytes: number
  readonly #parts: Promise<Part>[] = []
  /** Not settled yet. */
  readonly #inFlight = new Set<Promise<unknown>>()
  #part: Uint8Array
  #filled = 0
  #leftBytes: number

  constructor(
    bucket: Bucket,
    upload: Upload,
    { path, sizeBytes, partBytes }: FileOptions & { readonly partBytes: number },
  ) {
    this.path = path
    this.#bucket = bucket
    this.#upload = upload
    this.#partBytes = Math.max(partBytes, PART_BYTES_MIN)
    this.#leftBytes = sizeBytes
    this.#part = this.#nextPart()
  }

  /** @param at  is the end of what was written before: parts go in order. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      const room = this.#part.byteLength - this.#filled
      const piece = bytes.subarray(done, done + room)
      this.#part.set(piece, this.#filled)
      this.#filled += piece.byteLength
      done += piece.byteLength
      if (this.#filled === this.#part.byteLength) this.#send()
    }
    // SB1. `bytes` has been copied: the wait is for the parts alone.
    while (this.#inFlight.size >= PARTS_IN_FLIGHT) {
      await told(Promise.race(this.#inFlight), this.path)
    }
  }

  async close(isWhole: boolean): Promise<void> {
    const parts = await Promise.allSettled(this.#parts)
    if (!isWhole) return told(this.#bucket.abortUpload(this.#upload), this.path)
    const sent = parts.filter((part) => part.status === 'fulfilled').map(({ value }) => value)
    const failed = parts.find((part) => part.status === 'rejected')
    try {
      if (failed !== undefined) throw failed.reason
      await this.#bucket.completeUpload(this.#upload, sent)
    } catch (error) {
      await told(this.#bucket.abortUpload(this.#upload), this.path)
      throw translate(error, this.path)
    }
  }

  #send(): void {
    const sending = this.#bucket.putPart(this.#upload, this.#parts.length + 1, this.#part)
    this.#parts.push(sending)
    const settled = sending.finally(() => this.#inFlight.delete(settled))
    this.#inFlight.add(settled)
    settled.catch(() => undefined) // heard by write or close
    this.#part = this.#nextPart()
    this.#filled = 0
  }

  #nextPart(): Uint8Array {
    const sizeBytes = Math.min(this.#partBytes, this.#leftBytes)
    this.#leftBytes -= sizeBytes
    return new Uint8Array(sizeBytes)
  }
}

/** Reads a range from its start to its end, a few pieces ahead of its reader. */
class RangeReader implements SpillReader {
  readonly #bucket: Bucket
  readonly #key: string
  readonly #range: SpillRange
  readonly #ahead: Promise<Uint8Array | undefined>[] = []
  /** Asked for up to here, from the start of the file. */
  #askedTo: number

  constructor(bucket: Bucket, key: string, range: SpillRange) {
    this.#bucket = bucket
    this.#key = key
    this.#range = range
    this.#askedTo = range.offset
  }

  async read(into: Uint8Array): Promise<number> {
    this.#ask()
    const next = this.#ahead.shift()
    if (next === undefined) return 0
    const piece = await told(next, this.#range.path)
    if (piece === undefined) throw corrupted(this.#range, { code: 'NoSuchKey' })
    into.set(piece)
    // A short piece is the end: what lies behind it is not there either.
    if (piece.byteLength < into.byteLength) this.#forget()
    return piece.byteLength
  }

  async close(): Promise<void> {
    this.#forget()
  }

  #ask(): void {
    const end = this.#range.offset + this.#range.sizeBytes
    while (this.#ahead.length <= PIECES_AHEAD && this.#askedTo < end) {
      const sizeBytes = Math.min(SPILL_PIECE_BYTES, end - this.#askedTo)
      const piece = this.#bucket.getRange(this.#key, this.#askedTo, sizeBytes)
      piece.catch(() => undefined) // heard when its turn comes, or nobody wants it any more
      this.#ahead.push(piece)
      this.#askedTo += sizeBytes
    }
  }

  #forget(): void {
    this.#ahead.length = 0
    this.#askedTo = Infinity
  }
}

/**
 * Deletes what a node that is gone has left in the bucket, whole or half uploaded. It is repeated
 * until nothing is found, as a listing has a page at most.
 * @param owner  as given to BucketSpill.
 */
export async function sweepSpill(bucket: Bucket, owner: string): Promise<void> {
  const prefix = prefixOf(owner)
  for (;;) {
    const uploads = await bucket.listUploads(prefix)
    const objects = await bucket.list(prefix, { limit: SWEEP_PAGE })
    if (uploads.length + objects.length === 0) return
    await allOf(uploads.map((upload) => bucket.abortUpload(upload)))
    await allOf(objects.map(({ key }) => bucket.delete(key)))
  }
}

const prefixOf = (owner: string): string => `spill/${owner}/`

async function told<T>(call: Promise<T>, path: string): Promise<T> {
  try {
    return await call
  } catch (error) {
    throw translate(error, path)
  }
}

/** What a bucket refuses or cannot do may pass, as with a disk; a bug stays what it is. */
function translate(error: unknown, path: string): unknown {
  if (!(error instanceof VirgaError)) return error
  return spillFailed(`${path} cannot be used: ${error.message}`, 'bucket', error)
}
