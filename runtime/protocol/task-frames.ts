// The hot segments between an owner and a worker, by hand and columnar: one push carries many tasks
// of one template with rising indices, so that what they share is written once.
//   push   varint slot · varint attempt · varint firstSeq · 16 B parent · varint firstIndex ·
//          varint count · count × (varint indices skipped before it · varint byteLength · record)
//   record varint argCount · argCount × argument
//   part   varint slot · varint byteLength of the record · varint count · count × argument:
//          arguments of a large record, ahead of its push, which has none
//   argument  u8 0 · varint byteLength · blob      |  u8 1 · 20 B ObjectId · f64 sizeBytes (stored)
//   reply  repeated: varint seq · u8 status · varint runMicros · payload by status
// `seq` counts the tasks pushed over one connection; replies name it. Ids are derived only when
// somebody asks. Source: design 2 (step 4) and 12.
import {
  OBJECT_ID_BYTES,
  TASK_ID_BYTES,
  fromBytes,
  type ObjectId,
  type TaskId,
} from '../common/ids.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

export interface PushHeader {
  readonly slot: number
  readonly attempt: number
  readonly firstSeq: number
  readonly parent: TaskId
  readonly firstIndex: number
  readonly count: number
}

export function writePushHeader(writer: ByteWriter, header: PushHeader): void {
  writer.varint(header.slot)
  writer.varint(header.attempt)
  writer.varint(header.firstSeq)
  writer.latin1(header.parent)
  writer.varint(header.firstIndex)
  writer.varint(header.count)
}

export function readPushHeader(reader: ByteReader): PushHeader {
  return {
    slot: reader.varint(),
    attempt: reader.varint(),
    firstSeq: reader.varint(),
    parent: fromBytes(reader.view(TASK_ID_BYTES)) as TaskId,
    firstIndex: reader.varint(),
    count: reader.varint(),
  }
}

export interface PartHeader {
  readonly slot: number
  readonly recordBytes: number
  readonly count: number
}

export function writePartHeader(writer: ByteWriter, header: PartHeader): void {
  writer.varint(header.slot)
  writer.varint(header.recordBytes)
  writer.varint(header.count)
}

export function readPartHeader(reader: ByteReader): PartHeader {
  return { slot: reader.varint(), recordBytes: reader.varint(), count: reader.varint() }
}

export const ARGUMENT_INLINE = 0
const ARGUMENT_STORED = 1
/** The same, and then the node, as a string. */
const ARGUMENT_STORED_AT = 2

export function writeInlineArgument(writer: ByteWriter, blob: Uint8Array): void {
  writer.u8(ARGUMENT_INLINE)
  writer.lengthPrefixed(blob)
}

export function writeStoredArgument(writer: ByteWriter, stored: StoredValue): void {
  const { nodeId } = stored
  writer.u8(nodeId === undefined ? ARGUMENT_STORED : ARGUMENT_STORED_AT)
  writeStored(writer, stored)
  if (nodeId !== undefined) writer.string(nodeId)
}

export interface StoredValue {
  readonly objectId: ObjectId
  readonly sizeBytes: number
  /** In hex, where there are several nodes: of an argument, where it was stored; else not on the
   *  wire, and the node of whoever said so. */
  readonly nodeId?: string
}

/** Passes over one argument. */
export function skipArgument(reader: ByteReader): void {
  const kind = reader.u8()
  if (kind === ARGUMENT_INLINE) reader.skip(reader.varint())
  else readStoredArgument(reader, kind)
}

/** One argument: its blob (a view of the record), or where it is stored. */
export function readArgument(reader: ByteReader): Uint8Array | StoredValue {
  const kind = reader.u8()
  if (kind === ARGUMENT_INLINE) return reader.view(reader.varint())
  return readStoredArgument(reader, kind)
}

/** What follows the kind of one that is not inline. */
export function readStoredArgument(reader: ByteReader, kind: number): StoredValue {
  const stored = readStored(reader)
  return kind === ARGUMENT_STORED_AT ? { ...stored, nodeId: reader.string() } : stored
}

export const REPLY_VALUE = 0 // varint byteLength · blob
export const REPLY_STORED = 1 // 20 B ObjectId · f64 sizeBytes
export const REPLY_MANY = 2 // varint count · count × argument
export const REPLY_FAILED = 3 // varint byteLength · blob of a Failure
export const REPLY_CANCELLED = 4
export const REPLY_NOTHING = 5 // numReturns 0; the end of a stream: varint itemCount
export const REPLY_HANDOFF = 0x80 // flag: varint handoffId follows the payload

export interface ReplyHead {
  readonly seq: number
  readonly status: number
  readonly runMicros: number
}

export function writeReplyHead(
  writer: ByteWriter,
  seq: number,
  status: number,
  micros: number,
): void {
  writer.varint(seq)
  writer.u8(status)
  writer.varint(micros)
}

export function readReplyHead(reader: ByteReader): ReplyHead {
  return { seq: reader.varint(), status: reader.u8(), runMicros: reader.varint() }
}

export function readStored(reader: ByteReader): StoredValue {
  return {
    objectId: fromBytes(reader.view(OBJECT_ID_BYTES)) as ObjectId,
    sizeBytes: reader.f64(),
  }
}

export function writeStored(writer: ByteWriter, stored: StoredValue): void {
  writer.latin1(stored.objectId)
  writer.f64(stored.sizeBytes)
}
