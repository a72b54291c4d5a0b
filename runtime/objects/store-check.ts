// The invariants of store-state.ts, asserted: for tests and simulation, and nowhere else.
import { assert } from '../common/assert.ts'
import { blockBytesOf } from './arena.ts'
import type { Entry, StoreState } from './store-entry.ts'

/** @throws AssertionError naming what does not hold. */
export function check(state: StoreState): void {
  state.arena.check()
  checkMemory(state)
  checkPins(state)
  checkQueue(state)
  for (const entry of state.byKey.values()) checkEntry(state, entry)
  const owned = [...state.owned.values()].reduce((count, { size }) => count + size, 0)
  assert(owned === state.byKey.size, `${owned} entries have an owner, of ${state.byKey.size}`)
  for (const entry of state.sealed.values()) assert(entry.phase === 'SEALED', 'unsealed in sealed')
  for (const entry of state.creating.values()) assert(entry.phase === 'CREATED', 'sealed too early')
}

/** T1, and the sums that decisions rest on. */
function checkMemory(state: StoreState): void {
  const { arena, capacityBytes } = state
  const entries = [...state.byKey.values()]
  const inArena = entries.filter(({ offset }) => offset !== undefined)
  const sum = (chosen: readonly Entry[]): number =>
    chosen.reduce((total, { sizeBytes }) => total + blockBytesOf(sizeBytes), 0)
  assert(sum(inArena) === arena.allocatedBytes, 'the arena holds bytes of nobody')
  assert(new Set(inArena.map(({ offset }) => offset)).size === inArena.length, 'a shared block')
  assert(arena.sizeBytes <= capacityBytes, 'the arena is larger than its capacity')
  assert(sum([...state.evictable]) === state.evictableBytes, 'evictableBytes is wrong')
  const pinned = inArena.filter(({ pinnerCount }) => pinnerCount > 0)
  assert(sum(pinned) === state.pinnedBytes, 'pinnedBytes is wrong')
  const spilling = [...state.batches.values()].flat()
  assert(sum(spilling) === state.spillingBytes, 'spillingBytes is wrong')
  assert(
    spilling.every(({ io }) => io === 'SPILLING'),
    'a batch holds an idle entry',
  )
}

function checkEntry(state: StoreState, entry: Entry): void {
  const { io, phase, pinnerCount, waiters } = entry
  const name = `entry ${entry.key} (${phase}, ${io})`
  assert(state.owned.get(entry.owner)?.has(entry) === true, `${name} is not its owner's`)
  checkSets(state, entry, name)
  // T3: what nobody holds is gone.
  assert(phase !== 'DYING' || pinnerCount > 0 || io !== 'NONE', `${name} is held by nobody`)
  const isWaitedFor = io === 'QUEUED' || io === 'RESTORING' || io === 'SEALING'
  assert(waiters.length === 0 || isWaitedFor, `${name} has waiters and nothing under way`)
  assert(state.awaited.has(entry) === waiters.length > 0, `${name} awaited?`)
  if (phase === 'SEALED') assert(state.sealed.get(entry.id) === entry, `${name} cannot be found`)
}

function checkSets(state: StoreState, entry: Entry, name: string): void {
  const { io, phase, offset, range, pinnerCount } = entry
  const isIdle = phase === 'SEALED' && io === 'NONE' && pinnerCount === 0 && offset !== undefined
  const isDroppable = range !== undefined || !entry.isPrimary
  assert(state.evictable.has(entry) === (isIdle && isDroppable), `${name} evictable?`)
  assert(state.spillable.has(entry) === (isIdle && !isDroppable), `${name} spillable?`)
  // T2: who is pinned can be read.
  const isReadable = offset !== undefined || range !== undefined
  assert(pinnerCount === 0 || isReadable, `${name} is pinned and nowhere`)
  const isSomewhere = isReadable || entry.directPath !== undefined
  assert(phase !== 'SEALED' || isSomewhere, `${name} is nowhere`)
}

function checkPins(state: StoreState): void {
  const counts = new Map<Entry, number>()
  for (const groups of state.pins.values()) {
    for (const group of groups.values()) {
      assert(group.count > 0 && group.entries.length > 0, 'an empty pin group')
      for (const entry of group.entries) counts.set(entry, (counts.get(entry) ?? 0) + 1)
    }
  }
  for (const [entry] of counts) assert(state.byKey.has(entry.key), 'a pinned entry is gone')
  for (const entry of state.byKey.values()) {
    assert(entry.pinnerCount === (counts.get(entry) ?? 0), `entry ${entry.key} counts pins wrongly`)
  }
}

function checkQueue(state: StoreState): void {
  const creates = state.queue.filter((request) => request.kind === 'create')
  assert(creates.length === state.queuedCreates.size, 'queuedCreates is wrong')
  let sinceMs = -Infinity
  for (const request of state.queue) {
    assert(request.sinceMs >= sinceMs, 'the line is out of order')
    sinceMs = request.sinceMs
    if (request.kind === 'restore') {
      assert(request.entry.io === 'QUEUED', 'a queued restore is not QUEUED')
      assert(request.entry.waiters.length > 0, 'a restore for nobody')
    }
  }
}
