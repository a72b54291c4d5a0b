// What another node reads of an object here: sealed, or as it comes in itself, which is how a
// broadcast tree hands on what has not wholly arrived.
import type { ObjectStore } from '../../objects/store.ts'
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
  if (incoming === undefined || place === undefined) return await openSealed(store, objectId)
  let sealed: PartSource | undefined
  return {
    read: async (at, count) => {
      if (incoming.isEnding) sealed ??= await openSealed(store, objectId)
      return await (sealed?.read(at, count) ?? store.partOf(place, at, count))
    },
    close: () => {
      sealed?.close()
    },
  }
}

async function openSealed(store: ObjectStore, objectId: string): Promise<PartSource> {
  const place = await store.pin(AS_CLIENT, objectId)
  return {
    read: (at, count) => store.partOf(place, at, count),
    close: () => {
      store.unpin(AS_CLIENT, objectId)
    },
  }
}
