// Lineage: how lost objects are made again. Owners stream their task specs to their raylet, which
// writes one segment a second, or a MiB, off every critical path; a spec whose refs are gone before
// that costs nothing. A ref that leaves its owner names its segment, so that it is found by one
// key. A segment above 8 KiB is one object of S3, which the storage sees to.
// Invariants:
//   LI1. A segment is written until the GCS has it, the next one after it: `committed` settles in
//       the order of the segments. One that the GCS refuses, for a reason that stays, fails those
//       who wait for it.
//   LI2. A repeated write is the same row with the same bytes: specs are facts.
//   LI3. What waits to be written is bounded: owners wait for `room` (fail-static). What is
//       remembered of written specs is a number for each whose ref is held.
// Source: design 2 (step 7) and 8; Lineage Stash (SOSP 2019); Ray lineage_pinning.
import { delay, type Clock, type Timer } from '../common/clock.ts'
import { ObjectNotFoundError, ObjectTooLargeError, StoppedError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import { bytes, count, listOf, shape, text } from '../common/shape.ts'
import {
  SEGMENT_BYTES_MAX,
  SPEC_BYTES_MAX,
  findSpec,
  hasSpec,
  packSegment,
  packedBytes,
  type Segment,
  type TaskSpec,
} from './lineage-segment.ts'
import { isOutage } from './attempts.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { AppendedRow, RowKey, Storage } from './storage.ts'
import { segmentPartition } from './tables.ts'

export const COMMIT_EVERY_MS = 1_000
/** With `durable: true`, where `get` waits for it. */
export const DURABLE_COMMIT_MS = 20
const PENDING_BYTES_MAX = 64 * 1024 * 1024
const RETRY_MS = 1_000
const SEGMENTS_PER_PAGE = 16
const KEPT_MS = 7 * 24 * 3_600_000

export interface LineageWriterDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
}

export interface LineageWriterOptions {
  readonly nodeId: string
  readonly epoch: number
}

/** Where a committed spec is found. */
export interface SpecPlace {
  readonly nodeId: string
  readonly epoch: number
  readonly segment: number
}

const SEGMENT: FieldsOf<Segment> = {
  index: listOf(shape({ owner: text, runs: listOf(count) })),
  packed: bytes,
}

interface Waiter {
  /** Dropped or not, the spec is written for it. */
  readonly needsIt: boolean
  readonly resolve: (place: SpecPlace | undefined) => void
  readonly reject: (error: Error) => void
}

/** A spec that the GCS does not have yet. */
interface Entry {
  readonly spec: TaskSpec
  readonly waiters: Waiter[]
  /** Nobody holds a ref of it any more. */
  isDropped: boolean
}

export class LineageWriter {
  readonly #deps: LineageWriterDeps
  readonly #options: LineageWriterOptions
  /** Not yet in a segment, by owner and sequence. */
  readonly #pending = new Map<string, Entry>()
  #pendingBytes = 0
  /** In the segment that is being written; empty while none is. */
  #writing = new Map<string, Entry>()
  #writingBytes = 0
  /** The segments of the specs that are written and not dropped. */
  readonly #written = new Map<string, number>()
  #timer: Timer | undefined
  #timerAtMs = Infinity
  /** When the oldest of what is pending must be written. */
  #dueAtMs = Infinity
  /** Those who wait for LI3. */
  readonly #forRoom: (() => void)[] = []
  #next = 0
  #stopped = false

  constructor(deps: LineageWriterDeps, options: LineageWriterOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** LI3. False: take nothing more from owners until `room` resolves. */
  get hasRoom(): boolean {
    return this.#pendingBytes + this.#writingBytes < PENDING_BYTES_MAX
  }

  /** Resolves once there is room; also when it stops. */
  async room(): Promise<void> {
    while (!this.hasRoom && !this.#stopped) {
      await new Promise<void>((resolve) => this.#forRoom.push(resolve))
    }
  }

  /**
   * A spec that is known already changes nothing.
   * @param withinMs  how long it may wait for others. Default: COMMIT_EVERY_MS.
   * @throws ObjectTooLargeError above SPEC_BYTES_MAX: that task cannot be made again.
   */
  add(spec: TaskSpec, withinMs = COMMIT_EVERY_MS): void {
    const { owner, sequence } = spec
    const size = packedBytes(spec)
    if (size > SPEC_BYTES_MAX) {
      const message = `the lineage of task ${String(sequence)} of ${owner} has ${String(size)} bytes`
      throw new ObjectTooLargeError(`${message}: pass large arguments as refs, made by put()`, {
        data: { sizeBytes: size, maxBytes: SPEC_BYTES_MAX },
      })
    }
    const key = keyOf(owner, sequence)
    if (this.#entry(key) !== undefined || this.#written.has(key)) return
    this.#pending.set(key, { spec, waiters: [], isDropped: false })
    this.#pendingBytes += size
    this.#schedule(withinMs)
  }

  /** Nobody holds a ref of that task any more: it need not be written, and is forgotten here. */
  drop(owner: string, sequence: number): void {
    const key = keyOf(owner, sequence)
    this.#written.delete(key)
    const entry = this.#entry(key)
    if (entry === undefined) return
    entry.isDropped = true
    if (entry.waiters.some(({ needsIt }) => needsIt) || !this.#pending.delete(key)) return
    this.#pendingBytes -= packedBytes(entry.spec)
    for (const { resolve } of entry.waiters) resolve(undefined)
  }

  /** Nobody will ask where specs of that owner are any more. */
  forgetOwner(owner: string): void {
    const own = `${owner}#`
    for (const key of this.#written.keys()) if (key.startsWith(own)) this.#written.delete(key)
  }

  /** The segment of a spec that is written and not dropped. */
  placeOf(owner: string, sequence: number): SpecPlace | undefined {
    const segment = this.#written.get(keyOf(owner, sequence))
    return segment === undefined ? undefined : this.#placeOf(segment)
  }

  /**
   * Where an added spec is found, once the GCS has it: before a ref that needs it leaves, or before
   * a durable result is told. At once when it is written already.
   * @throws ObjectNotFoundError for a spec that was never added, or has been dropped; StoppedError;
   *   or why the GCS refuses its segment.
   */
  async committed(owner: string, sequence: number): Promise<SpecPlace> {
    const place = await this.#wait(owner, sequence, true)
    if (place === undefined) throw new Error('a spec that was needed has been dropped')
    return place
  }

  /** As `committed`, for who does not need it: undefined when it is dropped before. */
  settled(owner: string, sequence: number): Promise<SpecPlace | undefined> {
    return this.#wait(owner, sequence, false)
  }

  #wait(owner: string, sequence: number, needsIt: boolean): Promise<SpecPlace | undefined> {
    const key = keyOf(owner, sequence)
    const segment = this.#written.get(key)
    if (segment !== undefined) return Promise.resolve(this.#placeOf(segment))
    if (this.#stopped) return Promise.reject(stopped())
    const entry = this.#entry(key)
    if (entry === undefined) {
      const message = `there is no lineage of task ${String(sequence)} of ${owner}: it was never`
      return Promise.reject(new ObjectNotFoundError(`${message} added, or has been dropped`))
    }
    return new Promise((resolve, reject) => entry.waiters.push({ needsIt, resolve, reject }))
  }

  /** Who waits is told that it was not committed. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#timer?.cancel()
    const error = stopped()
    for (const { waiters } of [...this.#writing.values(), ...this.#pending.values()]) {
      for (const { reject } of waiters.splice(0)) reject(error)
    }
    this.#tellRoom()
  }

  #tellRoom(): void {
    for (const resolve of this.#forRoom.splice(0)) resolve()
  }

  #entry(key: string): Entry | undefined {
    return this.#pending.get(key) ?? this.#writing.get(key)
  }

  /** @param withinMs  for what was added last; a timer that runs is made shorter, never longer. */
  #schedule(withinMs = COMMIT_EVERY_MS): void {
    if (this.#pending.size > 0) {
      this.#dueAtMs = Math.min(this.#dueAtMs, this.#deps.clock.monotonicMs() + withinMs)
    }
    if (this.#stopped || this.#writing.size > 0 || this.#pending.size === 0) return
    const isFull = this.#pendingBytes >= SEGMENT_BYTES_MAX
    const waitMs = isFull ? 0 : Math.max(0, this.#dueAtMs - this.#deps.clock.monotonicMs())
    if (this.#timer !== undefined && this.#timerAtMs <= this.#dueAtMs && !isFull) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (isFull) {
      void this.#write()
      return
    }
    this.#timerAtMs = this.#dueAtMs
    this.#timer = this.#deps.clock.after(waitMs, () => {
      this.#timer = undefined
      void this.#write()
    })
  }

  /** LI1. */
  async #write(): Promise<void> {
    this.#dueAtMs = Infinity
    this.#fillSegment()
    if (this.#writing.size === 0) return
    const segment = this.#next++
    const specs = [...this.#writing.values()].map(({ spec }) => spec)
    const row = { key: segmentKey(this.#placeOf(segment)), value: { ...packSegment(specs) } }
    let outcome = await this.#tryWrite(row)
    while (outcome === 'AWAY') {
      await delay(this.#deps.clock, RETRY_MS)
      if (this.#stopped) return
      outcome = await this.#tryWrite(row)
    }
    this.#settle(segment, outcome)
    this.#writing = new Map()
    this.#writingBytes = 0
    this.#tellRoom()
    this.#schedule()
  }

  /** The oldest specs, until they fill a segment. */
  #fillSegment(): void {
    for (const [key, entry] of this.#pending) {
      if (this.#writingBytes >= SEGMENT_BYTES_MAX) return
      const size = packedBytes(entry.spec)
      this.#pending.delete(key)
      this.#pendingBytes -= size
      this.#writing.set(key, entry)
      this.#writingBytes += size
    }
  }

  #settle(segment: number, outcome: 'WRITTEN' | Error): void {
    for (const [key, { waiters, isDropped }] of this.#writing) {
      if (outcome === 'WRITTEN' && !isDropped) this.#written.set(key, segment)
      for (const { resolve, reject } of waiters) {
        if (outcome === 'WRITTEN') resolve(this.#placeOf(segment))
        else reject(outcome)
      }
    }
  }

  /** @returns the error when repeating it cannot help. */
  async #tryWrite(row: Omit<AppendedRow, 'expiresAtMs'>): Promise<'WRITTEN' | 'AWAY' | Error> {
    const { storage, clock, log } = this.#deps
    try {
      await storage.append([{ ...row, expiresAtMs: clock.nowMs() + KEPT_MS }])
      return 'WRITTEN'
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown))
      const fields = { segment: row.key.sk, error: String(error) }
      if (isOutage(error)) {
        log.info('a lineage segment waits for the GCS', fields)
        return 'AWAY'
      }
      log.error('a lineage segment was refused: its tasks cannot be made again', fields)
      return error
    }
  }

  #placeOf(segment: number): SpecPlace {
    const { nodeId, epoch } = this.#options
    return { nodeId, epoch, segment }
  }
}

const stopped = (): StoppedError =>
  new StoppedError('the node stops: its lineage is written no more')

/**
 * The spec of a task, by one read of its segment.
 * @returns undefined when it was never committed, or has been dropped by age.
 * @throws ObjectCorruptedError when the bytes are not those that were written.
 */
export async function readSpec(
  storage: Storage,
  place: SpecPlace,
  { owner, sequence }: Pick<TaskSpec, 'owner' | 'sequence'>,
): Promise<Uint8Array | undefined> {
  const row = await storage.get(segmentKey(place))
  if (row === undefined) return undefined
  return findSpec(readRow(row, SEGMENT), owner, sequence)
}

/**
 * Which segment of a raylet that is gone has a spec, where the ref does not say: all are looked
 * through, page by page.
 */
export async function findSegmentOf(
  storage: Storage,
  {
    nodeId,
    epoch,
    owner,
    sequence,
  }: Omit<SpecPlace, 'segment'> & Pick<TaskSpec, 'owner' | 'sequence'>,
): Promise<number | undefined> {
  const pk = segmentPartition(nodeId, epoch)
  let after: string | undefined
  for (;;) {
    const page = { limit: SEGMENTS_PER_PAGE, ...(after === undefined ? {} : { after }) }
    const rows = await storage.query('lineage', pk, page)
    const found = rows.find((row) => hasSpec(readRow(row, SEGMENT), owner, sequence))
    if (found !== undefined) return Number(found.key.sk)
    after = rows.at(-1)?.key.sk
    if (after === undefined || rows.length < SEGMENTS_PER_PAGE) return undefined
  }
}

const segmentKey = ({ nodeId, epoch, segment }: SpecPlace): RowKey => ({
  table: 'lineage',
  pk: segmentPartition(nodeId, epoch),
  sk: String(segment).padStart(12, '0'),
})

const keyOf = (owner: string, sequence: number): string => `${owner}#${String(sequence)}`
