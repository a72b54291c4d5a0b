// What a store shows of itself to people and to the raylet (pure): its figures, its objects, and
// who waits for room.
import type { Entry, RoomRequest, StoreState, StoreTotals } from './store-entry.ts'

export interface ObjectStoreStats {
  readonly sizeBytes: number
  /** Backed by memory so far. */
  readonly committedBytes: number
  /** Allocated; what is also spilled and may be dropped at once included. */
  readonly usedBytes: number
  readonly droppableBytes: number
  readonly pinnedBytes: number
  readonly objectCount: number
  /** Requests that wait for room. */
  readonly waitingCount: number
  readonly totals: StoreTotals
}

/** Requests of one kind that wait for room. */
export interface StoreWait {
  /** To put, to read what was spilled, or to copy what another node has. */
  readonly kind: 'put' | 'restore' | 'copy'
  readonly count: number
  readonly oldestMs: number
}

export interface StoredObject {
  readonly objectId: string
  readonly sizeBytes: number
  readonly state: 'CREATED' | 'SEALED' | 'SPILLED' | 'SPILLING' | 'RESTORING' | 'FREED'
  /** How many clients pin it. */
  readonly pinnerCount: number
  /** The client that made it. */
  readonly creator: string
}

export function statsOf(state: StoreState): ObjectStoreStats {
  const { arena, capacityBytes, evictableBytes, pinnedBytes, sealed, queue, totals } = state
  return {
    sizeBytes: capacityBytes,
    committedBytes: arena.sizeBytes,
    usedBytes: arena.allocatedBytes,
    droppableBytes: evictableBytes,
    pinnedBytes,
    objectCount: sealed.size,
    waitingCount: queue.length,
    totals: { ...totals },
  }
}

export function waitsOf({ queue }: StoreState, nowMs: number): StoreWait[] {
  return Array.from(Map.groupBy(queue, kindOf), ([kind, requests]) => ({
    kind,
    count: requests.length,
    oldestMs: Math.round(nowMs - Math.min(...requests.map(({ sinceMs }) => sinceMs))),
  }))
}

function kindOf(request: RoomRequest): StoreWait['kind'] {
  if (request.kind === 'restore') return 'restore'
  return request.isPrimary ? 'put' : 'copy'
}

export function shown(entry: Entry): StoredObject {
  const { id, sizeBytes, phase, io, offset, pinnerCount, creator } = entry
  let state: StoredObject['state'] = phase === 'DYING' ? 'FREED' : phase
  if (state === 'SEALED' && io === 'SPILLING') state = 'SPILLING'
  else if (state === 'SEALED' && io === 'RESTORING') state = 'RESTORING'
  else if (state === 'SEALED' && offset === undefined) state = 'SPILLED'
  return { objectId: id, sizeBytes, state, pinnerCount, creator }
}
