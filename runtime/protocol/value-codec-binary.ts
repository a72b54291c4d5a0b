// ArrayBuffers and the views on them: typed arrays, Buffer, DataView.
// Below OUT_OF_BAND_BYTES_MIN and as the only part of their ArrayBuffer they stand in the head;
// else the head says where they look and the bytes travel out of band (value-codec-buffers).
// What stands over a SharedArrayBuffer arrives over memory of its own.
// Source: HTML standard, structured clone (views of one buffer stay views of one buffer).
import { DecodeError } from './byte-reader.ts'
import { Span, checkAttached, copyOf, isResizable } from './value-codec-buffers.ts'
import type { ViewRange } from './value-codec-buffers.ts'
import * as kinds from './value-codec-kinds.ts'
import type { KindReader, KindWriter, ValueSink, ValueSource } from './value-codec-kinds.ts'
import { writeExtHead } from './value-codec-scalars.ts'

/** From this size on, bytes travel out of band: 64 bytes of gap and a table entry pay off. */
const OUT_OF_BAND_BYTES_MIN = 1024

const BUFFER_CODE = 1

type ViewMaker = (buffer: ArrayBufferLike, byteOffset: number, length: number) => ArrayBufferView

interface ViewKind {
  readonly code: number
  readonly elementBytes: number
  readonly prototype: object
  readonly make: ViewMaker
}

interface ViewClass {
  readonly prototype: ArrayBufferView
  readonly BYTES_PER_ELEMENT?: number
  new (buffer: ArrayBuffer, byteOffset: number, length: number): ArrayBufferView
}

// Not in Node 22, and not in the type library of ES2024.
declare const Float16Array: ViewClass | undefined

// The index is the code on the wire; 0 is an ArrayBuffer, 1 a Buffer.
const VIEW_CLASSES: readonly (ViewClass | undefined)[] = [
  undefined,
  undefined,
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  typeof Float16Array === 'undefined' ? undefined : Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]

const VIEW_KINDS: readonly (ViewKind | undefined)[] = VIEW_CLASSES.map((Class, code) => {
  if (code === BUFFER_CODE) {
    const make: ViewMaker = (buffer, at, length) => Buffer.from(buffer, at, length)
    return { code, elementBytes: 1, prototype: Buffer.prototype as object, make }
  }
  if (Class === undefined) return undefined
  const make: ViewMaker = (buffer, at, length) => new Class(buffer as ArrayBuffer, at, length)
  const { prototype, BYTES_PER_ELEMENT: elementBytes = 1 } = Class
  return { code, elementBytes, prototype, make }
})

export const BINARY_WRITERS: readonly KindWriter[] = [
  [ArrayBuffer.prototype, writeArrayBuffer],
  [SharedArrayBuffer.prototype, writeArrayBuffer],
  ...VIEW_KINDS.flatMap((kind) => (kind === undefined ? [] : [viewWriter(kind)])),
]

export const BINARY_READERS: readonly KindReader[] = [
  [kinds.EXT_VIEW, readView],
  [kinds.EXT_INLINE_BYTES, readInline],
  [kinds.EXT_BUFFER, (source) => source.keep(source.spans.get(source.reader.varint()))],
]

function viewWriter(kind: ViewKind): KindWriter {
  const write = (sink: ValueSink, value: object): void => {
    writeView(sink, kind, value as ArrayBufferView)
  }
  return [kind.prototype, write]
}

function writeArrayBuffer(sink: ValueSink, value: object): void {
  const memory = value as ArrayBufferLike
  checkAttached(memory)
  const { byteLength } = memory
  if (byteLength < OUT_OF_BAND_BYTES_MIN && !isResizable(memory)) {
    writeInline(sink, 0, new Uint8Array(memory))
    return
  }
  const range = { byteOffset: 0, byteLength, elementBytes: 1, isNodeBuffer: false }
  const index = sink.buffers.add(memory, range)
  sink.buffers.find(memory)?.coverAll()
  writeBufferIndex(sink, index)
}

function readView(source: ValueSource): ArrayBufferView {
  const index = source.reserveIndex()
  const { reader } = source
  const kind = viewKindOf(reader.u8())
  const byteOffset = reader.varint()
  const length = reader.varint()
  const view = makeView(kind, source.span(), { byteOffset, length })
  source.fill(index, view)
  return view
}

function readInline(source: ValueSource, payloadLength: number): ArrayBufferView | Span {
  const { reader } = source
  const code = reader.u8()
  // Nothing will ask for its ArrayBuffer, so that the pool of small Buffers will do.
  if (code === BUFFER_CODE && !source.isKeeping) return Buffer.from(reader.view(payloadLength - 1))
  if (code === 0) return source.keep(inlineSpan(source, payloadLength - 1))
  const index = source.reserveIndex()
  const kind = viewKindOf(code)
  const span = source.keep(inlineSpan(source, payloadLength - 1))
  const length = span.byteLength / kind.elementBytes
  const view = makeView(kind, span, { byteOffset: 0, length })
  source.fill(index, view)
  return view
}

function inlineSpan({ reader }: ValueSource, length: number): Span {
  return new Span(copyOf(reader.view(length)), 0)
}

function writeView(sink: ValueSink, kind: ViewKind, value: ArrayBufferView): void {
  const { buffer: memory, byteOffset, byteLength } = value
  checkAttached(memory)
  const isSmall = byteLength < OUT_OF_BAND_BYTES_MIN
  const isNodeBuffer = kind.code === BUFFER_CODE
  const range = { byteOffset, byteLength, elementBytes: kind.elementBytes, isNodeBuffer }
  // Small Buffers are slices of one pool and have nothing to do with each other.
  if (isNodeBuffer && byteLength < memory.byteLength && memory.byteLength === Buffer.poolSize) {
    if (isSmall) writeInline(sink, kind.code, bytesOf(value))
    else
      writeViewOf(sink, kind, range, () =>
        writeBufferIndex(sink, sink.buffers.addAlone(memory, range)),
      )
    sink.skipIndex()
    return
  }
  const known = sink.find(memory)
  if (known >= 0) {
    sink.buffers.find(memory)?.cover(range)
    writeViewOf(sink, kind, range, () => sink.reference(known))
  } else if (isSmall && byteLength === memory.byteLength && !isResizable(memory)) {
    sink.take(memory)
    writeInline(sink, kind.code, bytesOf(value))
  } else {
    sink.take(memory)
    writeViewOf(sink, kind, range, () => writeBufferIndex(sink, sink.buffers.add(memory, range)))
  }
}

function writeViewOf(sink: ValueSink, kind: ViewKind, range: ViewRange, memory: () => void): void {
  const at = sink.beginExt(kinds.EXT_VIEW)
  sink.writer.u8(kind.code)
  sink.writer.varint(range.byteOffset)
  sink.writer.varint(range.byteLength / kind.elementBytes)
  memory()
  sink.endExt(at)
}

function writeInline(sink: ValueSink, code: number, bytes: Uint8Array): void {
  writeExtHead(sink.writer, kinds.EXT_INLINE_BYTES, bytes.length + 1)
  sink.writer.u8(code)
  sink.writer.bytes(bytes)
}

function writeBufferIndex(sink: ValueSink, index: number): void {
  const at = sink.beginExt(kinds.EXT_BUFFER)
  sink.writer.varint(index)
  sink.endExt(at)
}

function viewKindOf(code: number): ViewKind {
  const kind = VIEW_KINDS[code]
  if (kind !== undefined) return kind
  throw new DecodeError(`views of kind ${code} are not known to this version of Node.js`)
}

function makeView(
  kind: ViewKind,
  span: Span,
  place: { readonly byteOffset: number; readonly length: number },
): ArrayBufferView {
  const { elementBytes } = kind
  if (!Number.isInteger(place.length)) throw new DecodeError('an element is cut in the middle')
  const at = span.locate(place.byteOffset, place.length * elementBytes, elementBytes)
  return kind.make(span.buffer, at, place.length)
}

function bytesOf({ buffer: memory, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(memory, byteOffset, byteLength)
}
