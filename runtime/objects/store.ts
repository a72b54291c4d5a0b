// The object store of a node: answers its clients as store-state.ts decides, and
// has store-io.ts do the rest. The raylet calls it for its clients; their bytes never pass
// through here.
// Invariants:
//   O1. Every request is answered, at the latest by `close`.
//   O2. One event at a time: the end of an I/O is an event like any other, and never re-enters.
import type { Clock, Timer } from '../common/clock.ts'
import { ProtocolError, StoppedError } from '../common/errors.ts'
import { ARENA_BYTES_MAX, PAGE_BYTES } from './arena.ts'
import type { PartPlace } from './arena-access.ts'
import type { SpillRange } from './spill.ts'
import { check } from './store-check.ts'
import type { Entry, ObjectPlace, StoreEffect, StoreEvent, StoreState } from './store-entry.ts'
import { StoreIo, type StoreIoDeps } from './store-io.ts'
import { createStoreState, isBatchWanted, nextTimerAtMs, step } from './store-state.ts'

import {
  shown,
  statsOf,
  waitsOf,
  type ObjectStoreStats,
  type StoreWait,
  type StoredObject,
} from './store-view.ts'

export type { ObjectPlace } from './store-entry.ts'
export type { ObjectStoreStats, StoreWait, StoredObject } from './store-view.ts'

export interface ObjectStoreDeps extends StoreIoDeps {
  readonly clock: Clock
  /** Absent: nobody is asked to let go, and clients are named by their ids. */
  readonly clients?: StoreClients
  /** A copy of another node's object was dropped. */
  readonly evicted?: (objectId: string) => void
}

/** What the store asks of, and about, its clients. */
export interface StoreClients {
  /** Asks all of them to collect garbage and to give up idle pins: ArenaClient.collect. */
  askRelease(): void
  /** An object has a copy there from now on, until it is freed. */
  spilled?(objectId: string, range: SpillRange): void
  /** Names one for a person to read. */
  describe(clientId: string): string
}

export interface ObjectStoreOptions {
  /** Bytes; rounded down to whole pages. At most the arena's, and 256 GiB. */
  readonly sizeBytes: number
  /** Share of sizeBytes above which objects are spilled. Default 0.8. */
  readonly spillThreshold?: number
  /** Default 30 s. */
  readonly fullTimeoutMs?: number
}

export interface CreateOptions {
  /** Default true. False: a copy of another node's object. */
  readonly isPrimary?: boolean
  /** The client with whose process the object ends. Default: who makes it. */
  readonly owner?: string
}

interface Pending {
  readonly resolve: (place: ObjectPlace) => void
  readonly reject: (error: Error) => void
}

const NOWHERE: ObjectPlace = { offset: 0, sizeBytes: 0 }

export class ObjectStore {
  readonly #deps: ObjectStoreDeps
  readonly #state: StoreState
  readonly #pending = new Map<number, Pending>()
  readonly #io: StoreIo
  #nextRequestId = 1
  #timer: Timer | undefined
  #timerAtMs = Infinity
  #isClosed = false

  constructor(deps: ObjectStoreDeps, options: ObjectStoreOptions) {
    this.#deps = deps
    const wantedBytes = Math.min(options.sizeBytes, deps.arena.sizeBytes, ARENA_BYTES_MAX)
    const capacityBytes = Math.floor(wantedBytes / PAGE_BYTES) * PAGE_BYTES
    this.#state = createStoreState(
      {
        capacityBytes,
        spillThreshold: options.spillThreshold ?? 0.8,
        fullTimeoutMs: options.fullTimeoutMs ?? 30_000,
        canSpill: deps.spill !== undefined,
        hasFiles: deps.spill?.hasFiles === true,
        describeClient: (clientId) => deps.clients?.describe(clientId) ?? clientId,
      },
      Math.min(capacityBytes, deps.arena.committedBytes),
    )
    this.#state.progressAtMs = deps.clock.monotonicMs()
    this.#io = new StoreIo(deps, (batch) => isBatchWanted(this.#state, batch))
  }

  /**
   * Makes room for an object, which its creator then writes and seals, or aborts.
   * Waits its turn while the store is full.
   * @param objectId  an opaque string. An object of this id that is sealed already stays readable
   *                  until the new one is sealed.
   * @param sizeBytes  what the creator will write.
   * @param o  isPrimary, owner.
   * @returns where to write: in the arena, or in the file `path` when it is larger than the arena.
   * @throws ObjectStoreFullError when nothing was freed or spilled for fullTimeoutMs, or when it
   * is larger than the arena and cannot be spilled; UsageError when it is being made already;
   * StoppedError when it was aborted or its creator has exited.
   */
  create(
    clientId: string,
    objectId: string,
    sizeBytes: number,
    { isPrimary = true, owner = clientId }: CreateOptions = {},
  ): Promise<ObjectPlace> {
    return this.#request((requestId) => ({
      type: 'create',
      requestId,
      clientId,
      id: objectId,
      sizeBytes,
      isPrimary,
      owner,
    }))
  }

  /**
   * Makes an object readable: its bytes never change again. It may be repeated.
   * @throws ObjectNotFoundError when it was never created; ObjectCorruptedError when its file is
   * not complete.
   */
  async seal(objectId: string): Promise<void> {
    await this.#request((requestId) => ({ type: 'seal', requestId, id: objectId }))
  }

  /** Gives up an object that is not sealed. Unknown ones are ignored. */
  abort(objectId: string): void {
    this.#handle({ type: 'abort', id: objectId })
  }

  /**
   * Keeps an object where it is until as many `unpin`s, or the exit of the client. Restores it
   * first when it is spilled.
   * @returns where to read: in the arena, or in the file `path`, then with its checksum.
   * @throws ObjectNotFoundError; ObjectCorruptedError when its spilled bytes are damaged;
   * ObjectStoreFullError as `create`.
   */
  pin(clientId: string, objectId: string): Promise<ObjectPlace> {
    return this.#request((requestId) => ({ type: 'pin', requestId, clientId, id: objectId }))
  }

  /** The size of a sealed object; undefined: there is none of that id, or it was found damaged. */
  sizeOf(objectId: string): number | undefined {
    const entry = this.#state.sealed.get(objectId)
    return entry?.isDamaged === true ? undefined : entry?.sizeBytes
  }

  /**
   * This node keeps its copy from now on, instead of the one that made it.
   * @param owner  with whom it ends, instead of who owned it.
   * @returns false when there is none.
   */
  keep(objectId: string, owner: string): boolean {
    this.#handle({ type: 'keep', id: objectId, owner })
    return this.#state.sealed.has(objectId)
  }

  /** What lies here, whole, of what that process owns. */
  ownedBy(clientId: string): string[] {
    const owned = [...(this.#state.owned.get(clientId) ?? [])]
    return owned.filter(({ phase }) => phase === 'SEALED').map(({ id }) => id)
  }

  /** Whether somebody makes it now, or waits for room to. */
  isMaking(objectId: string): boolean {
    return this.#state.creating.has(objectId) || this.#state.queuedCreates.has(objectId)
  }

  /** What this node has under an id, and may give to others; undefined: nothing. */
  holding(objectId: string): Pick<Entry, 'sizeBytes' | 'isPrimary' | 'owner'> | undefined {
    return this.#state.sealed.get(objectId)
  }

  /**
   * A part, for another node, of an object that is pinned at `place` or coming there: in place
   * where the arena allows it, or read from its file (SL4), then best a piece at a time.
   * @param spare  what it may be read into, as SpillPlace.readDirect.
   * @throws ObjectCorruptedError, CapacityError, of one that lies in a file; ProtocolError for a
   * part that ends behind it: what lies there in the arena is another's.
   */
  partOf(
    place: ObjectPlace,
    offset: number,
    sizeBytes: number,
    spare?: Uint8Array,
  ): Promise<Uint8Array> {
    if (offset + sizeBytes > place.sizeBytes) {
      const asked = `bytes ${offset} to ${offset + sizeBytes} of an object of ${place.sizeBytes} B`
      return Promise.reject(new ProtocolError(`${asked} were asked for`))
    }
    this.#state.totals.sentBytes += sizeBytes
    if (place.path !== undefined) {
      return this.#io.spill().readDirect(place.path, place.offset + offset, sizeBytes, spare)
    }
    return this.#deps.arena.read(place.offset + offset, sizeBytes)
  }

  /**
   * Where to put a part of an object that is being made at `place`. Into a file it goes when it is
   * `written`, which throws CapacityError when the disk is full.
   * @param spare  that long: for a part that does not go where it belongs by itself.
   */
  placeOfPart(
    place: ObjectPlace,
    offset: number,
    sizeBytes: number,
    spare?: Uint8Array,
  ): PartPlace {
    const { arena } = this.#deps
    const { path } = place
    const at = place.offset + offset
    if (path !== undefined) {
      const bytes = spare ?? Buffer.allocUnsafeSlow(sizeBytes)
      return { bytes, written: () => this.#io.spill().writeDirect(path, at, bytes) }
    }
    const inPlace = arena.writable?.(at, sizeBytes)
    if (inPlace !== undefined) return { bytes: inPlace }
    const bytes = spare ?? Buffer.allocUnsafeSlow(sizeBytes)
    return { bytes, written: () => arena.write(at, bytes) }
  }

  /** Gives up `count` pins. Those that are not held are ignored. */
  unpin(clientId: string, objectId: string, count = 1): void {
    this.#handle({ type: 'unpin', clientId, id: objectId, count })
  }

  /** Who read it from its file found other bytes than were written: it counts as none from now on. */
  damaged(objectId: string): void {
    const entry = this.#state.sealed.get(objectId)
    if (entry !== undefined) entry.isDamaged = true
  }

  /**
   * Nobody refers to these any more. Pinned ones go with their last pin. It may be repeated.
   * @param agesMs  of each, since when that is so. Default: 0.
   */
  free(objectIds: readonly string[], agesMs: readonly number[] = []): void {
    this.#handle({ type: 'free', ids: objectIds, agesMs })
  }

  /** The *process* of a client has exited, not merely its socket: its pins are void, and what it
   *  owned is freed. */
  clientExited(clientId: string): void {
    this.#handle({ type: 'clientExited', clientId })
  }

  stats(): ObjectStoreStats {
    return statsOf(this.#state)
  }

  /** Who waits for room, one entry for each kind. */
  waiting(): StoreWait[] {
    return waitsOf(this.#state, this.#deps.clock.monotonicMs())
  }

  /** Every object, those included that are freed and still pinned. */
  list(): StoredObject[] {
    return Array.from(this.#state.byKey.values(), shown)
  }

  /** Asserts the invariants; for tests and simulation. */
  check(): void {
    check(this.#state)
  }

  /** Refuses what waits, cuts the I/O under way short, deletes what was spilled, closes the arena. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    const error = new StoppedError('The object store of this node is closed: the node has stopped.')
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
    await this.#io.close()
  }

  #request(make: (requestId: number) => StoreEvent): Promise<ObjectPlace> {
    if (this.#isClosed) {
      return Promise.reject(new StoppedError('The object store of this node is closed.'))
    }
    return new Promise((resolve, reject) => {
      const requestId = this.#nextRequestId++
      this.#pending.set(requestId, { resolve, reject })
      this.#handle(make(requestId))
    })
  }

  #handle(event: StoreEvent): void {
    if (this.#isClosed) return
    for (const effect of step(this.#state, event, this.#deps.clock.monotonicMs())) {
      this.#perform(effect)
    }
    this.#armTimer()
  }

  #armTimer(): void {
    const atMs = nextTimerAtMs(this.#state) ?? Infinity
    if (atMs === this.#timerAtMs) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerAtMs = atMs
    if (atMs === Infinity) return
    const delayMs = Math.max(1, Math.ceil(atMs - this.#deps.clock.monotonicMs()))
    this.#timer = this.#deps.clock.after(delayMs, () => {
      this.#timerAtMs = Infinity
      this.#handle({ type: 'timer' })
    })
  }

  #perform(effect: StoreEffect): void {
    switch (effect.type) {
      case 'created':
      case 'pinned':
        this.#take(effect.requestId)?.resolve(effect.place)
        return
      case 'sealed':
        this.#take(effect.requestId)?.resolve(NOWHERE)
        return
      case 'refused':
        this.#take(effect.requestId)?.reject(effect.error)
        return
      case 'askRelease':
        this.#tell(() => this.#deps.clients?.askRelease())
        return
      case 'spilledTo':
        this.#tell(() => this.#deps.clients?.spilled?.(effect.id, effect.range))
        return
      case 'evicted':
        this.#tell(() => this.#deps.evicted?.(effect.id))
        return
      default:
        this.#io.start(effect, (event) => {
          this.#handle(event)
        })
    }
  }

  /** O2. The listener may well call the store. */
  #tell(listener: () => void): void {
    this.#deps.clock.microtask(listener)
  }

  #take(requestId: number): Pending | undefined {
    const pending = this.#pending.get(requestId)
    this.#pending.delete(requestId)
    return pending
  }
}
