// What the encoder, the decoder and the kinds of values between them agree on: the numbers of the
// MessagePack extension types, the limits, and the two narrow interfaces through which a kind
// (value-codec-plain, -binary, -error) writes and reads itself without knowing the engine.
// Invariants:
//   VK1. Every object takes the next index when its encoding starts, before its children; the
//       decoder counts the same way, so that a REFERENCE can name it by index.
//   VK2. Numbers of extension types are wire format: never reused, never changed.
// Source: MessagePack specification (ext types 0 to 127 belong to the application).
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { BufferTable, Span, SpanTable } from './value-codec-buffers.ts'

export const EXT_UNDEFINED = 0
export const EXT_REFERENCE = 1
export const EXT_BIGINT = 2
export const EXT_TEXT16 = 3
export const EXT_DATE = 4
export const EXT_REGEXP = 5
export const EXT_URL = 6
// From here to EXT_REGISTERED: those that hold other values.
export const EXT_MAP = 7
export const EXT_SET = 8
export const EXT_NULL_OBJECT = 9
export const EXT_ERROR = 10
export const EXT_REGISTERED = 11
export const EXT_HANDLE = 12
export const EXT_INLINE_BYTES = 13
export const EXT_BUFFER = 14
export const EXT_VIEW = 15
/** Many items of an array at once: value-codec-numbers. */
export const EXT_NUMBERS = 16
export const EXT_TYPES = 17

/** Values nested deeper than this are refused on both sides (B08): recursion must end. */
export const DEPTH_MAX = 1000
/** V8 holds no dense array beyond this (FixedArray::kMaxLength); longer ones are mostly holes. */
export const ARRAY_ITEMS_MAX = 2 ** 27
/** Largest blob: B20. 256 GiB, the largest arena; heads, which are written at once, have 2 GiB. */
export const OBJECT_BYTES_MAX = 2 ** 38
/** What the resizable buffers of a value may reserve beyond their bytes: nothing backs it. */
export const RESERVED_BYTES_MAX = 2 ** 31

/** What a kind may use while it writes a value. */
export interface ValueSink {
  readonly writer: ByteWriter
  readonly buffers: BufferTable
  /** Write any value; throws an EncodeFailure for what cannot be sent. */
  value(value: unknown): void
  /** Start an extension of unknown length; give what it returns to endExt. */
  beginExt(type: number): number
  endExt(at: number): void
  /** Write these properties of an object, each read once, as a MessagePack map. */
  fields(object: object, keys: readonly string[]): void
  /** The index of an object met before, or -1. */
  find(object: object): number
  /** Give an object the next index. */
  take(object: object): void
  /** Use up an index for an object that nothing can refer to. */
  skipIndex(): void
  /** Write a REFERENCE to the object of that index. */
  reference(index: number): void
}

/** What a kind may use while it reads a value. */
export interface ValueSource {
  readonly reader: ByteReader
  readonly spans: SpanTable
  /** Whether the value has REFERENCEs, so that objects must be kept by index. */
  readonly isKeeping: boolean
  value(): unknown
  /** A value that must be a string. */
  text(): string
  /** Check a number of items against the bytes left, `bytesEach` at least for each. */
  count(items: number, bytesEach: number): number
  /** Take the next index for an object that is made already. */
  keep<T extends object>(object: T): T
  /** Take the next index for an object that is still to be made. */
  reserveIndex(): number
  fill(index: number, object: object): void
  /** The memory that comes next: that of a buffer, or a reference to one met before. */
  span(): Span
}

/** Writes an object that has just taken its index. */
export type WriteKind = (sink: ValueSink, value: object) => void

/** Reads a payload of `length` bytes; the engine checks that it ends where it should. */
export type ReadKind = (source: ValueSource, length: number) => unknown

/** How the direct instances of a class are written, by its prototype. */
export type KindWriter = readonly [prototype: object, write: WriteKind]

/** How an extension type is read. */
export type KindReader = readonly [ext: number, read: ReadKind]

/** Set a property that may be called `__proto__`, without touching the prototype (B11). */
export function defineOwn(target: object, key: string, value: unknown, enumerable = true): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true })
}
