// Lineage: how lost objects are made again. Owners stream their task specs to their raylet, which
// writes one segment a second, or a MiB, off every critical path; a spec whose refs are gone before
// that costs nothing. A ref that leaves its owner names its segment, so that it is found by one
// key. A segment above 8 KiB is one object of S3, which the storage sees to.
// Invariants:
//   LI1. A segment is written until the GCS has it, the next one after it: `committed` settles in
//       the order of the segments.
//   LI2. A repeated write is the same row with the same bytes: specs are facts.
//   LI3. What waits to be written is bounded; `hasRoom` says when owners must wait (fail-static).
// Source: design 2 (step 7) and 8; Lineage Stash (SOSP 2019); Ray lineage_pinning.
import type { Clock, Timer } from '../common/clock.ts'
import { GcsUnavailableError, GcsWriteUnknownError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import { bytes, count, listOf, shape, text } from '../common/shape.ts'
import {
  SEGMENT_BYTES_MAX,
  findSpec,
  packSegment,
  type Segment,
  type TaskSpec,
} from './lineage-segment.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { AppendedRow, RowKey, Storage } from './storage.ts'
import { segmentPartition } from './tables.ts'

export const COMMIT_EVERY_MS = 1_000
/** With `durable: true`, where `get` waits for it. */
export const DURABLE_COMMIT_MS = 20
const PENDING_BYTES_MAX = 64 * 1024 * 1024
const RETRY_MS = 1_000
const KEPT_MS = 7 * 24 * 3_600_000

export interface LineageWriterDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
}

export interface LineageWriterOptions {
  readonly nodeId: string
  readonly epoch: number
  readonly durable: boolean
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
  readonly resolve: (place: SpecPlace) => void
}

export class LineageWriter {
  readonly #deps: LineageWriterDeps
  readonly #options: LineageWriterOptions
  /** Not yet in a segment, by owner and sequence. */
  #pending = new Map<string, TaskSpec>()
  #pendingBytes = 0
  #writingBytes = 0
  readonly #waiters = new Map<string, Waiter[]>()
  #timer: Timer | undefined
  #writing = false
  #next = 0

  constructor(deps: LineageWriterDeps, options: LineageWriterOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** LI3. False: take nothing more from owners until it is true again. */
  get hasRoom(): boolean {
    return this.#pendingBytes + this.#writingBytes < PENDING_BYTES_MAX
  }

  add(spec: TaskSpec): void {
    const key = keyOf(spec.owner, spec.sequence)
    if (this.#pending.has(key)) return
    this.#pending.set(key, spec)
    this.#pendingBytes += spec.bytes.byteLength
    this.#schedule()
  }

  /** Nobody holds a ref of that task any more: it need not be written. */
  drop(owner: string, sequence: number): void {
    const key = keyOf(owner, sequence)
    const spec = this.#pending.get(key)
    if (spec === undefined || this.#waiters.has(key)) return
    this.#pending.delete(key)
    this.#pendingBytes -= spec.bytes.byteLength
  }

  /**
   * Where an added spec is found, once the GCS has it: before a ref that needs it leaves, or before
   * a durable result is told.
   */
  committed(owner: string, sequence: number): Promise<SpecPlace> {
    const key = keyOf(owner, sequence)
    return new Promise((resolve) => {
      this.#waiters.set(key, [...(this.#waiters.get(key) ?? []), { resolve }])
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #schedule(): void {
    if (this.#writing) return
    if (this.#pendingBytes >= SEGMENT_BYTES_MAX) {
      this.#timer?.cancel()
      this.#timer = undefined
      void this.#write()
      return
    }
    if (this.#timer !== undefined || this.#pending.size === 0) return
    const waitMs = this.#options.durable ? DURABLE_COMMIT_MS : COMMIT_EVERY_MS
    this.#timer = this.#deps.clock.after(waitMs, () => {
      this.#timer = undefined
      void this.#write()
    })
  }

  /** LI1. */
  async #write(): Promise<void> {
    const specs = [...this.#pending.values()]
    if (specs.length === 0) return
    this.#writing = true
    this.#writingBytes = this.#pendingBytes
    this.#pending = new Map()
    this.#pendingBytes = 0
    const place = { ...this.#options, segment: this.#next++ }
    const row = { key: segmentKey(place), value: { ...packSegment(specs) } }
    while (!(await this.#tryWrite({ ...row, expiresAtMs: this.#deps.clock.nowMs() + KEPT_MS }))) {
      await new Promise<void>((resolve) => this.#deps.clock.after(RETRY_MS, resolve))
    }
    const { nodeId, epoch } = place
    for (const { owner, sequence } of specs) {
      const key = keyOf(owner, sequence)
      for (const { resolve } of this.#waiters.get(key) ?? []) {
        resolve({ nodeId, epoch, segment: place.segment })
      }
      this.#waiters.delete(key)
    }
    this.#writingBytes = 0
    this.#writing = false
    this.#schedule()
  }

  async #tryWrite(row: AppendedRow): Promise<boolean> {
    try {
      await this.#deps.storage.append([row])
      return true
    } catch (error) {
      const isAway = error instanceof GcsUnavailableError || error instanceof GcsWriteUnknownError
      if (!isAway) throw error
      this.#deps.log.info('a lineage segment waits for the GCS', { error: error.message })
      return false
    }
  }
}

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

const segmentKey = ({ nodeId, epoch, segment }: SpecPlace): RowKey => ({
  table: 'lineage',
  pk: segmentPartition(nodeId, epoch),
  sk: String(segment).padStart(12, '0'),
})

const keyOf = (owner: string, sequence: number): string => `${owner}#${String(sequence)}`
