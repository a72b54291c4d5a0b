// Who holds what: pins by client and id, and the end of an entry that nobody holds any more.
// Invariants (see store-state.ts): T2, T3, T4.
import { assert } from '../common/assert.ts'
import { ObjectNotFoundError } from '../common/errors.ts'
import { blockBytesOf } from './arena.ts'
import type { Entry, ObjectPlace, PinGroup, StoreEffect, StoreState } from './store-entry.ts'

/** Puts an entry into the set it belongs to; to be called whenever that may have changed. */
export function classify(state: StoreState, entry: Entry): void {
  const isIdle = entry.phase === 'SEALED' && entry.io === 'NONE' && entry.pinnerCount === 0
  const isInArena = isIdle && entry.offset !== undefined
  const isDroppable = entry.range !== undefined || !entry.isPrimary
  const isEvictable = isInArena && isDroppable
  if (isEvictable !== state.evictable.has(entry)) {
    state.evictableBytes += (isEvictable ? 1 : -1) * blockBytesOf(entry.sizeBytes)
    if (isEvictable) state.evictable.add(entry)
    else state.evictable.delete(entry)
  }
  if (isInArena && !isDroppable) state.spillable.add(entry)
  else state.spillable.delete(entry)
}

/** Pins an entry whose bytes can be read now. */
export function grant(
  state: StoreState,
  entry: Entry,
  { requestId, clientId }: { readonly requestId: number; readonly clientId: string },
): StoreEffect {
  // A copy that came for one process is for all, once another of this node reads it.
  if (!entry.isPrimary && ![entry.owner, entry.creator].includes(clientId)) {
    setOwner(state, entry, entry.creator)
  }
  const group = groupOf(state, clientId, entry.id)
  group.count += 1
  if (!group.entries.includes(entry)) {
    group.entries.push(entry)
    addPinner(state, entry, 1)
  }
  return { type: 'pinned', requestId, place: readPlaceOf(entry) }
}

function groupOf(state: StoreState, clientId: string, id: string): PinGroup {
  let groups = state.pins.get(clientId)
  if (groups === undefined) {
    groups = new Map()
    state.pins.set(clientId, groups)
  }
  let group = groups.get(id)
  if (group === undefined) {
    group = { count: 0, entries: [] }
    groups.set(id, group)
  }
  return group
}

function readPlaceOf({ offset, sizeBytes, range }: Entry): ObjectPlace {
  if (offset !== undefined) return { offset, sizeBytes }
  assert(range !== undefined, 'a pinned object is neither in the arena nor spilled')
  return { offset: range.offset, sizeBytes, path: range.path, checksum: range.checksum }
}

function addPinner(state: StoreState, entry: Entry, change: 1 | -1): void {
  entry.pinnerCount += change
  const isFirstOrLast = entry.pinnerCount === (change === 1 ? 1 : 0)
  if (isFirstOrLast && entry.offset !== undefined) {
    state.pinnedBytes += change * blockBytesOf(entry.sizeBytes)
  }
  classify(state, entry)
}

/** Gives up `count` of a client's pins of an id. */
export function unpin(
  state: StoreState,
  {
    clientId,
    id,
    count,
  }: { readonly clientId: string; readonly id: string; readonly count: number },
): StoreEffect[] {
  const groups = state.pins.get(clientId)
  const group = groups?.get(id)
  if (groups === undefined || group === undefined) return []
  group.count -= count
  if (group.count > 0) return []
  groups.delete(id)
  if (groups.size === 0) state.pins.delete(clientId)
  return release(state, group)
}

/** Gives up all pins of a client: its process has exited. */
export function unpinAll(state: StoreState, clientId: string): StoreEffect[] {
  const groups = state.pins.get(clientId)
  if (groups === undefined) return []
  state.pins.delete(clientId)
  return [...groups.values()].flatMap((group) => release(state, group))
}

function release(state: StoreState, { entries }: PinGroup): StoreEffect[] {
  return entries.flatMap((entry) => {
    addPinner(state, entry, -1)
    return settle(state, entry)
  })
}

/** Begins the end of an entry: nobody finds it any more; it goes when nobody holds it. */
export function doom(state: StoreState, entry: Entry): StoreEffect[] {
  entry.phase = 'DYING'
  if (state.sealed.get(entry.id) === entry) state.sealed.delete(entry.id)
  if (state.creating.get(entry.id) === entry) state.creating.delete(entry.id)
  // An error is dear to make, and there is hardly ever anybody to hear it.
  const isAwaited = entry.waiters.length > 0
  const effects = isAwaited ? refuseWaiters(state, entry, notFound(entry.id)) : []
  if (entry.io === 'QUEUED') unqueue(state, entry)
  classify(state, entry)
  return [...effects, ...settle(state, entry)]
}

/** T3. Recycles what a DYING entry has, once nobody pins it and no I/O runs on it. */
export function settle(state: StoreState, entry: Entry): StoreEffect[] {
  if (entry.phase !== 'DYING' || entry.pinnerCount > 0 || entry.io !== 'NONE') return []
  const effects: StoreEffect[] = []
  dropFromArena(state, entry)
  if (entry.range !== undefined) effects.push({ type: 'removeRange', range: entry.range })
  if (entry.directPath !== undefined) {
    effects.push({ type: 'abortDirect', path: entry.directPath })
  }
  forget(state, entry)
  state.totals.freedCount += 1
  state.progressAtMs = state.nowMs
  // Room on the disk may be what a failed spill lacked.
  if (entry.range !== undefined) state.spillNotBeforeMs = state.nowMs
  return effects
}

/** To be found by nobody any more: nothing of it is left. */
export function forget(state: StoreState, entry: Entry): void {
  state.byKey.delete(entry.key)
  disown(state, entry)
}

function disown(state: StoreState, entry: Entry): void {
  const owned = state.owned.get(entry.owner)
  owned?.delete(entry)
  if (owned?.size === 0) state.owned.delete(entry.owner)
}

/** It ends with the process of that client from now on. */
export function setOwner(state: StoreState, entry: Entry, owner: string): void {
  disown(state, entry)
  entry.owner = owner
  const owned = state.owned.get(owner)
  if (owned === undefined) state.owned.set(owner, new Set([entry]))
  else owned.add(entry)
}

/** Gives the block of an unpinned entry back to the arena. */
export function dropFromArena(state: StoreState, entry: Entry): void {
  if (entry.offset === undefined) return
  assert(entry.pinnerCount === 0, 'the memory of a pinned object is recycled')
  state.arena.free(entry.offset)
  entry.offset = undefined
  classify(state, entry)
}

/** Takes a restore that has not begun out of the queue. */
export function unqueue(state: StoreState, entry: Entry): void {
  const index = state.queue.findIndex(
    (request) => request.kind === 'restore' && request.entry === entry,
  )
  if (index >= 0) state.queue.splice(index, 1)
  entry.io = 'NONE'
}

export function grantWaiters(state: StoreState, entry: Entry): StoreEffect[] {
  return takeWaiters(state, entry).map((waiter) => grant(state, entry, waiter))
}

export function refuseWaiters(state: StoreState, entry: Entry, error: Error): StoreEffect[] {
  return takeWaiters(state, entry).map(({ requestId }) => ({ type: 'refused', requestId, error }))
}

function takeWaiters(state: StoreState, entry: Entry): Entry['waiters'] {
  const { waiters } = entry
  entry.waiters = []
  state.awaited.delete(entry)
  return waiters
}

/** Answers the create or seal that an entry still owes an answer to. */
export function answer(entry: Entry, make: (requestId: number) => StoreEffect): StoreEffect[] {
  const { requestId } = entry
  entry.requestId = undefined
  return requestId === undefined ? [] : [make(requestId)]
}

/** B26. The same words for an id of another job, a forged one and a freed one. */
export const notFound = (id: string): ObjectNotFoundError =>
  new ObjectNotFoundError(
    'There is no such object in this store: its id was never made here, or it was freed, as nobody ' +
      'was known to hold a ref of it. Whoever held one all the time has lost it by a failure of the ' +
      'cluster, not by a mistake: have it made again.',
    { data: { objectId: Buffer.from(id, 'latin1').toString('hex') } },
  )
