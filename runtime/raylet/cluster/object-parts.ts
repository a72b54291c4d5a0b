// What another node reads of an object here: sealed, or as it comes in itself, which is how a
// broadcast tree hands on what has not wholly arrived.
import { ObjectCorruptedError } from '../../common/errors.ts'
import { SPILL_PIECE_BYTES } from '../../objects/spill.ts'
import type { ObjectPlace, ObjectStore } from '../../objects/store.ts'
import type { ObjectRange } from './bulk-lanes.ts'
import type { PartSource } from './bulk-server.ts'
import type { IncomingObject } from './incoming-object.ts'

/** What this node is to its own store, as the maker of copies and the reader of what it gives. */
export const AS_CLIENT = 'another node'

/** @param incoming  the object on its way to here, if it is. */
export async function openPart(
  store: ObjectStore,
  { objectId, offset, sizeBytes }: ObjectRange,
  incoming: IncomingObject | undefined,
): Promise<PartSource> {
  const isComing = store.sizeOf(objectId) === undefined && incoming !== undefined
  const place = isComing ? await incoming.rangeCame(offset, sizeBytes) : undefined
  const end = offset + sizeBytes
  if (incoming === undefined || place === undefined) return await openSealed(store, objectId, end)
  const coming = readerOf(store, place, end)
  let sealed: PartSource | undefined
  return {
    read: async (at, count) => {
      if (incoming.isEnding) sealed ??= await openSealed(store, objectId, end)
      return await (sealed?.read(at, count) ?? coming(at, count))
    },
    close: () => {
      sealed?.close()
    },
  }
}

async function openSealed(store: ObjectStore, objectId: string, end: number): Promise<PartSource> {
  const place = await store.pin(AS_CLIENT, objectId)
  const read = readerOf(store, place, end)
  return {
    read: async (at, count) => {
      try {
        return await read(at, count)
      } catch (error) {
        if (error instanceof ObjectCorruptedError) store.damaged(objectId)
        throw error
      }
    },
    close: () => {
      store.unpin(AS_CLIENT, objectId)
    },
  }
}

/** Of a file a whole piece is read, and checked, at a time: what is sent is cut from the last. */
function readerOf(store: ObjectStore, place: ObjectPlace, end: number): PartSource['read'] {
  if (place.path === undefined) return (at, count) => store.partOf(place, at, count)
  let start = 0
  let piece: Uint8Array = new Uint8Array(0)
  return async (at, count) => {
    if (at < start || at + count > start + piece.byteLength) {
      piece = await store.partOf(place, at, Math.min(SPILL_PIECE_BYTES, end - at))
      start = at
    }
    return piece.subarray(at - start, at - start + count)
  }
}
