// How a blob is laid out around the MessagePack of a value (its head).
//
//   flags 0     [u8 flags] [head]
//   otherwise   [u8 flags]
//               [varint handles]  each [varint length] [varint tag] [bytes]        FLAG_HANDLES
//               [varint buffers]  each [u8 flags] [varint start] [varint byteLength]
//                                 [varint maxByteLength, when resizable]           FLAG_BUFFERS
//               [varint headLength] [head] [zeros] [buffer 0] [zeros] [buffer 1] ...
//               where every buffer starts at a multiple of 64 bytes from the blob's start.
// Invariants:
//   VL1. A blob is self-contained and ends where its last part ends: nothing may follow.
//   VL2. Every byte of a blob is written, gaps as zeros: recycled memory never leaks through one.
//   VL3. The decoder allocates nothing for a count or length that the bytes left cannot hold.
// Source: design section 5; the bad-input catalogue, rows B03, B09.
import { ObjectTooLargeError } from '../common/errors.ts'
import { ByteReader, DecodeError, DecodeLimitError } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { BUFFER_ALIGN_BYTES, checkEntryFlags } from './value-codec-buffers.ts'
import type { BufferEntry, StoredBuffer } from './value-codec-buffers.ts'
import { OBJECT_BYTES_MAX, RESERVED_BYTES_MAX } from './value-codec-kinds.ts'

/** Byte 0 of a blob: a table of buffers follows. */
const FLAG_BUFFERS = 1
/** Byte 0 of a blob: a table of handles follows. */
const FLAG_HANDLES = 2
/** Byte 0 of a blob: the value is an error that get() throws. Set and read by callers. */
export const FLAG_ERROR = 4
/** Byte 0 of a blob: the head has REFERENCEs, so that the decoder must count its objects. */
export const FLAG_REFERENCES = 8
const FLAGS_TABLES = FLAG_BUFFERS | FLAG_HANDLES
const FLAGS_KNOWN = 15

/** A handle in a blob: the tag of its HandleCodec and what that wrote. */
export interface StoredHandle {
  readonly tag: number
  readonly bytes: Uint8Array
}

/** A handle of a blob that is read. A view of its bytes is made when somebody looks: a value may
 *  have ten thousand handles of which the process knows all. */
class HandleInBlob implements StoredHandle {
  readonly tag: number
  readonly #source: Uint8Array
  readonly #start: number
  readonly #length: number

  constructor(tag: number, source: Uint8Array, start: number, length: number) {
    this.tag = tag
    this.#source = source
    this.#start = start
    this.#length = length
  }

  get bytes(): Uint8Array {
    return this.#source.subarray(this.#start, this.#start + this.#length)
  }
}

/** The parts of a blob, found and checked, nothing decoded. Offsets count from its start. */
export interface BlobParts {
  readonly flags: number
  readonly handles: readonly StoredHandle[]
  readonly buffers: readonly StoredBuffer[]
  readonly headStart: number
  readonly headEnd: number
}

const NO_HANDLES: readonly StoredHandle[] = []
const NO_BUFFERS: readonly StoredBuffer[] = []

/** Where the next buffer may start. */
export function alignBuffer(offset: number): number {
  return Math.ceil(offset / BUFFER_ALIGN_BYTES) * BUFFER_ALIGN_BYTES
}

/** Write all that comes before the head. */
export function writeFront(
  writer: ByteWriter,
  handles: readonly StoredHandle[],
  buffers: readonly BufferEntry[],
  head: { readonly flags: number; readonly length: number },
): void {
  const flags = head.flags | (handles.length > 0 ? FLAG_HANDLES : 0)
  writer.u8(buffers.length > 0 ? flags | FLAG_BUFFERS : flags)
  if (handles.length > 0) {
    writer.varint(handles.length)
    for (const { tag, bytes } of handles) {
      writer.varint(bytes.length)
      writer.varint(tag)
      writer.bytes(bytes)
    }
  }
  if (buffers.length > 0) writer.varint(buffers.length)
  for (const { flags: entryFlags, start, byteLength, maxByteLength } of buffers) {
    writer.u8(entryFlags)
    writer.varint(start)
    writer.varint(byteLength)
    if (maxByteLength >= 0) writer.varint(maxByteLength)
  }
  if (handles.length + buffers.length > 0) writer.varint(head.length)
}

/**
 * The size of a blob whose front and head take `frontBytes` together.
 * @throws ObjectTooLargeError beyond 256 GiB, and when its resizable buffers reserve too much.
 */
export function blobBytes(frontBytes: number, buffers: readonly BufferEntry[]): number {
  let end = frontBytes
  let reserved = 0
  for (const { byteLength, maxByteLength } of buffers) {
    end = alignBuffer(end) + byteLength
    reserved += Math.max(0, maxByteLength - byteLength)
  }
  if (reserved > RESERVED_BYTES_MAX) throw tooLarge(reserved, RESERVED_BYTES_MAX)
  if (end > OBJECT_BYTES_MAX) throw tooLarge(end)
  return end
}

export function tooLarge(sizeBytes: number, maxBytes = OBJECT_BYTES_MAX): ObjectTooLargeError {
  return new ObjectTooLargeError(
    `a value of ${sizeBytes} bytes passes the limit of ${maxBytes} bytes for one object; ` +
      'put its parts separately and pass an array of their refs',
    { data: { sizeBytes, maxBytes } },
  )
}

/**
 * Find the parts of a blob.
 * @throws DecodeError, DecodeLimitError when its tables do not fit its length.
 */
export function readParts(blob: Uint8Array): BlobParts {
  const reader = new ByteReader(blob)
  const flags = reader.u8()
  if (flags > FLAGS_KNOWN) throw new DecodeError(`unknown flags ${flags} of a blob`)
  if ((flags & FLAGS_TABLES) === 0) {
    const headEnd = blob.length
    return { flags, handles: NO_HANDLES, buffers: NO_BUFFERS, headStart: 1, headEnd }
  }
  const handles = (flags & FLAG_HANDLES) === 0 ? NO_HANDLES : readHandles(reader)
  const shapes = (flags & FLAG_BUFFERS) === 0 ? NO_BUFFERS : readBufferShapes(reader)
  const headLength = reader.varint()
  const headStart = reader.position
  reader.skip(headLength)
  const headEnd = reader.position
  return { flags, handles, buffers: place(reader, shapes), headStart, headEnd }
}

/**
 * The handles of a blob as their HandleCodec wrote them, without decoding the value.
 * @throws DecodeError when it is no blob.
 */
export function handlesOf(blob: Uint8Array): readonly StoredHandle[] {
  const reader = new ByteReader(blob)
  return (reader.u8() & FLAG_HANDLES) === 0 ? NO_HANDLES : readHandles(reader)
}

function readHandles(reader: ByteReader): readonly StoredHandle[] {
  const count = checkCount(reader, reader.varint(), 2)
  const handles: StoredHandle[] = []
  for (let i = 0; i < count; i++) {
    const length = reader.varint()
    const tag = reader.varint()
    handles.push(new HandleInBlob(tag, reader.bytes, reader.skip(length), length))
  }
  return handles
}

function readBufferShapes(reader: ByteReader): readonly StoredBuffer[] {
  const count = checkCount(reader, reader.varint(), 3)
  const shapes: StoredBuffer[] = []
  let reserved = 0
  for (let i = 0; i < count; i++) {
    const flags = reader.u8()
    const isResizable = checkEntryFlags(flags)
    const start = reader.varint()
    const byteLength = reader.varint()
    const maxByteLength = isResizable ? reader.varint() : byteLength
    if (maxByteLength < byteLength) throw new DecodeError('a buffer is larger than its maximum')
    reserved += maxByteLength - byteLength
    if (reserved > RESERVED_BYTES_MAX) {
      throw new DecodeLimitError(`buffers that may grow by ${reserved} bytes`, {
        data: { limit: RESERVED_BYTES_MAX, got: reserved },
      })
    }
    shapes.push({ flags, start, byteLength, maxByteLength, offset: 0 })
  }
  return shapes
}

/** Give every buffer its offset, and see that the blob ends with the last of them (VL1). */
function place(reader: ByteReader, shapes: readonly StoredBuffer[]): readonly StoredBuffer[] {
  const placed: StoredBuffer[] = []
  for (const shape of shapes) {
    const offset = alignBuffer(reader.position)
    reader.skip(offset - reader.position)
    reader.skip(shape.byteLength)
    placed.push({ ...shape, offset })
  }
  if (reader.remaining !== 0) throw new DecodeError(`${reader.remaining} bytes follow the blob`)
  return placed
}

function checkCount(reader: ByteReader, count: number, bytesEach: number): number {
  if (count * bytesEach <= reader.remaining) return count
  throw new DecodeLimitError(`${count} entries in ${reader.remaining} bytes`, {
    data: { limit: Math.floor(reader.remaining / bytesEach), got: count },
  })
}
