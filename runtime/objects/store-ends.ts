// What the ends of I/O mean to the store: the arena has grown, objects were spilled or restored,
// files of their own were opened or sealed; or it failed. See store-state.ts for the invariants.
import { unreachable } from '../common/assert.ts'
import { ObjectCorruptedError, ObjectStoreFullError, StoppedError } from '../common/errors.ts'
import { blockBytesOf } from './arena.ts'
import type { EndOfIo, Entry, StoreEffect, StoreState } from './store-entry.ts'
import {
  answer,
  classify,
  doom,
  dropFromArena,
  grantWaiters,
  refuseWaiters,
  settle,
} from './store-pins.ts'
import { backOff, endBatch, moveBackInLine } from './store-room.ts'

type EventOf<T extends EndOfIo['type']> = Extract<EndOfIo, { readonly type: T }>

export function applyEndOfIo(state: StoreState, event: EndOfIo): StoreEffect[] {
  switch (event.type) {
    case 'grown':
      state.isGrowing = false
      state.arena.grow(event.sizeBytes)
      return []
    case 'growFailed':
      state.isGrowing = false
      state.capacityBytes = state.arena.sizeBytes
      return []
    case 'spilled':
      return spilled(state, event)
    case 'spillFailed':
      return spillFailed(state, event)
    case 'restored':
      return restored(state, event.key)
    case 'restoreFailed':
      return restoreFailed(state, event)
    case 'directOpened':
      return directOpened(state, event)
    case 'directSealed':
      return directSealed(state, event)
    case 'directFailed':
      return directFailed(state, event)
    default:
      return unreachable(event)
  }
}

function spilled(state: StoreState, { batch, ranges }: EventOf<'spilled'>): StoreEffect[] {
  state.progressAtMs = state.nowMs
  state.spillBackoffMs = 0
  state.spillError = undefined
  return endBatch(state, batch).flatMap((entry, index) => {
    entry.range = ranges[index]
    state.totals.spilledCount += 1
    state.totals.spilledBytes += entry.sizeBytes
    classify(state, entry)
    const told: StoreEffect[] =
      entry.range === undefined || entry.phase !== 'SEALED'
        ? []
        : [{ type: 'spilledTo', id: entry.id, range: entry.range }]
    return [...told, ...settle(state, entry)]
  })
}

function spillFailed(state: StoreState, { batch, error }: EventOf<'spillFailed'>): StoreEffect[] {
  // Stopped: everybody had lost interest, and the disk is as good as before.
  if (!(error instanceof StoppedError)) backOff(state, error)
  return endBatch(state, batch).flatMap((entry) => {
    classify(state, entry)
    return settle(state, entry)
  })
}

function restored(state: StoreState, key: number): StoreEffect[] {
  const entry = state.byKey.get(key)
  if (entry === undefined) return []
  entry.io = 'NONE'
  entry.isDamaged = false
  state.totals.restoredCount += 1
  state.totals.restoredBytes += entry.sizeBytes
  const effects = grantWaiters(state, entry)
  classify(state, entry)
  return [...effects, ...settle(state, entry)]
}

/** F41. The waiters hear why; a later pin tries again, as a disk may come back. */
function restoreFailed(state: StoreState, { key, error }: EventOf<'restoreFailed'>): StoreEffect[] {
  const entry = state.byKey.get(key)
  if (entry === undefined) return []
  entry.io = 'NONE'
  entry.isDamaged = error instanceof ObjectCorruptedError
  dropFromArena(state, entry)
  return [...refuseWaiters(state, entry, error), ...settle(state, entry)]
}

function directOpened(state: StoreState, { key, path }: EventOf<'directOpened'>): StoreEffect[] {
  const entry = state.byKey.get(key)
  if (entry === undefined) return []
  entry.io = 'NONE'
  entry.directPath = path
  if (entry.phase === 'DYING') return settle(state, entry)
  const { sizeBytes } = entry
  return answer(entry, (requestId) => ({
    type: 'created',
    requestId,
    place: { offset: 0, sizeBytes, path },
  }))
}

function directSealed(state: StoreState, { key, range }: EventOf<'directSealed'>): StoreEffect[] {
  const entry = state.byKey.get(key)
  if (entry === undefined) return []
  entry.io = 'NONE'
  entry.directPath = undefined
  entry.range = range
  entry.isInFile = true
  state.totals.spilledCount += 1
  state.totals.spilledBytes += entry.sizeBytes
  const effects = answer(entry, (requestId) => ({ type: 'sealed', requestId }))
  return [...effects, ...grantWaiters(state, entry), ...settle(state, entry)]
}

function directFailed(state: StoreState, { key, error }: EventOf<'directFailed'>): StoreEffect[] {
  const entry = state.byKey.get(key)
  if (entry === undefined) return []
  const { sizeBytes, io, phase } = entry
  if (io === 'OPENING' && phase === 'CREATED' && fits(state, entry)) {
    moveBackInLine(state, entry)
    return []
  }
  entry.io = 'NONE'
  const reason =
    io === 'SEALING'
      ? error
      : new ObjectStoreFullError(
          `An object of ${sizeBytes} B has no room in the object store of ` +
            `${state.capacityBytes} B, and the spill place cannot take it: ${error.message}`,
          { cause: error, data: { sizeBytes, capacityBytes: state.capacityBytes } },
        )
  const effects = answer(entry, (requestId) => ({ type: 'refused', requestId, error: reason }))
  return [...effects, ...refuseWaiters(state, entry, reason), ...doom(state, entry)]
}

const fits = ({ capacityBytes }: StoreState, { sizeBytes }: Entry): boolean =>
  blockBytesOf(sizeBytes) <= capacityBytes
