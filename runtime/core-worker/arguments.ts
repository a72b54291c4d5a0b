// Arguments of one call, encoded at the call: later changes to a value change nothing.
//   a top-level ref   a dependency: its value takes its place once it is complete
//   a large value     put into the store first, then passed by place
//   anything else     encoded here and now
// The finished record (task-frames.ts) is one run of bytes in a slab.
import { INLINE_BYTES_MAX } from '../common/limits.ts'
import type { ObjectId } from '../common/ids.ts'
import { ByteReader } from '../protocol/byte-reader.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import {
  ARGUMENT_INLINE,
  readArgument,
  writeInlineArgument,
  writeStoredArgument,
} from '../protocol/task-frames.ts'
import type { EncodedValue, ValueCodec } from '../protocol/value-codec.ts'
import { BLOB, FAILED, STORED, VALUE, type ObjectEntry, type StoredAt } from './object-entry.ts'
import { sharedEntries } from './handles.ts'
import { appendValue, expectMore } from './many-values.ts'
import { isObjectRef, type ObjectRef } from './object-ref.ts'

const SLAB_BYTES = 64 * 1024
/** A larger record has a buffer of its own. */
const RECORD_BYTES_MAX = SLAB_BYTES / 4
/** A scratch buffer that grew beyond this is not kept. */
const SCRATCH_BYTES_KEPT = 1024 * 1024

export type Argument =
  /** One or more encoded arguments, side by side. */
  | { readonly kind: 'inline'; readonly bytes: Buffer }
  | { readonly kind: 'entry'; readonly entry: ObjectEntry }

/** A finished record: `sizeBytes` bytes of `slab`, from `at` on; never changed again. */
export interface PackedArguments {
  readonly slab: Buffer
  readonly at: number
  readonly sizeBytes: number
}

export interface EncodedArguments {
  /** The whole record when no argument has to be waited for. */
  readonly packed: PackedArguments | undefined
  /** How many arguments the parts are. */
  readonly count: number
  readonly parts: readonly Argument[]
  /** Entries that must live until the task is done. */
  readonly holds: readonly ObjectEntry[]
}

export interface ArgumentsDeps {
  readonly codec: ValueCodec
  /** In hex, where there are several: what says nothing else is most likely there. */
  readonly ownNodeId: string | undefined
  /** @throws ForeignRefError, ObjectFreedError */
  entryOf(this: void, ref: ObjectRef): ObjectEntry
  /** Puts a large argument into the store: an entry that completes as STORED. */
  storeLarge(encoded: EncodedValue): ObjectEntry
}

export class ArgumentEncoder {
  readonly #deps: ArgumentsDeps
  #slab = new ByteWriter({ initialBytes: SLAB_BYTES })
  /** Bytes of the slab that records have; what a failed call left behind them is overwritten. */
  #slabUsed = 0
  /** Set aside while in use: a getter of an argument may submit a task itself. */
  #scratch: ByteWriter | undefined

  constructor(deps: ArgumentsDeps) {
    this.#deps = deps
  }

  /** @throws SerializationError naming the path of what cannot be encoded: args[1].opts.cb */
  encode(args: readonly unknown[]): EncodedArguments {
    return args.every(isPlain) ? this.#plain(args) : this.#general(args)
  }

  /** The record of arguments whose entries are all complete. */
  assemble({ count, parts }: Pick<EncodedArguments, 'count' | 'parts'>): PackedArguments {
    const inlineBytes = parts.reduce(
      (sum, part) => sum + (part.kind === 'inline' ? part.bytes.length : 0),
      0,
    )
    const writer = this.#open(inlineBytes)
    writer.varint(count)
    for (const part of parts) {
      if (part.kind === 'inline') writer.bytes(part.bytes)
      else this.#writeEntry(writer, part.entry)
    }
    return this.#pack(writer)
  }

  /** The same record with what was passed by place where it is now. */
  rebuild(record: Buffer, placed: ReadonlyMap<ObjectId, ObjectEntry>): PackedArguments {
    const reader = new ByteReader(record)
    const writer = this.#open(record.length)
    const count = reader.varint()
    writer.varint(count)
    for (let i = 0; i < count; i += 1) {
      const argument = readArgument(reader)
      const entry = argument instanceof Uint8Array ? undefined : placed.get(argument.objectId)
      if (entry !== undefined) this.#writeEntry(writer, entry)
      else if (argument instanceof Uint8Array) writeInlineArgument(writer, argument)
      else writeStoredArgument(writer, argument)
    }
    return this.#pack(writer)
  }

  /** Numbers, strings, booleans, null, undefined: no tables, no handles, the common case. They are
   *  written where they stay. */
  #plain(args: readonly unknown[]): EncodedArguments {
    const writer = this.#open(0)
    const start = writer.position
    writer.varint(args.length)
    for (const arg of args) this.#writePlain(writer, arg)
    if (writer.position - start > INLINE_BYTES_MAX) return this.#general(args)
    return { packed: this.#pack(writer), count: args.length, parts: NO_PARTS, holds: NO_ENTRIES }
  }

  #writePlain(writer: ByteWriter, value: unknown): void {
    writer.u8(ARGUMENT_INLINE)
    const at = writer.reserve(1)
    this.#deps.codec.encodeInto(writer, value, 'args')
    writer.prefixLength(at)
  }

  /** Arguments side by side in one buffer, cut only where a dependency stands between them: ten
   *  thousand arguments are encoded into the place that they are sent from. */
  #general(args: readonly unknown[]): EncodedArguments {
    const writer = this.#scratch ?? new ByteWriter()
    this.#scratch = undefined
    writer.reset()
    writer.varint(args.length)
    const parts: Argument[] = []
    const holds: ObjectEntry[] = []
    let cutAt = writer.position
    for (const [i, arg] of args.entries()) {
      expectMore(writer, i, args.length)
      const entry = this.#part(writer, arg, `args[${String(i)}]`, holds)
      if (entry === undefined) continue
      if (writer.position > cutAt) parts.push(inline(writer, cutAt))
      cutAt = writer.position
      parts.push({ kind: 'entry', entry })
      holds.push(entry)
    }
    const record = { count: args.length, parts, holds }
    if (parts.length === 0) return { ...record, packed: this.#packAll(writer) }
    if (writer.position > cutAt) parts.push(inline(writer, cutAt))
    if (writer.buffer.length <= SCRATCH_BYTES_KEPT) this.#scratch = writer
    return { ...record, packed: undefined }
  }

  /** Writes one argument; or gives the entry that stands for it. */
  #part(
    writer: ByteWriter,
    arg: unknown,
    path: string,
    holds: ObjectEntry[],
  ): ObjectEntry | undefined {
    if (isObjectRef(arg)) return this.#deps.entryOf(arg)
    const { handles, oversize } = appendValue(this.#deps.codec, writer, arg, path)
    if (handles.length > 0) holds.push(...sharedEntries(handles))
    return oversize === undefined ? undefined : this.#deps.storeLarge(oversize)
  }

  #writeEntry(writer: ByteWriter, entry: ObjectEntry): void {
    switch (entry.state) {
      case VALUE:
        this.#writePlain(writer, entry.value)
        return
      case BLOB:
        writeInlineArgument(writer, entry.value as Uint8Array)
        return
      case STORED: {
        const stored = entry.value as StoredAt
        const nodeId = stored.nodeId ?? this.#deps.ownNodeId
        writeStoredArgument(writer, nodeId === undefined ? stored : { ...stored, nodeId })
        return
      }
      default:
        throw new Error('a dependency was used before it was complete')
    }
  }

  /** The slab, where the next record begins; one of its own for a record that is large. */
  #open(sizeBytes: number): ByteWriter {
    if (sizeBytes > RECORD_BYTES_MAX) return new ByteWriter({ initialBytes: sizeBytes })
    if (this.#slabUsed > SLAB_BYTES - RECORD_BYTES_MAX) this.#newSlab()
    this.#slab.position = this.#slabUsed
    return this.#slab
  }

  /** What was written since `open`. A slab that grew keeps this record as its last. */
  #pack(writer: ByteWriter): PackedArguments {
    const { buffer, position } = writer
    if (writer !== this.#slab) return { slab: buffer, at: 0, sizeBytes: position }
    const at = this.#slabUsed
    if (buffer.length > SLAB_BYTES) this.#newSlab()
    else this.#slabUsed = position
    return { slab: buffer, at, sizeBytes: position - at }
  }

  /** All of `writer`, copied when small; a large record keeps the buffer it was written into. */
  #packAll(writer: ByteWriter): PackedArguments {
    const sizeBytes = writer.position
    if (sizeBytes > RECORD_BYTES_MAX) return { slab: writer.take(), at: 0, sizeBytes }
    this.#scratch = writer
    const slab = this.#open(sizeBytes)
    slab.range(writer.buffer, 0, sizeBytes)
    return this.#pack(slab)
  }

  #newSlab(): void {
    this.#slab = new ByteWriter({ initialBytes: SLAB_BYTES })
    this.#slabUsed = 0
  }
}

/** The entries, of these, that a record names by place. */
export function placedEntries(
  record: Buffer,
  entries: readonly ObjectEntry[],
): ReadonlyMap<ObjectId, ObjectEntry> {
  const byId = new Map(
    entries.flatMap((entry) => (entry.id === undefined ? [] : [[entry.id, entry]])),
  )
  const placed = new Map<ObjectId, ObjectEntry>()
  const reader = new ByteReader(record)
  for (let left = reader.varint(); left > 0; left -= 1) {
    const argument = readArgument(reader)
    const entry = argument instanceof Uint8Array ? undefined : byId.get(argument.objectId)
    if (entry?.id !== undefined) placed.set(entry.id, entry)
  }
  return placed
}

/** A record as bytes of its own. */
export function bytesOf({ slab, at, sizeBytes }: PackedArguments): Buffer {
  return slab.subarray(at, at + sizeBytes)
}

function inline(writer: ByteWriter, from: number): Argument {
  return { kind: 'inline', bytes: Buffer.from(writer.buffer.subarray(from, writer.position)) }
}

/**
 * Calls `done` when every part is complete: at once if all are; with the first failure if one
 * failed.
 */
export function whenPartsComplete(
  parts: readonly Argument[],
  resolve: (entry: ObjectEntry) => void,
  done: (error: Error | undefined) => void,
): void {
  let waiting = 1
  const arrived = (): void => {
    waiting -= 1
    if (waiting > 0) return
    const error = failedDependency(parts)
    // One that came first may have been lost while the others were awaited.
    if (error === undefined && parts.some(isMissing)) whenPartsComplete(parts, resolve, done)
    else done(error)
  }
  for (const part of parts) {
    if (part.kind !== 'entry' || !part.entry.pending) continue
    waiting += 1
    resolve(part.entry)
    part.entry.whenComplete(arrived)
  }
  arrived()
}

const isMissing = (part: Argument): boolean => part.kind === 'entry' && part.entry.pending

const NO_PARTS: readonly Argument[] = []
const NO_ENTRIES: readonly ObjectEntry[] = []

/** The error of the first failed dependency, if one failed. */
function failedDependency(parts: readonly Argument[]): Error | undefined {
  for (const part of parts) {
    if (part.kind === 'entry' && part.entry.state === FAILED) return part.entry.value as Error
  }
  return undefined
}

function isPlain(value: unknown): boolean {
  if (value === null) return true
  // A symbol is refused where arguments have their numbers.
  return typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol'
}
