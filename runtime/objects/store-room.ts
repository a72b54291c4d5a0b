// Room in the arena: requests for it wait in one line; the arena grows, drops copies that are also
// elsewhere, and spills, in this order, until the first in line can be served.
// Invariants (see store-state.ts): T5, T6, T7.
// Source: Ray local_object_manager.h (fused spilling), create_request_queue.h (the line).
import { PAGE_BYTES, blockBytesOf } from './arena.ts'
import type { CreateRequest, Entry, RoomRequest, StoreEffect, StoreState } from './store-entry.ts'
import { fullError, tooLarge } from './store-full.ts'
import {
  classify,
  dropFromArena,
  forget,
  grantWaiters,
  refuseWaiters,
  setOwner,
} from './store-pins.ts'

/** One fused file. Source: Ray min_spilling_size = 100 MB, max_fused_object_count = 2000. */
const BATCH_BYTES_MIN = 8 * 1024 * 1024
const BATCH_BYTES_MAX = 64 * 1024 * 1024
const BATCH_OBJECTS_MAX = 2000
/** Files written at a time. */
const BATCHES_MAX = 2
/** The arena grows by this at least: 15 ms of fallocate, measured 2026-11. */
const GROW_BYTES = 64 * 1024 * 1024
const SPILL_BACKOFF_MIN_MS = 1000
const SPILL_BACKOFF_MAX_MS = 30_000
const ASK_INTERVAL_MS = 200
/** T8. Source: Ray oom_grace_period_s = 2, then fallback allocation on disk. */
const FILE_AFTER_MS = 2000
/** Clients are asked to release only when what they pin is worth it. */
const ASK_PINNED_SHARE = 0.1

/** The last in line. */
export function queueCreate(state: StoreState, request: CreateRequest): void {
  state.queue.push(request)
  state.queuedCreates.set(request.id, request)
}

/** Serves whoever can be served, then spills what should be. To be called after every change. */
export function makeRoom(state: StoreState): StoreEffect[] {
  const effects: StoreEffect[] = []
  for (let head = state.queue[0]; head !== undefined; head = state.queue[0]) {
    if (!serve(state, head, effects)) break
    state.queue.shift()
    if (head.kind === 'create') state.queuedCreates.delete(head.id)
  }
  spill(state, effects)
  return effects
}

/** @returns whether the request needs no place in the line any more. */
function serve(state: StoreState, request: RoomRequest, effects: StoreEffect[]): boolean {
  if (blockBytesOf(request.sizeBytes) > state.capacityBytes) {
    if (request.kind === 'create') effects.push(createDirect(state, request))
    else {
      request.entry.io = 'NONE'
      effects.push(...grantWaiters(state, request.entry))
      classify(state, request.entry)
    }
    return true
  }
  const offset = findRoom(state, request.sizeBytes, effects)
  if (offset === undefined) return false
  if (request.kind === 'create') {
    const { requestId, sizeBytes } = request
    addEntry(state, request, { io: 'NONE', offset })
    effects.push({ type: 'created', requestId, place: { offset, sizeBytes } })
    return true
  }
  const { entry } = request
  entry.io = 'RESTORING'
  entry.offset = offset
  if (entry.range !== undefined) {
    effects.push({ type: 'restore', key: entry.key, range: entry.range, offset })
  }
  return true
}

function findRoom(
  state: StoreState,
  sizeBytes: number,
  effects: StoreEffect[],
): number | undefined {
  const { arena } = state
  for (;;) {
    const offset = arena.allocate(sizeBytes)
    if (offset !== undefined) return offset
    if (state.isGrowing) return undefined
    if (arena.sizeBytes < state.capacityBytes) {
      state.isGrowing = true
      effects.push(growFor(state, sizeBytes))
      return undefined
    }
    const [oldest] = state.evictable
    if (oldest === undefined) return undefined
    evict(state, oldest, effects)
  }
}

function growFor(state: StoreState, sizeBytes: number): StoreEffect {
  const committedBytes = state.arena.sizeBytes
  const pages = Math.ceil(blockBytesOf(sizeBytes) / PAGE_BYTES) + 1
  const needBytes = Math.min(state.capacityBytes, committedBytes + pages * PAGE_BYTES)
  const wantBytes = Math.min(state.capacityBytes, committedBytes + GROW_BYTES)
  return { type: 'grow', needBytes, wantBytes: Math.max(needBytes, wantBytes) }
}

function evict(state: StoreState, entry: Entry, effects: StoreEffect[]): void {
  dropFromArena(state, entry)
  state.filedAtMs = -Infinity // its reader has released it
  state.totals.evictedCount += 1
  if (entry.range !== undefined) return
  state.sealed.delete(entry.id)
  forget(state, entry)
  effects.push({ type: 'evicted', id: entry.id })
}

/** An object larger than the arena goes to the spill place at once; T8. */
function createDirect(state: StoreState, request: CreateRequest): StoreEffect {
  const { requestId, sizeBytes } = request
  if (!state.options.canSpill) {
    const error = tooLarge(sizeBytes, state.capacityBytes)
    return { type: 'refused', requestId, error }
  }
  const { key } = addEntry(state, request, { io: 'OPENING', offset: undefined })
  return { type: 'openDirect', key, sizeBytes }
}

function addEntry(
  state: StoreState,
  request: CreateRequest,
  { io, offset }: Pick<Entry, 'io' | 'offset'>,
): Entry {
  const { id, sizeBytes, isPrimary, owner, clientId, requestId, isFreed, sinceMs } = request
  const entry: Entry = {
    key: state.nextKey++,
    id,
    sizeBytes,
    isPrimary,
    owner,
    creator: clientId,
    madeAtMs: sinceMs,
    phase: 'CREATED',
    io,
    offset,
    directPath: undefined,
    range: undefined,
    isInFile: false,
    pinnerCount: 0,
    waiters: [],
    requestId: io === 'OPENING' ? requestId : undefined,
    isFreed,
    isDamaged: false,
  }
  state.creating.set(id, entry)
  state.byKey.set(entry.key, entry)
  setOwner(state, entry, owner)
  state.totals.createdCount += 1
  state.totals.createdBytes += sizeBytes
  return entry
}

/** T6. Begins to spill when too much is in use, or when the first in line cannot be served. */
function spill(state: StoreState, effects: StoreEffect[]): void {
  const { options } = state
  let wantBytes = wantedBytes(state)
  if (wantBytes <= 0) return
  const isPinnedMuch = state.pinnedBytes > ASK_PINNED_SHARE * state.capacityBytes
  if (isPinnedMuch && state.nowMs - state.askedAtMs >= ASK_INTERVAL_MS) {
    state.askedAtMs = state.nowMs
    effects.push({ type: 'askRelease' })
  }
  if (!options.canSpill || state.nowMs < state.spillNotBeforeMs) return
  while (wantBytes > 0 && state.batches.size < BATCHES_MAX) {
    const batch = takeBatch(state, wantBytes)
    if (batch.length === 0) return
    const key = state.nextKey++
    for (const entry of batch) {
      entry.io = 'SPILLING'
      classify(state, entry)
      state.spillingBytes += blockBytesOf(entry.sizeBytes)
      wantBytes -= blockBytesOf(entry.sizeBytes)
    }
    state.batches.set(key, batch)
    const items = batch.map(({ offset = 0, sizeBytes }) => ({ offset, sizeBytes }))
    effects.push({ type: 'spill', batch: key, items })
  }
}

/** How much should become droppable that is not yet on its way. */
function wantedBytes(state: StoreState): number {
  const { arena, capacityBytes, evictableBytes, spillingBytes, options } = state
  const usedBytes = arena.allocatedBytes - evictableBytes - spillingBytes
  const overBytes = usedBytes - options.spillThreshold * capacityBytes
  const head = state.queue[0]
  if (head === undefined || state.isGrowing) return overBytes
  const lackBytes = blockBytesOf(head.sizeBytes) - arena.freeBytes - spillingBytes
  // Enough is free and yet it does not fit: the holes are too small, so make another.
  const fragmented = spillingBytes === 0 ? 1 : 0
  return Math.max(overBytes, lackBytes, fragmented)
}

/** The least recently used objects for one file; none while they would make too small a file. */
function takeBatch(state: StoreState, wantBytes: number): Entry[] {
  const minBytes = Math.min(BATCH_BYTES_MIN, state.capacityBytes / 16)
  const enoughBytes = Math.max(minBytes, Math.min(wantBytes, BATCH_BYTES_MAX))
  const batch: Entry[] = []
  let batchBytes = 0
  for (const entry of state.spillable) {
    const isOver = batch.length > 0 && batchBytes + entry.sizeBytes > BATCH_BYTES_MAX
    if (isOver || batchBytes >= enoughBytes || batch.length === BATCH_OBJECTS_MAX) break
    batch.push(entry)
    batchBytes += entry.sizeBytes
  }
  const isWorthIt = batchBytes >= minBytes || batch.length === BATCH_OBJECTS_MAX
  return isWorthIt || state.queue.length > 0 ? batch : []
}

/** Takes the entries of a finished write out of flight. */
export function endBatch(state: StoreState, key: number): readonly Entry[] {
  const batch = state.batches.get(key) ?? []
  state.batches.delete(key)
  for (const entry of batch) {
    entry.io = 'NONE'
    state.spillingBytes -= blockBytesOf(entry.sizeBytes)
  }
  return batch
}

/** F66. After a failed write the next is tried later, and ever later. */
export function backOff(state: StoreState, error: Error): void {
  const { spillBackoffMs } = state
  state.spillError = error
  state.spillBackoffMs = Math.min(
    SPILL_BACKOFF_MAX_MS,
    Math.max(SPILL_BACKOFF_MIN_MS, 2 * spillBackoffMs),
  )
  state.spillNotBeforeMs = state.nowMs + state.spillBackoffMs
}

/** T7. Refuses whoever has waited too long while nothing was freed or spilled. */
export function expire(state: StoreState): StoreEffect[] {
  const effects: StoreEffect[] = []
  for (let head = state.queue[0]; head !== undefined; head = state.queue[0]) {
    if (deadlineOf(state, head) > state.nowMs) break
    state.queue.shift()
    const error = fullError(state, head.sizeBytes)
    if (head.kind === 'create') {
      state.queuedCreates.delete(head.id)
      effects.push({ type: 'refused', requestId: head.requestId, error })
    } else {
      head.entry.io = 'NONE'
      effects.push(...refuseWaiters(state, head.entry, error))
    }
  }
  return effects
}

/** T8. */
export function moveToFiles(state: StoreState): StoreEffect[] {
  const due = [...movable(state).filter((request) => movesAtMs(state, request) <= state.nowMs)]
  if (due.length > 0) state.filedAtMs = state.nowMs
  return due.map((request) => {
    state.queue.splice(state.queue.indexOf(request), 1)
    state.queuedCreates.delete(request.id)
    return createDirect(state, request)
  })
}

/** T8. Its disk may be full now: room in the arena may come before that ends. */
export function moveBackInLine(state: StoreState, entry: Entry): void {
  const { id, sizeBytes, owner, isPrimary, isFreed, creator: clientId, requestId } = entry
  if (requestId === undefined) return
  forget(state, entry)
  state.creating.delete(id)
  const request = { requestId, clientId, id, sizeBytes, isPrimary, owner, isFreed }
  queueCreate(state, { kind: 'create', ...request, sinceMs: state.nowMs, isFileless: true })
}

/** T8. Those that may go into files: about what others pin here they can do nothing. */
function movable(state: StoreState): IteratorObject<CreateRequest> {
  const { options, queue } = state
  const isMovable = (request: RoomRequest): request is CreateRequest =>
    request.kind === 'create' &&
    !request.isFileless &&
    (!request.isPrimary || isScattered(state, request))
  return (options.hasFiles ? queue : []).values().filter(isMovable)
}

/** There is room for the first in line, but not in one piece. */
function isScattered({ queue, arena, capacityBytes }: StoreState, request: RoomRequest): boolean {
  if (request !== queue[0] || arena.sizeBytes < capacityBytes) return false
  return blockBytesOf(request.sizeBytes) <= arena.freeBytes
}

/** T8. Where one has waited in vain, and nothing was released since, the next need not. */
function movesAtMs(state: StoreState, { sinceMs }: RoomRequest): number {
  const { progressAtMs, filedAtMs, batches } = state
  if (filedAtMs >= progressAtMs && batches.size === 0) return sinceMs
  return Math.max(sinceMs, progressAtMs) + FILE_AFTER_MS
}

const deadlineOf = (state: StoreState, { sinceMs }: RoomRequest): number =>
  Math.max(sinceMs, state.progressAtMs) + state.options.fullTimeoutMs

/** When the event 'timer' is next needed. */
export function nextTimerAtMs(state: StoreState): number | undefined {
  const head = state.queue[0]
  const isOver = wantedBytes(state) > 0
  if (head === undefined && !isOver) return undefined
  const times: number[] = []
  if (head !== undefined) times.push(deadlineOf(state, head))
  const [first] = movable(state).take(1)
  if (first !== undefined) times.push(movesAtMs(state, first))
  if (state.spillNotBeforeMs > state.nowMs && state.spillable.size > 0) {
    times.push(state.spillNotBeforeMs)
  }
  const askAtMs = state.askedAtMs + ASK_INTERVAL_MS
  if (head !== undefined && askAtMs > state.nowMs) times.push(askAtMs)
  return times.length === 0 ? undefined : Math.min(...times)
}
