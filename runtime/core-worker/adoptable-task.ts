// A task as another process can run it when its owner is gone: its spec, and what it depends on as
// refs that bring their own lineage along, so that its whole ancestry comes with it.
//   varint specLength · spec (task-spec.ts, without arguments) · varint argument count ·
//   per part: u8 INLINE · varint length · encoded arguments side by side
//           | u8 REF · varint length · ref (ref-lineage.ts)
import { toBytes, type ObjectId } from '../common/ids.ts'
import type { Hash } from '../common/random.ts'
import { ByteReader } from '../protocol/byte-reader.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import { readArgument } from '../protocol/task-frames.ts'
import type { Argument, EncodedArguments } from './arguments.ts'
import type { CoreWorker } from './core-worker.ts'
import { refIdsIn } from './handles.ts'
import type { ObjectEntry } from './object-entry.ts'
import { decodeSpec, encodeSpec, type TaskSpec } from './task-spec.ts'

const INLINE = 0
const REF = 1

/** What it calls and with what is left to try; its arguments are told beside it. */
type Call = Omit<TaskSpec, 'args' | 'dependencies'>

export interface AdoptableTask {
  readonly call: Call
  readonly args: EncodedArguments
  /** The same for every telling of the same call, wherever its refs have been. */
  readonly digest: string
}

/** @param args  all of them, those that are not complete yet as entries. */
export function encodeTask(
  worker: CoreWorker,
  call: Call,
  args: Pick<EncodedArguments, 'count' | 'parts'>,
): Uint8Array {
  const { deps, options, references } = worker
  const bare = { ...call, args: Buffer.alloc(0), dependencies: [] }
  const writer = new ByteWriter()
  writer.lengthPrefixed(encodeSpec(deps.plainCodec, bare, options.address))
  writer.varint(args.count)
  for (const part of args.parts) {
    writer.u8(part.kind === 'inline' ? INLINE : REF)
    writer.lengthPrefixed(part.kind === 'inline' ? part.bytes : references.encode(part.entry))
  }
  return writer.take()
}

/** The parts of a finished record. @param find  the entry of what it names by place. */
export function partsOf(
  record: Buffer,
  find: (objectId: ObjectId) => ObjectEntry,
): Pick<EncodedArguments, 'count' | 'parts'> {
  const reader = new ByteReader(record)
  const count = reader.varint()
  const parts: Argument[] = []
  let from = reader.position
  const cut = (to: number): void => {
    if (to > from) parts.push({ kind: 'inline', bytes: record.subarray(from, to) })
  }
  for (let left = count; left > 0; left -= 1) {
    const at = reader.position
    const argument = readArgument(reader)
    if (argument instanceof Uint8Array) continue
    const entry = find(argument.objectId)
    cut(at)
    from = reader.position
    parts.push({ kind: 'entry', entry })
  }
  cut(reader.position)
  return { count, parts }
}

/** @throws ProtocolError, DecodeError */
export function decodeTask(worker: CoreWorker, bytes: Uint8Array): AdoptableTask {
  const reader = new ByteReader(bytes)
  const {
    args: _none,
    dependencies: _nothing,
    ...call
  } = decodeSpec(worker, reader.lengthPrefixed())
  const count = reader.varint()
  const parts: Argument[] = []
  const holds: ObjectEntry[] = []
  const digested: Uint8Array[] = [identityBytes(call)]
  while (reader.remaining > 0) {
    const kind = reader.u8()
    const part = reader.lengthPrefixed()
    if (kind === INLINE) {
      digested.push(...withoutRefs(part))
      holds.push(...handlesIn(worker, part))
      parts.push({ kind: 'inline', bytes: Buffer.from(part) })
    } else {
      digested.push(toBytes(new ByteReader(part).string()))
      const entry = worker.references.decode(part)
      holds.push(entry)
      parts.push({ kind: 'entry', entry })
    }
  }
  const digest = digestOf(worker.deps.hash, digested)
  return { call, args: { packed: undefined, count, parts, holds }, digest }
}

function identityBytes({ kind }: Call): Uint8Array {
  const { home, ordinal, hash } = kind.identity()
  return Buffer.from(JSON.stringify([home, ordinal, hash, kind.method ?? null]))
}

/** What a process holds that holds these arguments. */
function handlesIn(worker: CoreWorker, part: Uint8Array): ObjectEntry[] {
  return argumentsIn(part).flatMap((blob) => [...worker.values.containedOf(blob)])
}

/** Arguments, and of those with refs inside only whose: what else a ref says depends on its way. */
const withoutRefs = (part: Uint8Array): Uint8Array[] =>
  argumentsIn(part).flatMap((blob) => refIdsIn(blob)?.map(toBytes) ?? [blob])

function argumentsIn(part: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(part)
  const blobs: Uint8Array[] = []
  while (reader.remaining > 0) {
    const argument = readArgument(reader)
    if (argument instanceof Uint8Array) blobs.push(argument)
  }
  return blobs
}

function digestOf(hash: Hash, parts: readonly Uint8Array[]): string {
  const writer = new ByteWriter()
  for (const part of parts) writer.lengthPrefixed(part)
  return Buffer.from(hash.sha256(writer.written())).toString('base64')
}
