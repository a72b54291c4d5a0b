// What the store knows: its objects, who pins them, who waits; and what goes in and out of it.
// Data only; store-state.ts changes it.
//
//        create        seal            write done
//   ──1──► CREATED ──2──► SEALED ──4──► SEALED + range ──5──► range only
//             │ abort       │              ▲                     │ pin
//             3             6 free         └──────────7──────────┘
//             ▼             ▼
//            DYING until nobody pins it and no I/O runs on it, then gone
import type { SpillRange } from './spill.ts'
import type { ArenaAllocator } from './arena.ts'

/** Where an object is to be written or read. */
export interface ObjectPlace {
  /** In the arena; in the file when there is a `path`. */
  readonly offset: number
  readonly sizeBytes: number
  /** A file, for an object that is larger than the arena, or a copy that found no room there. */
  readonly path?: string
  /** Of a sealed object in a file, for its reader to check. */
  readonly checksum?: number
}

export interface Entry {
  /** Unlike the id it is never used again. */
  readonly key: number
  readonly id: string
  readonly sizeBytes: number
  /** False for a copy of another node's object: dropped, not spilled, when room is needed. */
  isPrimary: boolean
  readonly creator: string
  /** When its room was asked for. */
  readonly madeAtMs: number
  /** The client with whose process it ends. */
  owner: string
  phase: 'CREATED' | 'SEALED' | 'DYING'
  /** What runs on it. OPENING and SEALING: its direct file. QUEUED: it waits for room. */
  io: 'NONE' | 'OPENING' | 'SEALING' | 'SPILLING' | 'QUEUED' | 'RESTORING'
  /** In the arena. */
  offset: number | undefined
  /** An unsealed file of its own. */
  directPath: string | undefined
  /** At the spill place. */
  range: SpillRange | undefined
  /** That is a sealed file of its own, in which it is read: it never comes into the arena. */
  isInFile: boolean
  /** How many clients pin it. */
  pinnerCount: number
  /** Pins that wait for it to be restored or sealed. */
  waiters: Waiter[]
  /** Of the create or seal that is not answered yet. */
  requestId: number | undefined
  /** It was freed before it was sealed. */
  isFreed: boolean
  /** F41. Its spilled bytes were not what was written, when they were read last. */
  isDamaged: boolean
}

export interface Waiter {
  readonly requestId: number
  readonly clientId: string
}

/** What one client pins under one id: more than one entry when the object was made again. */
export interface PinGroup {
  count: number
  readonly entries: Entry[]
}

export interface CreateRequest extends Waiter {
  readonly kind: 'create'
  readonly id: string
  readonly sizeBytes: number
  readonly isPrimary: boolean
  readonly owner: string
  readonly sinceMs: number
  /** No file could be had for it: it waits for room alone (T8). */
  readonly isFileless: boolean
  isFreed: boolean
}

export interface RestoreRequest {
  readonly kind: 'restore'
  readonly entry: Entry
  readonly sizeBytes: number
  readonly sinceMs: number
}

export type RoomRequest = CreateRequest | RestoreRequest

export interface StoreOptions {
  /** What the arena may grow to. */
  readonly capacityBytes: number
  /** Above this share of the capacity objects are spilled. */
  readonly spillThreshold: number
  /** A request for room fails when nothing was freed or spilled for so long. */
  readonly fullTimeoutMs: number
  /** False: there is no spill place. */
  readonly canSpill: boolean
  /** Whether that place takes objects in files of their own. */
  readonly hasFiles: boolean
  /** Names a client for a person to read. Default: its id. */
  readonly describeClient?: (clientId: string) => string
}

export interface StoreState {
  readonly options: StoreOptions
  readonly arena: ArenaAllocator
  /** Less than the option's after the arena could not grow. */
  capacityBytes: number
  readonly sealed: Map<string, Entry>
  readonly creating: Map<string, Entry>
  /** Every entry, DYING ones included. */
  readonly byKey: Map<number, Entry>
  /** The same by owner, so that an exit does not walk over the objects of all. */
  readonly owned: Map<string, Set<Entry>>
  /** By client, then by id. */
  readonly pins: Map<string, Map<string, PinGroup>>
  /** Requests for room, first come first served. */
  readonly queue: RoomRequest[]
  readonly queuedCreates: Map<string, CreateRequest>
  /** Entries that have waiters. */
  readonly awaited: Set<Entry>
  /** Unpinned, in the arena only; least recently used first. */
  readonly spillable: Set<Entry>
  /** Unpinned, in the arena, and droppable at once; least recently used first. */
  readonly evictable: Set<Entry>
  readonly batches: Map<number, readonly Entry[]>
  evictableBytes: number
  pinnedBytes: number
  spillingBytes: number
  isGrowing: boolean
  nextKey: number
  nowMs: number
  /** When bytes were last freed or spilled. */
  progressAtMs: number
  /** T8. When something last went into a file for want of room; -Infinity: some was released since. */
  filedAtMs: number
  spillNotBeforeMs: number
  spillBackoffMs: number
  spillError: Error | undefined
  askedAtMs: number
  readonly totals: StoreTotals
}

/** Counted since the start. */
export interface StoreTotals {
  createdCount: number
  createdBytes: number
  freedCount: number
  spilledCount: number
  spilledBytes: number
  restoredCount: number
  restoredBytes: number
  evictedCount: number
  /** Of this node's objects, to other nodes. */
  sentBytes: number
}

export type StoreEvent =
  | {
      readonly type: 'create'
      readonly requestId: number
      readonly clientId: string
      readonly id: string
      readonly sizeBytes: number
      readonly isPrimary: boolean
      readonly owner: string
    }
  | { readonly type: 'seal'; readonly requestId: number; readonly id: string }
  | { readonly type: 'abort'; readonly id: string }
  | { readonly type: 'keep'; readonly id: string; readonly owner: string }
  | {
      readonly type: 'pin'
      readonly requestId: number
      readonly clientId: string
      readonly id: string
    }
  | {
      readonly type: 'unpin'
      readonly clientId: string
      readonly id: string
      readonly count: number
    }
  | { readonly type: 'free'; readonly ids: readonly string[]; readonly agesMs?: readonly number[] }
  | { readonly type: 'clientExited'; readonly clientId: string }
  | { readonly type: 'timer' }
  | EndOfIo

export type EndOfIo =
  | { readonly type: 'grown'; readonly sizeBytes: number }
  | { readonly type: 'growFailed' }
  | {
      readonly type: 'spilled'
      readonly batch: number
      readonly ranges: readonly SpillRange[]
    }
  | { readonly type: 'spillFailed'; readonly batch: number; readonly error: Error }
  | { readonly type: 'restored'; readonly key: number }
  | { readonly type: 'restoreFailed'; readonly key: number; readonly error: Error }
  | { readonly type: 'directOpened'; readonly key: number; readonly path: string }
  | { readonly type: 'directSealed'; readonly key: number; readonly range: SpillRange }
  | { readonly type: 'directFailed'; readonly key: number; readonly error: Error }

export interface SpillItem {
  readonly offset: number
  readonly sizeBytes: number
}

export type StoreEffect =
  | { readonly type: 'created'; readonly requestId: number; readonly place: ObjectPlace }
  | { readonly type: 'sealed'; readonly requestId: number }
  | { readonly type: 'pinned'; readonly requestId: number; readonly place: ObjectPlace }
  | { readonly type: 'refused'; readonly requestId: number; readonly error: Error }
  /** Answer 'grown' with at least `needBytes`, better `wantBytes`; or 'growFailed'. */
  | { readonly type: 'grow'; readonly needBytes: number; readonly wantBytes: number }
  | { readonly type: 'spill'; readonly batch: number; readonly items: readonly SpillItem[] }
  | {
      readonly type: 'restore'
      readonly key: number
      readonly range: SpillRange
      readonly offset: number
    }
  | { readonly type: 'removeRange'; readonly range: SpillRange }
  | { readonly type: 'openDirect'; readonly key: number; readonly sizeBytes: number }
  | {
      readonly type: 'sealDirect'
      readonly key: number
      readonly path: string
      readonly sizeBytes: number
    }
  | { readonly type: 'abortDirect'; readonly path: string }
  /** Ask all clients to collect garbage and give up pins that they do not need. */
  | { readonly type: 'askRelease' }
  /** A copy of it lies there from now on. */
  | { readonly type: 'spilledTo'; readonly id: string; readonly range: SpillRange }
  /** A copy of another node's object was dropped. */
  | { readonly type: 'evicted'; readonly id: string }
