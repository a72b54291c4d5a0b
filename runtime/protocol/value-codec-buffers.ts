// The binary memory of a value, kept out of its head: which ranges of which ArrayBuffers travel
// (encoder), and as what memory they arrive (decoder).
// Invariants:
//   VB1. All views on one ArrayBuffer share one entry, which covers all of their ranges; offsets in
//       the head count from the start of the original ArrayBuffer.
//   VB2. The start of an entry is a multiple of the largest element viewed, so that a view that was
//       aligned stays so.
//   VB3. Memory is shared with the blob only on request, for views of VIEW_BYTES_MIN and more, when
//       no ArrayBuffer value and no Buffer needs memory of its own.
// Source: design section 5 (arrays out of band, read in place; Buffers copied).
import { DecodeError } from './byte-reader.ts'
import { EncodeFailure } from './value-codec-refusal.ts'

/** Buffers start at multiples of this from the start of the blob: a cache line. */
export const BUFFER_ALIGN_BYTES = 64
/** Smaller views are copied even where they could be mapped: a copy is cheaper than a pin. */
export const VIEW_BYTES_MIN = 64 * 1024

/** The ArrayBuffer itself is in the value, so that it must arrive as one. */
const ENTRY_WHOLE = 1
/** A Buffer looks at it: native code and subtle.digest refuse Buffers over shared memory. */
const ENTRY_NODE_BUFFER = 2
const ENTRY_RESIZABLE = 4
const ENTRY_FLAGS = 7
const WIDEST_ELEMENT_BYTES = 8

/** Whether values may share memory with their blob. A function: not with this memory, which may be
 *  read only while the value is decoded, but with what it gives, the same bytes. */
export type MayView = boolean | (() => Uint8Array)

export const keepable = (blob: Uint8Array, mayView: MayView): Uint8Array =>
  typeof mayView === 'function' ? mayView() : blob

/** A range of bytes within an ArrayBuffer. */
export interface ViewRange {
  readonly byteOffset: number
  readonly byteLength: number
  readonly elementBytes: number
  readonly isNodeBuffer: boolean
}

/** One ArrayBuffer on its way out; `from` and `to` grow as more views of it are met. */
export class BufferEntry {
  readonly buffer: ArrayBufferLike
  /** -1 when it cannot be resized. */
  readonly maxByteLength: number
  flags = 0
  #from: number
  #to: number
  #elementBytes = 1

  constructor(buffer: ArrayBufferLike, range: ViewRange) {
    this.buffer = buffer
    this.maxByteLength = isResizable(buffer) ? buffer.maxByteLength : -1
    this.#from = range.byteOffset
    this.#to = range.byteOffset
    if (this.maxByteLength >= 0) this.flags = ENTRY_RESIZABLE
    this.cover(range)
    if (this.maxByteLength >= 0) this.coverAll(0)
  }

  get start(): number {
    return this.#from - (this.#from % this.#elementBytes)
  }

  get byteLength(): number {
    return this.#to - this.start
  }

  cover(range: ViewRange): void {
    this.#from = Math.min(this.#from, range.byteOffset)
    this.#to = Math.max(this.#to, range.byteOffset + range.byteLength)
    this.#elementBytes = Math.max(this.#elementBytes, range.elementBytes)
    if (range.isNodeBuffer) this.flags |= ENTRY_NODE_BUFFER
  }

  coverAll(flags = ENTRY_WHOLE): void {
    this.#from = 0
    this.#to = this.buffer.byteLength
    this.flags |= flags
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.buffer, this.start, this.byteLength)
  }
}

/** The ArrayBuffers of one value, in the order met. */
export class BufferTable {
  entries: BufferEntry[] = []
  readonly #byBuffer = new Map<ArrayBufferLike, BufferEntry>()

  /** @returns the index of a new entry that later views of the same buffer will share. */
  add(buffer: ArrayBufferLike, range: ViewRange): number {
    const index = this.addAlone(buffer, range)
    const entry = this.entries[index]
    if (entry !== undefined) this.#byBuffer.set(buffer, entry)
    return index
  }

  /** @returns the index of an entry of its own, for slices of the pool behind small Buffers. */
  addAlone(buffer: ArrayBufferLike, range: ViewRange): number {
    return this.entries.push(new BufferEntry(buffer, range)) - 1
  }

  /** The entry of a buffer, or undefined when it is written inline or was not met. */
  find(buffer: object): BufferEntry | undefined {
    return this.#byBuffer.get(buffer as ArrayBufferLike)
  }

  /** Hand out the entries and start anew. */
  take(): readonly BufferEntry[] {
    const { entries } = this
    if (entries.length > 0) this.clear()
    return entries
  }

  clear(): void {
    this.entries = []
    this.#byBuffer.clear()
  }
}

/** One entry as it stands in a blob; `offset` is where its bytes start, from the blob's start. */
export interface StoredBuffer {
  readonly flags: number
  readonly start: number
  readonly byteLength: number
  readonly maxByteLength: number
  readonly offset: number
}

/** Memory that arrived: byte `offset` of `buffer` is byte `start` of the original ArrayBuffer. */
export class Span {
  readonly buffer: ArrayBufferLike
  readonly offset: number
  readonly start: number
  readonly byteLength: number
  readonly #isWhole: boolean

  constructor(buffer: ArrayBufferLike, offset: number, stored?: StoredBuffer) {
    this.buffer = buffer
    this.offset = offset
    this.start = stored?.start ?? 0
    this.byteLength = stored?.byteLength ?? buffer.byteLength
    this.#isWhole = stored === undefined || (stored.flags & ENTRY_WHOLE) !== 0
  }

  /** The memory as a value of its own. @throws DecodeError when only views of it were sent. */
  whole(): ArrayBufferLike {
    if (this.#isWhole) return this.buffer
    throw new DecodeError('an ArrayBuffer was asked for of which only parts were sent')
  }

  /**
   * Where a view starts in `buffer`, after checking that it lies inside and is aligned.
   * @param byteOffset  from the start of the original ArrayBuffer.
   */
  locate(byteOffset: number, byteLength: number, elementBytes: number): number {
    const inside = byteOffset - this.start
    if (inside < 0 || byteLength > this.byteLength - inside || inside % elementBytes !== 0) {
      throw new DecodeError(
        `a view of ${byteLength} bytes at ${inside} does not fit in ${this.byteLength} bytes`,
      )
    }
    return this.offset + inside
  }
}

/** The memory of one blob, made when first asked for. */
export class SpanTable {
  readonly #blob: Uint8Array
  readonly #stored: readonly StoredBuffer[]
  readonly #spans: (Span | undefined)[] = []
  readonly #mayView: MayView

  constructor(blob: Uint8Array, stored: readonly StoredBuffer[], mayView: MayView) {
    this.#blob = blob
    this.#stored = stored
    this.#mayView = mayView
  }

  get(index: number): Span {
    const stored = this.#stored[index]
    if (stored === undefined) throw new DecodeError(`no buffer ${index} is in the blob`)
    return (this.#spans[index] ??= this.#make(stored))
  }

  #make(stored: StoredBuffer): Span {
    const isCopied = stored.byteLength < VIEW_BYTES_MIN || stored.flags !== 0
    const blob = isCopied ? this.#blob : keepable(this.#blob, this.#mayView)
    const needsOwn = isCopied || blob.byteOffset % WIDEST_ELEMENT_BYTES !== 0
    if (this.#mayView !== false && !needsOwn) {
      return new Span(blob.buffer, blob.byteOffset + stored.offset, stored)
    }
    const source = blob.subarray(stored.offset, stored.offset + stored.byteLength)
    if ((stored.flags & ENTRY_RESIZABLE) === 0) return new Span(copyOf(source), 0, stored)
    const buffer = resizable(stored)
    new Uint8Array(buffer).set(source)
    return new Span(buffer, 0, stored)
  }
}

/** The bytes in an ArrayBuffer of exactly their length, which is not zeroed first. */
export function copyOf(source: Uint8Array): ArrayBuffer {
  const copy = Buffer.allocUnsafeSlow(source.length)
  copy.set(source)
  return copy.buffer
}

/** What the entries say about flags, as far as a decoder accepts it. */
export function checkEntryFlags(flags: number): boolean {
  if (flags > ENTRY_FLAGS) throw new DecodeError(`unknown flags ${flags} of a buffer`)
  return (flags & ENTRY_RESIZABLE) !== 0
}

/** @throws EncodeFailure for memory that was transferred away. */
export function checkAttached(buffer: ArrayBufferLike): void {
  if ('detached' in buffer && buffer.detached) {
    throw new EncodeFailure(
      'its ArrayBuffer is detached',
      'It was transferred (postMessage, transfer()): send it before, or send the new owner.',
    )
  }
}

export function isResizable(buffer: ArrayBufferLike): buffer is ArrayBuffer {
  return 'resizable' in buffer && buffer.resizable
}

function resizable(stored: StoredBuffer): ArrayBuffer {
  try {
    return new ArrayBuffer(stored.byteLength, { maxByteLength: stored.maxByteLength })
  } catch (error) {
    throw new DecodeError(`no memory for ${stored.maxByteLength} bytes`, { cause: error })
  }
}
