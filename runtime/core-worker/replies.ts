// What comes back from a worker, turned into completed entries: values, places, failures, items.
import { TaskCancelledError } from '../common/errors.ts'
import type { ByteReader } from '../protocol/byte-reader.ts'
import {
  REPLY_CANCELLED,
  REPLY_FAILED,
  REPLY_HANDOFF,
  REPLY_MANY,
  REPLY_NOTHING,
  REPLY_STORED,
  REPLY_VALUE,
  readArgument,
  readStored,
  type ReplyHead,
  type StoredValue,
} from '../protocol/task-frames.ts'
import type { HandoffMessage } from '../protocol/peer-messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import { BLOB, FAILED, STORED, VALUE, type ObjectEntry } from './object-entry.ts'
import type { References } from './references.ts'
import type { TaskRecord } from './task-record.ts'

export type Outcome =
  | { readonly kind: 'values'; readonly values: readonly (Uint8Array | StoredValue)[] }
  /** Of a Failure; decoded for its task alone, as the user's types may refuse to. */
  | { readonly kind: 'failed'; readonly blob: Uint8Array }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'ended' }

export interface Reply {
  readonly seq: number
  readonly runMs: number
  readonly outcome: Outcome
  readonly handoff: HandoffMessage | undefined
}

/** What follows the head of a reply. */
export function readReply(reader: ByteReader, { seq, status, runMicros }: ReplyHead): Reply {
  const outcome = readOutcome(reader, status & ~REPLY_HANDOFF)
  const handoff = (status & REPLY_HANDOFF) === 0 ? undefined : readHandoff(reader)
  return { seq, runMs: runMicros / 1000, outcome, handoff }
}

function readOutcome(reader: ByteReader, status: number): Outcome {
  switch (status) {
    case REPLY_VALUE:
      return { kind: 'values', values: [reader.view(reader.varint())] }
    case REPLY_STORED:
      return { kind: 'values', values: [readStored(reader)] }
    case REPLY_MANY: {
      const values: (Uint8Array | StoredValue)[] = []
      for (let left = reader.varint(); left > 0; left -= 1) values.push(readArgument(reader))
      return { kind: 'values', values }
    }
    case REPLY_FAILED:
      return { kind: 'failed', blob: copyOf(reader.view(reader.varint())) }
    case REPLY_CANCELLED:
      return { kind: 'cancelled' }
    case REPLY_NOTHING:
      return { kind: 'ended' }
    default:
      throw new Error(`a reply of status ${String(status)} arrived`)
  }
}

function readHandoff(reader: ByteReader): HandoffMessage {
  const id = reader.varint()
  const refs: Uint8Array[] = []
  for (let left = reader.varint(); left > 0; left -= 1) {
    refs.push(copyOf(reader.view(reader.varint())))
  }
  return { id, refs }
}

/** Completes the entries of a task with what its last attempt gave. */
export function completeTask(
  record: TaskRecord,
  outcome: Outcome,
  contained: readonly ObjectEntry[],
  deps: { readonly codec: ValueCodec; readonly references: References },
): void {
  if (outcome.kind === 'values') {
    const entries = record.entries()
    for (const [i, value] of outcome.values.entries()) {
      const entry = entries[i]
      if (entry !== undefined) completeEntry(entry, value, contained, deps)
    }
    return
  }
  if (outcome.kind === 'ended') {
    record.stream?.end()
    for (const entry of record.entries()) entry.complete(VALUE, undefined)
    return
  }
  failTask(record, cancelledError(record))
}

export function failTask(record: TaskRecord, error: Error): void {
  for (const entry of record.entries()) entry.complete(FAILED, error)
  record.stream?.end(error)
}

export function cancelledError(record: TaskRecord): TaskCancelledError {
  return new TaskCancelledError(`${record.kind.name} was cancelled`, {
    data: { name: record.kind.name },
  })
}

export function completeEntry(
  entry: ObjectEntry,
  value: Uint8Array | StoredValue,
  contained: readonly ObjectEntry[],
  { codec, references }: { readonly codec: ValueCodec; readonly references: References },
): void {
  if (!(value instanceof Uint8Array)) {
    entry.id ??= value.objectId
    references.share(entry, contained)
    if (!entry.complete(STORED, value)) references.releaseUnused(entry)
    return
  }
  if (contained.length > 0) references.share(entry, contained)
  if (isPrimitive(value, 0)) entry.complete(VALUE, codec.decode(value))
  else entry.complete(BLOB, copyOf(value))
}

/** Completes an entry with a blob that nothing else keeps or changes: it is not copied. */
export function completeOwned(entry: ObjectEntry, blob: Uint8Array, codec: ValueCodec): void {
  if (isPrimitive(blob, 0)) entry.complete(VALUE, codec.decode(blob))
  else entry.complete(BLOB, blob)
}

/** Completes an entry with the blob that follows: without handles, and read where it lies. */
export function completeInline(entry: ObjectEntry, reader: ByteReader, codec: ValueCodec): void {
  const sizeBytes = reader.varint()
  const { bytes } = reader
  const at = reader.skip(sizeBytes)
  const end = at + sizeBytes
  if (isPrimitive(bytes, at)) entry.complete(VALUE, codec.decodeRange(bytes, at, end))
  else entry.complete(BLOB, copyOf(bytes.subarray(at, end)))
}

/** Small immutable values are decoded at once and kept as they are (OE2): MessagePack tags of nil,
 *  booleans, numbers and short strings, behind a flags byte of 0. */
function isPrimitive(bytes: Uint8Array, start: number): boolean {
  const tag = bytes[start + 1] ?? 0xc1
  if (bytes[start] !== 0) return false
  return tag < 0x80 || (tag >= 0xcc && tag <= 0xd3) || tag >= 0xe0 || isSmallTag(tag)
}

function isSmallTag(tag: number): boolean {
  return (
    (tag >= 0xa0 && tag <= 0xbf) ||
    tag === 0xc0 ||
    tag === 0xc2 ||
    tag === 0xc3 ||
    tag === 0xca ||
    tag === 0xcb
  )
}

/** A copy, because a view would keep the whole frame alive. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes)
}
