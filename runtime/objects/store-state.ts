// The brain of a node's object store, as a pure state machine: which objects there are, where, who
// holds them, who waits for room.
//   in   StoreEvent      a request, a client's exit, the end of an I/O, a timer; and the time
//   out  StoreEffect[]   in the order they must be performed; ends of I/O come back as events
// Invariants, asserted by check() (store-check.ts) after every step in tests and simulation:
//   T1. allocated + free = the arena, and every allocated block belongs to exactly one entry.
//   T2. The memory of a pinned object stays where it is: it is not dropped and not recycled.
//   T3. Memory and ranges are recycled only when every pin was released or its process has exited,
//       and no I/O runs on them.
//   T4. A client that pins an id pins every entry of that id which it was ever given, until it
//       has released them all: an object made again under its id cannot loosen an older mapping.
//   T5. Requests for room are served first come first served; some that wait for long leave the
//       line (T8).
//   T6. Above the threshold, unpinned primaries are spilled, least recently used first. What is
//       spilled stays in the arena until its room is needed.
//   T7. A request waits at most until nothing was freed or spilled for fullTimeoutMs.
//   T8. A copy of another node's object does so for FILE_AFTER_MS at most, then goes into a file;
//       at once where one before it did and nothing was freed, spilled or dropped since. So does
//       what is to be put where there is room for it, but not in one piece.
// Source: Ray object_lifecycle_manager.h, local_object_manager.h; Dask worker_state_machine.py.
import { StoppedError, UsageError } from '../common/errors.ts'
import { ArenaAllocator, blockBytesOf } from './arena.ts'
import { applyEndOfIo } from './store-ends.ts'
import type {
  CreateRequest,
  Entry,
  StoreEffect,
  StoreEvent,
  StoreOptions,
  StoreState,
} from './store-entry.ts'
import { ROOM_QUEUE_MAX, lineFull } from './store-full.ts'
import {
  answer,
  classify,
  doom,
  grant,
  notFound,
  setOwner,
  unpin,
  unpinAll,
  unqueue,
} from './store-pins.ts'
import { expire, makeRoom, moveToFiles, nextTimerAtMs, queueCreate } from './store-room.ts'

export { nextTimerAtMs }

type EventOf<T extends StoreEvent['type']> = Extract<StoreEvent, { readonly type: T }>

/** @param committedBytes  how much of the arena is there from the start. */
export function createStoreState(options: StoreOptions, committedBytes: number): StoreState {
  return {
    options,
    arena: new ArenaAllocator(committedBytes),
    capacityBytes: options.capacityBytes,
    sealed: new Map(),
    creating: new Map(),
    byKey: new Map(),
    owned: new Map(),
    pins: new Map(),
    queue: [],
    queuedCreates: new Map(),
    awaited: new Set(),
    spillable: new Set(),
    evictable: new Set(),
    batches: new Map(),
    evictableBytes: 0,
    pinnedBytes: 0,
    spillingBytes: 0,
    isGrowing: false,
    nextKey: 1,
    nowMs: 0,
    progressAtMs: 0,
    filedAtMs: -Infinity,
    spillNotBeforeMs: 0,
    spillBackoffMs: 0,
    spillError: undefined,
    askedAtMs: -Infinity,
    totals: {
      createdCount: 0,
      createdBytes: 0,
      freedCount: 0,
      spilledCount: 0,
      spilledBytes: 0,
      restoredCount: 0,
      restoredBytes: 0,
      evictedCount: 0,
      sentBytes: 0,
    },
  }
}

/** False: everything that a batch writes was freed meanwhile. */
export function isBatchWanted(state: StoreState, batch: number): boolean {
  return state.batches.get(batch)?.some(({ phase }) => phase !== 'DYING') === true
}

/** Takes one event into the state. @returns what is to be done about it. */
export function step(state: StoreState, event: StoreEvent, nowMs: number): StoreEffect[] {
  state.nowMs = nowMs
  const effects = apply(state, event)
  effects.push(...makeRoom(state))
  return effects
}

function apply(state: StoreState, event: StoreEvent): StoreEffect[] {
  switch (event.type) {
    case 'create':
      return create(state, event)
    case 'seal':
      return seal(state, event)
    case 'abort':
      return abort(state, event.id)
    case 'keep':
      return keep(state, event.id, event.owner)
    case 'pin':
      return pin(state, event)
    case 'unpin':
      return unpin(state, event)
    case 'free':
      return event.ids.flatMap((id, i) => free(state, id, event.agesMs?.[i] ?? 0))
    case 'clientExited':
      return clientExited(state, event.clientId)
    case 'timer':
      return [...moveToFiles(state), ...expire(state)]
    default:
      return applyEndOfIo(state, event)
  }
}

function create(state: StoreState, event: EventOf<'create'>): StoreEffect[] {
  const { requestId, clientId, id, sizeBytes, isPrimary, owner } = event
  const refuse = (error: Error): StoreEffect[] => [{ type: 'refused', requestId, error }]
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    return refuse(new UsageError(`An object cannot have ${sizeBytes} B.`, { data: { sizeBytes } }))
  }
  if (state.creating.has(id) || state.queuedCreates.has(id)) {
    const message = 'This object is being made already. Abort or seal it before it is made again.'
    return refuse(new UsageError(message))
  }
  if (state.queue.length >= ROOM_QUEUE_MAX) return refuse(lineFull(sizeBytes, state.capacityBytes))
  const sinceMs = state.nowMs
  const request = { requestId, clientId, id, sizeBytes, isPrimary, owner, sinceMs }
  queueCreate(state, { kind: 'create', ...request, isFileless: false, isFreed: false })
  return []
}

function seal(state: StoreState, { id, requestId }: EventOf<'seal'>): StoreEffect[] {
  const entry = state.creating.get(id)
  if (entry === undefined || entry.io === 'OPENING') {
    // Sealing twice is harmless: nothing of it can have changed since.
    if (state.sealed.has(id)) return [{ type: 'sealed', requestId }]
    return [{ type: 'refused', requestId, error: notFound(id) }]
  }
  const former = state.sealed.get(id)
  const effects = former === undefined ? [] : doom(state, former)
  if (entry.isFreed) return [...effects, ...doom(state, entry), { type: 'sealed', requestId }]
  state.creating.delete(id)
  state.sealed.set(id, entry)
  entry.phase = 'SEALED'
  if (entry.directPath === undefined) {
    classify(state, entry)
    effects.push({ type: 'sealed', requestId })
    return effects
  }
  entry.io = 'SEALING'
  entry.requestId = requestId
  const { key, directPath, sizeBytes } = entry
  effects.push({ type: 'sealDirect', key, path: directPath, sizeBytes })
  return effects
}

function abort(state: StoreState, id: string): StoreEffect[] {
  const error = new StoppedError('The object was aborted before the store had made room for it.')
  const queued = state.queuedCreates.get(id)
  if (queued !== undefined) return [cancelCreate(state, queued, error)]
  const entry = state.creating.get(id)
  return entry === undefined ? [] : discard(state, entry, error)
}

/** A copy is from now on the one that may not be dropped, and outlives who had it made or read. */
function keep(state: StoreState, id: string, owner: string): StoreEffect[] {
  const entry = state.sealed.get(id)
  if (entry === undefined) return []
  setOwner(state, entry, owner)
  entry.isPrimary = true
  classify(state, entry)
  return []
}

/** Ends an unsealed entry, and the create that may still wait for its file. */
function discard(state: StoreState, entry: Entry, error: Error): StoreEffect[] {
  const effects = answer(entry, (requestId) => ({ type: 'refused', requestId, error }))
  return [...effects, ...doom(state, entry)]
}

function cancelCreate(state: StoreState, request: CreateRequest, error: Error): StoreEffect {
  state.queuedCreates.delete(request.id)
  state.queue.splice(state.queue.indexOf(request), 1)
  return { type: 'refused', requestId: request.requestId, error }
}

function pin(state: StoreState, event: EventOf<'pin'>): StoreEffect[] {
  const { requestId, clientId, id } = event
  const entry = state.sealed.get(id)
  if (entry === undefined) return [{ type: 'refused', requestId, error: notFound(id) }]
  const isComing = entry.io === 'SEALING' || entry.io === 'QUEUED' || entry.io === 'RESTORING'
  // It may have been spilled before the arena was found to be smaller.
  const isTooLarge = blockBytesOf(entry.sizeBytes) > state.capacityBytes
  const isReadable = entry.offset !== undefined || entry.isInFile || isTooLarge
  if (!isComing && isReadable) return [grant(state, entry, event)]
  if (!isComing) {
    if (state.queue.length >= ROOM_QUEUE_MAX) {
      const error = lineFull(entry.sizeBytes, state.capacityBytes)
      return [{ type: 'refused', requestId, error }]
    }
    entry.io = 'QUEUED'
    const { sizeBytes } = entry
    state.queue.push({ kind: 'restore', entry, sizeBytes, sinceMs: state.nowMs })
  }
  entry.waiters.push({ requestId, clientId })
  state.awaited.add(entry)
  return []
}

/** What was made under that id since is another. */
function free(state: StoreState, id: string, ageMs: number): StoreEffect[] {
  const atMs = state.nowMs - ageMs
  const queued = state.queuedCreates.get(id)
  if (queued !== undefined && queued.sinceMs <= atMs) queued.isFreed = true
  const unsealed = state.creating.get(id)
  if (unsealed !== undefined && unsealed.madeAtMs <= atMs) unsealed.isFreed = true
  const entry = state.sealed.get(id)
  return entry === undefined || entry.madeAtMs > atMs ? [] : doom(state, entry)
}

function clientExited(state: StoreState, clientId: string): StoreEffect[] {
  const effects = unpinAll(state, clientId)
  const error = new StoppedError('The process that asked the object store for this has exited.')
  for (const entry of [...state.creating.values()]) {
    if (entry.creator === clientId) effects.push(...discard(state, entry, error))
  }
  const isGone = (waiter: { readonly clientId: string }): boolean => waiter.clientId === clientId
  for (const entry of [...state.awaited]) {
    for (const { requestId } of entry.waiters.filter(isGone)) {
      effects.push({ type: 'refused', requestId, error })
    }
    entry.waiters = entry.waiters.filter((waiter) => !isGone(waiter))
    if (entry.waiters.length > 0) continue
    state.awaited.delete(entry)
    if (entry.io === 'QUEUED') unqueue(state, entry)
  }
  for (const request of [...state.queuedCreates.values()]) {
    if (isGone(request)) effects.push(cancelCreate(state, request, error))
  }
  effects.push(...freeOwnedBy(state, clientId))
  return effects
}

/** Nobody can answer for what a process owned that has exited. */
function freeOwnedBy(state: StoreState, clientId: string): StoreEffect[] {
  for (const request of state.queuedCreates.values()) {
    if (request.owner === clientId) request.isFreed = true
  }
  const owned = [...(state.owned.get(clientId) ?? [])]
  for (const entry of owned) if (entry.phase === 'CREATED') entry.isFreed = true
  return owned.filter(({ phase }) => phase === 'SEALED').flatMap((entry) => doom(state, entry))
}
