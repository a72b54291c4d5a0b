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

/** Room for a piece of a file, used again: fresh ones are garbage that V8 lets grow by 64 MiB. */
export class PieceSpares {
  readonly #spares: Uint8Array[] = []

  take(): Uint8Array {
    return this.#spares.pop() ?? Buffer.allocUnsafeSlow(SPILL_PIECE_BYTES)
  }

  give(spare: Uint8Array): void {
    if (this.#spares.length < SPARES_MAX) this.#spares.push(spare)
  }
}

/** One for each of the two that read from a holder in a tree of readers. */
const SPARES_MAX = 2

/** Where parts are read from. */
export interface PartsDeps {
  readonly store: ObjectStore
  readonly spares: PieceSpares
}

/** @param incoming  the object on its way to here, if it is. */
export async function openPart(
  deps: PartsDeps,
  { objectId, offset, sizeBytes }: ObjectRange,
  incoming: IncomingObject | undefined,
): Promise<PartSource> {
  const { store } = deps
  const isComing = store.sizeOf(objectId) === undefined && incoming !== undefined
  const place = isComing ? await incoming.rangeCame(offset, sizeBytes) : undefined
  const end = offset + sizeBytes
  if (incoming === undefined || place === undefined) return await openSealed(deps, objectId, end)
  const coming = readerOf(deps, place, end)
  let sealed: PartSource | undefined
  return {
    read: async (at, count) => {
      if (incoming.isEnding) sealed ??= await openSealed(deps, objectId, end)
      return await (sealed ?? coming).read(at, count)
    },
    close: () => {
      sealed?.close()
      coming.close()
    },
  }
}

async function openSealed(deps: PartsDeps, objectId: string, end: number): Promise<PartSource> {
  const { store } = deps
  const place = await store.pin(AS_CLIENT, objectId)
  const reader = readerOf(deps, place, end)
  return {
    read: async (at, count) => {
      try {
        return await reader.read(at, count)
      } catch (error) {
        if (error instanceof ObjectCorruptedError) store.damaged(objectId)
        throw error
      }
    },
    close: () => {
      reader.close()
      store.unpin(AS_CLIENT, objectId)
    },
  }
}

/** Of a file a whole piece is read, and checked, at a time: what is sent is cut from the last. */
function readerOf({ store, spares }: PartsDeps, place: ObjectPlace, end: number): PartSource {
  if (place.path === undefined) {
    return { read: (at, count) => store.partOf(place, at, count), close: () => undefined }
  }
  let start = 0
  let piece: Uint8Array = new Uint8Array(0)
  let spare: Uint8Array | undefined
  return {
    read: async (at, count) => {
      if (at < start || at + count > start + piece.byteLength) {
        spare ??= spares.take()
        piece = await store.partOf(place, at, Math.min(SPILL_PIECE_BYTES, end - at), spare)
        start = at
      }
      return piece.subarray(at - start, at - start + count)
    },
    close: () => {
      if (spare !== undefined) spares.give(spare)
      spare = undefined
    },
  }
}
