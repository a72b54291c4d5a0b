// Arguments of one call, encoded at the call: later changes to a value change nothing.
//   a top-level ref   a dependency: its value takes its place once it is complete
//   a large value     put into the store first, then passed by place
//   anything else     encoded here and now
// The finished record (task-frames.ts) is one run of bytes, cut from a slab.
import { INLINE_BYTES_MAX } from '../common/limits.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import {
  ARGUMENT_INLINE,
  writeInlineArgument,
  writeStoredArgument,
} from '../protocol/task-frames.ts'
import type { EncodedValue, ValueCodec } from '../protocol/value-codec.ts'
import { BLOB, FAILED, STORED, VALUE, type ObjectEntry, type StoredAt } from './object-entry.ts'
import { sharedEntries } from './handles.ts'
import { isObjectRef, type ObjectRef } from './object-ref.ts'

const SLAB_BYTES = 64 * 1024

export type Argument =
  | { readonly kind: 'inline'; readonly blob: Buffer }
  | { readonly kind: 'entry'; readonly entry: ObjectEntry }

export interface EncodedArguments {
  /** The whole record when no argument has to be waited for. */
  readonly record: Buffer | undefined
  readonly parts: readonly Argument[]
  /** Entries that must live until the task is done. */
  readonly holds: readonly ObjectEntry[]
}

export interface ArgumentsDeps {
  readonly codec: ValueCodec
  /** @throws ForeignRefError, ObjectFreedError */
  entryOf(this: void, ref: ObjectRef): ObjectEntry
  /** Puts a large argument into the store: an entry that completes as STORED. */
  storeLarge(encoded: EncodedValue): ObjectEntry
}

export class ArgumentEncoder {
  readonly #deps: ArgumentsDeps
  readonly #scratch = new ByteWriter()
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #slabAt = 0

  constructor(deps: ArgumentsDeps) {
    this.#deps = deps
  }

  /** @throws SerializationError naming the path of what cannot be encoded: args[1].opts.cb */
  encode(args: readonly unknown[]): EncodedArguments {
    return args.every(isPlain) ? this.#plain(args) : this.#general(args)
  }

  /** The record of arguments whose entries are all complete. */
  assemble(parts: readonly Argument[]): Buffer {
    const writer = this.#scratch
    writer.reset()
    writer.varint(parts.length)
    for (const part of parts) {
      if (part.kind === 'inline') writeInlineArgument(writer, part.blob)
      else this.#writeEntry(writer, part.entry)
    }
    return this.#cut(writer)
  }

  /** Numbers, strings, booleans, null, undefined: no tables, no handles, the common case. */
  #plain(args: readonly unknown[]): EncodedArguments {
    const writer = this.#scratch
    writer.reset()
    writer.varint(args.length)
    for (const arg of args) {
      writer.u8(ARGUMENT_INLINE)
      // One byte of length is enough for almost every plain value; longer ones are moved up.
      const at = writer.reserve(1)
      this.#deps.codec.encodeInto(writer, arg, 'args')
      this.#patchLength(writer, at)
    }
    if (writer.position > INLINE_BYTES_MAX) return this.#general(args)
    return { record: this.#cut(writer), parts: [], holds: [] }
  }

  #patchLength(writer: ByteWriter, at: number): void {
    const length = writer.position - at - 1
    if (length < 0x80) {
      writer.buffer[at] = length
      return
    }
    const blob = Buffer.from(writer.buffer.subarray(at + 1, writer.position))
    writer.position = at
    writer.lengthPrefixed(blob)
  }

  #general(args: readonly unknown[]): EncodedArguments {
    const parts: Argument[] = []
    const holds: ObjectEntry[] = []
    for (const [i, arg] of args.entries()) {
      const part = this.#part(arg, `args[${String(i)}]`, holds)
      if (part.kind === 'entry') holds.push(part.entry)
      parts.push(part)
    }
    const ready = parts.every((part) => part.kind === 'inline')
    return { record: ready ? this.assemble(parts) : undefined, parts, holds }
  }

  #part(arg: unknown, path: string, holds: ObjectEntry[]): Argument {
    if (isObjectRef(arg)) return { kind: 'entry', entry: this.#deps.entryOf(arg) }
    const encoded = this.#deps.codec.encode(arg, path)
    if (encoded.handles.length > 0) holds.push(...sharedEntries(encoded.handles))
    if (encoded.sizeBytes > INLINE_BYTES_MAX) {
      return { kind: 'entry', entry: this.#deps.storeLarge(encoded) }
    }
    const blob = Buffer.allocUnsafe(encoded.sizeBytes)
    encoded.writeTo(blob)
    return { kind: 'inline', blob }
  }

  #writeEntry(writer: ByteWriter, entry: ObjectEntry): void {
    switch (entry.state) {
      case VALUE: {
        writer.u8(ARGUMENT_INLINE)
        const at = writer.reserve(1)
        this.#deps.codec.encodeInto(writer, entry.value, 'args')
        this.#patchLength(writer, at)
        return
      }
      case BLOB:
        writeInlineArgument(writer, entry.value as Uint8Array)
        return
      case STORED: {
        const { objectId, sizeBytes } = entry.value as StoredAt
        writeStoredArgument(writer, objectId, sizeBytes)
        return
      }
      default:
        throw new Error('a dependency was used before it was complete')
    }
  }

  #cut(writer: ByteWriter): Buffer {
    const length = writer.position
    if (length > SLAB_BYTES / 4) return Buffer.from(writer.written())
    if (this.#slabAt + length > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.#slabAt = 0
    }
    const record = this.#slab.subarray(this.#slabAt, this.#slabAt + length)
    writer.written().copy(record)
    this.#slabAt += length
    return record
  }
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
    if (waiting === 0) done(failedDependency(parts))
  }
  for (const part of parts) {
    if (part.kind !== 'entry' || !part.entry.pending) continue
    waiting += 1
    resolve(part.entry)
    part.entry.whenComplete(arrived)
  }
  arrived()
}

/** The error of the first failed dependency, if one failed. */
function failedDependency(parts: readonly Argument[]): Error | undefined {
  for (const part of parts) {
    if (part.kind === 'entry' && part.entry.state === FAILED) return part.entry.value as Error
  }
  return undefined
}

function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function')
}
