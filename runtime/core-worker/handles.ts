// Handles that travel inside values and are counted, refs and actor handles: how the value codec
// carries them, and which entries stand behind them.
import { ByteReader } from '../protocol/byte-reader.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import type { ActorInfo } from '../protocol/actor-messages.ts'
import { handlesOf, type HandleCodec } from '../protocol/value-codec.ts'
import { actorEntryOf, actorTargetOf, isActorHandle } from './actor-handle.ts'
import { actorHandleOf } from './actor-calls.ts'
import type { CoreWorker } from './core-worker.ts'
import type { ObjectEntry } from './object-entry.ts'
import { entryIn, entryOf, isObjectRef, refOf, type ObjectRef } from './object-ref.ts'

const TAG_REF = 1
const TAG_ACTOR = 2

/** The entries that must live while a value with these handles is on its way. */
export function sharedEntries(handles: readonly object[]): ObjectEntry[] {
  const entries: ObjectEntry[] = []
  for (const handle of handles) {
    if (isObjectRef(handle)) entries.push(entryOf(handle))
    else if (isActorHandle(handle)) entries.push(actorEntryOf(handle))
  }
  return entries
}

/** The entries behind the handles inside an encoded value, in their order, registered here. */
export function handleEntriesOf(worker: CoreWorker, blob: Uint8Array): ObjectEntry[] {
  const entries: ObjectEntry[] = []
  for (const { tag, bytes } of handlesOf(blob)) {
    const isRef = tag === TAG_REF
    entries.push(isRef ? worker.references.decode(bytes) : decodeActor(worker, bytes).entry)
  }
  return entries
}

/** The ids of the refs inside an encoded value; undefined: it has no handles at all. */
export function refIdsIn(blob: Uint8Array): readonly string[] | undefined {
  const handles = handlesOf(blob)
  if (handles.length === 0) return undefined
  return handles.flatMap(({ tag, bytes }) =>
    tag === TAG_REF ? new ByteReader(bytes).string() : [],
  )
}

/** How refs and actor handles look inside values of this process. */
export function handleCodecs(worker: CoreWorker): readonly HandleCodec[] {
  return [
    {
      tag: TAG_REF,
      matches: isObjectRef,
      encode: (ref) => worker.references.encode(entryIn(ref as ObjectRef, worker.references)),
      decode: (bytes) => refOf(worker.references.decode(bytes), worker.references),
      handleOf: (entry) => refOf(entry as ObjectEntry, worker.references),
    },
    {
      tag: TAG_ACTOR,
      matches: isActorHandle,
      encode: (handle) => encodeActor(worker, handle),
      decode: (bytes) => {
        const { info, entry } = decodeActor(worker, bytes)
        return actorHandleOf(worker, info, entry)
      },
    },
  ]
}

function encodeActor(worker: CoreWorker, handle: object): Uint8Array {
  const { info, entry } = actorTargetOf(handle)
  const writer = new ByteWriter()
  const counted = entry.sharing !== undefined
  writer.u8(counted ? 1 : 0)
  writer.lengthPrefixed(counted ? worker.references.encode(entry) : new Uint8Array(0))
  // getIfExists may have found another actor than the one this handle asked for.
  worker.deps.plainCodec.encodeInto(writer, worker.registry.real(info), 'handle')
  return writer.take()
}

function decodeActor(
  worker: CoreWorker,
  bytes: Uint8Array,
): { info: ActorInfo; entry: ObjectEntry } {
  const reader = new ByteReader(bytes)
  const counted = reader.u8() === 1
  const entryBytes = reader.view(reader.varint())
  const info = worker.deps.plainCodec.decode(reader.view(reader.remaining)) as ActorInfo
  const entry = counted
    ? worker.references.decode(entryBytes)
    : worker.registry.entryOf(info.actorId, false)
  return { info, entry }
}
