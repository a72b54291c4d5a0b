// The value codec: every value of the SDK as one self-contained blob, and back.
// Structure is MessagePack (value-codec-encoder, -decoder); what MessagePack lacks is an extension
// type (value-codec-plain, -error, -binary, -numbers); large memory lies beside it, aligned, to be
// copied once or read in place (value-codec-layout, -buffers).
// Invariants:
//   V1. A value is encoded at the call: what is handed over later (EncodedValue.writeTo) are only
//       the bytes of its large buffers, which must be written before the caller's code runs again.
//   V2. encodeInto appends a whole blob or, on any error, nothing.
//   V3. decode never trusts a blob: see value-codec-decoder.
// Source: design section 5; MessagePack specification.
import type { KnowsIntegers } from '../common/integer-arrays.ts'
import { INLINE_BYTES_MAX } from '../common/limits.ts'
import { DecodeLimitError } from './byte-reader.ts'
import { ByteLimitError, ByteWriter } from './byte-writer.ts'
import type { BufferEntry, MayView } from './value-codec-buffers.ts'
import { checkType, ClassTable } from './value-codec-classes.ts'
import type { AnyClass, HandleCodec, RegisteredType, TypeCodec } from './value-codec-classes.ts'
import { Decoder } from './value-codec-decoder.ts'
import { Encoder } from './value-codec-encoder.ts'
import type { EncodedTables } from './value-codec-encoder.ts'
import {
  FLAG_ERROR,
  FLAG_REFERENCES,
  alignBuffer,
  blobBytes,
  tooLarge,
  writeFront,
} from './value-codec-layout.ts'
import { LASTING_BYTES_MIN, LASTING_MAKERS } from './value-codec-lasting.ts'
import { serializationError } from './value-codec-refusal.ts'
import { writeNumber, writeText } from './value-codec-scalars.ts'

export type { AnyClass, HandleCodec, TypeCodec } from './value-codec-classes.ts'
export { portableError } from './value-codec-error.ts'
export { FLAG_ERROR, handlesOf } from './value-codec-layout.ts'

// An own buffer that grew beyond this is not kept for the next value.
const KEPT_BYTES_MAX = 1024 * 1024
const NUMBER_BLOB_BYTES_MAX = 10
const SHORT_TEXT_CHARS_MAX = 1024
/** Flags, kind and length of a text. */
const SHORT_TEXT_FRONT_BYTES = 16
const FRONT_BYTES = 128
const NO_BYTES = new Uint8Array(0)

/** A value ready to be written, its small parts copied, its large buffers still the user's. */
export class EncodedValue {
  /** How many bytes writeTo writes. */
  readonly sizeBytes: number
  /** The handles in the value, in the order of handlesOf. */
  readonly handles: readonly object[]
  readonly #front: Uint8Array
  readonly #head: Uint8Array
  readonly #buffers: readonly BufferEntry[]

  constructor(front: Uint8Array, head: Uint8Array, tables: EncodedTables) {
    this.#front = front
    this.#head = head
    this.#buffers = tables.buffers
    this.handles = tables.handles
    this.sizeBytes = blobBytes(front.length + head.length, tables.buffers)
  }

  /** The blob, for the caller to keep. A value without tables is one piece already. */
  toBytes(): Uint8Array {
    if (this.#front.length + this.#buffers.length === 0) return this.#head
    const blob = Buffer.allocUnsafe(this.sizeBytes)
    this.writeTo(blob)
    return blob
  }

  /**
   * Write the blob to the start of `target`, every byte of it, each large buffer copied once.
   * May be repeated. See V1 for until when.
   * @param copy  how large buffers get there, when something is faster than `target.set(source)`.
   * @throws RangeError when target has less than sizeBytes.
   */
  writeTo(target: Uint8Array, copy = set): void {
    if (target.length < this.sizeBytes) {
      throw new RangeError(`${this.sizeBytes} bytes do not fit into ${target.length}`)
    }
    target.set(this.#front)
    target.set(this.#head, this.#front.length)
    let end = this.#front.length + this.#head.length
    for (const entry of this.#buffers) {
      const start = alignBuffer(end)
      target.fill(0, end, start)
      copy(target.subarray(start), entry.bytes())
      end = start + entry.byteLength
    }
  }
}

/** Copies bytes to the start of `target`. */
export type Copy = (target: Uint8Array, source: Uint8Array) => void

const set: Copy = (target, source) => {
  target.set(source)
}

/** What encodeInto did beside appending. */
export interface EncodeOutcome {
  /** The handles in the value, in the order of handlesOf. */
  readonly handles: readonly object[]
  /** Set when the blob was larger than allowed: then nothing was appended. */
  readonly oversize: EncodedValue | undefined
}

const APPENDED: EncodeOutcome = { handles: [], oversize: undefined }

/** How decode may use the memory of the blob. */
export interface DecodeOptions {
  /** Whether arrays of 64 KiB and more may be views of the blob's memory (false). */
  readonly view?: MayView
  /** Copy all the same (false). */
  readonly copy?: boolean
  /** What the handles stand for, in their order, where the process knows; ignored where their
   *  number differs. */
  readonly known?: readonly object[] | undefined
  /** What is decoded with this one and lives as long as it. Default: nothing. */
  readonly beside?: Beside
}

/** Values that live at once, as they are decoded one by one. */
export interface Beside {
  /** Of those so far, without the memory of their arrays. */
  sizeBytes: number
  /** Whether `expectLasting` said yes. */
  isLasting: boolean
}

export interface ValueCodecOptions {
  /** Finalization.tenure, where there is a collector to tell. */
  readonly tenure?: ((makers: readonly ((count: number) => object)[]) => void) | undefined
  readonly knowsIntegers?: KnowsIntegers | undefined
}

export class ValueCodec {
  readonly #classes: ClassTable
  readonly #tenure: ValueCodecOptions['tenure']
  readonly #knowsIntegers: KnowsIntegers | undefined
  /** Of lasting values, since the collector was told: it forgets when it finds much garbage. */
  #untoldBytes = 0
  // Set aside while in use: a getter or a registered class may encode or decode meanwhile.
  #own: ByteWriter | undefined
  #encoder: Encoder | undefined
  #decoder: Decoder | undefined

  /** @param handles  the kinds of handles that travel in values, each with a tag of its own. */
  constructor(handles: readonly HandleCodec[] = [], options: ValueCodecOptions = {}) {
    this.#classes = new ClassTable(handles)
    this.#tenure = options.tenure
    this.#knowsIntegers = options.knowsIntegers
  }

  /**
   * Called before many values are decoded that will live at once, as many as make up this size.
   * @returns whether to say so when they are decoded: their arrays are then made where they stay.
   */
  expectLasting(sizeBytes: number): boolean {
    if (sizeBytes < LASTING_BYTES_MIN || this.#tenure === undefined) return false
    this.#tell()
    return true
  }

  #tellAgain(sizeBytes: number): void {
    this.#untoldBytes += sizeBytes
    if (this.#untoldBytes >= LASTING_BYTES_MIN) this.#tell()
  }

  #tell(): void {
    this.#untoldBytes = 0
    this.#tenure?.(LASTING_MAKERS)
  }

  /**
   * Let direct instances of a class travel. Call it in every process, in a module that both
   * sides import. May be repeated for the same class and name.
   * @throws UsageError for what is no class or no codec, and when the name or the class is
   *   registered otherwise, or is built in.
   */
  registerType<T extends object, E>(Class: AnyClass<T>, codec: TypeCodec<T, E>): void {
    checkType(Class, codec)
    const type: RegisteredType = {
      name: codec.name,
      prototype: Class.prototype as object,
      encode: (instance) => codec.encode(instance as T),
      decode: (encoded) => codec.decode(encoded as E),
    }
    this.#classes.register(type)
  }

  /**
   * Encode a value for a place that is still to be found, by its size.
   * @param path  what the value is called in errors: `args[1]`.
   * @throws SerializationError with `data.path`, ObjectTooLargeError beyond OBJECT_BYTES_MAX.
   */
  encode(value: unknown, path: string): EncodedValue {
    const writer = this.#own ?? new ByteWriter()
    this.#own = undefined
    try {
      return this.#detach(writer, 0, this.#encodeHead(writer, value, path))
    } finally {
      writer.reset()
      if (writer.buffer.length <= KEPT_BYTES_MAX) this.#own = writer
    }
  }

  /**
   * Append the blob of a value to a slab.
   * @param path      what the value is called in errors: `args[1]`.
   * @param bytesMax  a larger blob is not appended but given back, to be stored elsewhere.
   * @throws SerializationError, ObjectTooLargeError; nothing was appended then.
   */
  encodeInto(
    writer: ByteWriter,
    value: unknown,
    path: string,
    bytesMax = Number.POSITIVE_INFINITY,
  ): EncodeOutcome {
    const start = writer.position
    // The values that tasks take and return most often need no encoder.
    if (typeof value === 'number' && start + NUMBER_BLOB_BYTES_MAX <= writer.bytesMax) {
      writer.u8(0)
      writeNumber(writer, value)
      return APPENDED
    }
    if (typeof value === 'string' && value.length <= SHORT_TEXT_CHARS_MAX) {
      const mostBytes = SHORT_TEXT_FRONT_BYTES + 3 * value.length
      if (mostBytes <= Math.min(bytesMax, writer.bytesMax - start)) {
        writer.u8(0)
        writeText(writer, value)
        return APPENDED
      }
    }
    const tables = this.#encodeHead(writer, value, path)
    const hasTables = tables.buffers.length + tables.handles.length > 0
    if (!hasTables && writer.position - start <= bytesMax) return APPENDED
    try {
      const detached = this.#detach(writer, start, tables)
      writer.position = start
      if (detached.sizeBytes > bytesMax) return { handles: detached.handles, oversize: detached }
      const at = writer.reserve(detached.sizeBytes)
      detached.writeTo(writer.buffer.subarray(at, writer.position))
      return { handles: detached.handles, oversize: undefined }
    } catch (error) {
      writer.position = start
      throw encodeError(error, path)
    }
  }

  /**
   * The value of a blob.
   * @param blob  from its first byte to its last. With `view` it must not change any more.
   * @throws DecodeError when it is no blob, SerializationError when it has an instance of a class
   *   that is not registered here, and what the decode of a HandleCodec throws.
   */
  decode(blob: Uint8Array, options?: DecodeOptions): unknown {
    return this.#decode((decoder) => {
      const mayView = options?.copy !== true && (options?.view ?? false)
      const headBytes = decoder.begin(blob, mayView, options?.known)
      decoder.isLasting = this.#lasts(headBytes, options?.beside)
      return decoder.whole()
    })
  }

  #lasts(sizeBytes: number, beside: DecodeOptions['beside']): boolean {
    if (beside === undefined) return this.expectLasting(sizeBytes)
    beside.sizeBytes += sizeBytes
    if (beside.isLasting) this.#tellAgain(sizeBytes)
    else beside.isLasting = this.expectLasting(beside.sizeBytes)
    return beside.isLasting
  }

  #decode(run: (decoder: Decoder) => unknown): unknown {
    const decoder = this.#decoder ?? new Decoder(this.#classes)
    this.#decoder = undefined
    try {
      return run(decoder)
    } catch (error) {
      throw decodeError(error)
    } finally {
      decoder.clear()
      this.#decoder = decoder
    }
  }

  /** The value of the blob in bytes[start] to bytes[end - 1], without a view of a small one. */
  decodeRange(bytes: Uint8Array, start: number, end: number, isLasting = false): unknown {
    const isSimple = bytes[start] === 0 && end > start
    if (!isSimple) {
      return this.decode(bytes.subarray(start, end), { beside: { sizeBytes: 0, isLasting } })
    }
    if (isLasting) this.#tellAgain(end - start)
    return this.#decode((decoder) => {
      decoder.isLasting = isLasting
      return decoder.decodeSimple(bytes, start + 1, end)
    })
  }

  /** Flags byte and head; the writer is as before on any error. */
  #encodeHead(writer: ByteWriter, value: unknown, path: string): EncodedTables {
    const start = writer.position
    const encoder = this.#encoder ?? new Encoder(this.#classes, writer, this.#knowsIntegers)
    this.#encoder = undefined
    encoder.writer = writer
    try {
      writer.u8(0)
      encoder.value(value)
      const tables = encoder.finish()
      if (tables.hasReferences) writer.buffer[start] = FLAG_REFERENCES
      return tables
    } catch (error) {
      writer.position = start
      throw encodeError(error, path)
    } finally {
      encoder.clear()
      this.#encoder = encoder
    }
  }

  /** What encodeHead left at `start`, with what belongs before it; taken out of the writer. */
  #detach(writer: ByteWriter, start: number, tables: EncodedTables): EncodedValue {
    const { handles, storedHandles, buffers, hasReferences } = tables
    const whole = start === 0 ? takeOut(writer) : copyOut(writer, start)
    if (handles.length + buffers.length === 0) return new EncodedValue(NO_BYTES, whole, tables)
    const front = new ByteWriter({ initialBytes: FRONT_BYTES })
    const flags = hasReferences ? FLAG_REFERENCES : 0
    writeFront(front, storedHandles, buffers, { flags, length: whole.length - 1 })
    return new EncodedValue(front.take(), whole.subarray(1), tables)
  }
}

/** Whether the value of a blob is an error that get() throws. */
export function isErrorBlob(blob: Uint8Array): boolean {
  return ((blob[0] ?? 0) & FLAG_ERROR) !== 0
}

/** Say of a blob that its value is an error that get() throws. */
export function markErrorBlob(blob: Uint8Array): void {
  blob[0] = (blob[0] ?? 0) | FLAG_ERROR
}

/** The engine says RangeError when it has no stack or no memory left for what was sent. */
function decodeError(error: unknown): unknown {
  if (!(error instanceof RangeError)) return error
  return new DecodeLimitError(`the value does not fit: ${error.message}`, { cause: error })
}

/**
 * What is small may be kept for long, by the thousand, and V8 collects for each 64 MB outside of
 * its heap: with buffers that are a third empty it does so more often, which costs more than the
 * copy (D172).
 */
function takeOut(writer: ByteWriter): Buffer {
  return writer.position <= INLINE_BYTES_MAX ? writer.takeCopy() : writer.take()
}

function copyOut(writer: ByteWriter, start: number): Buffer {
  return Buffer.from(writer.buffer.subarray(start, writer.position))
}

function encodeError(error: unknown, path: string): unknown {
  if (error instanceof ByteLimitError) return tooLarge(error.sizeBytes, error.bytesMax)
  return serializationError(error, path)
}
