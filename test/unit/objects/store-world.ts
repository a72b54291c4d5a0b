// A world for store-state.ts to live in: clients that create, write, pin and die, an arena and a
// spill place whose bytes are tags, I/O that ends late, fails, or ends after everybody has left.
// It knows what every object must contain, and throws when a client would see anything else.
import { blockBytesOf } from '../../../runtime/objects/arena.ts'
import type { SpillRange } from '../../../runtime/objects/spill.ts'
import { check } from '../../../runtime/objects/store-check.ts'
import type {
  ObjectPlace,
  StoreEffect,
  StoreEvent,
  StoreOptions,
  StoreState,
} from '../../../runtime/objects/store-entry.ts'
import { createStoreState, nextTimerAtMs, step } from '../../../runtime/objects/store-state.ts'

const UNIT_BYTES = 64
const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n']
const CLIENTS = ['driver', 'worker 1', 'worker 2', 'worker 3']
const SIZES = [0, 1, 64, 100, 4096, 30_000, 65_536, 70_000, 130_000]

interface Draft {
  readonly clientId: string
  readonly id: string
  readonly place: ObjectPlace
  readonly tag: number
}

interface View {
  readonly clientId: string
  readonly id: string
  readonly place: ObjectPlace
  readonly tag: number
}

interface Asked {
  readonly type: 'create' | 'seal' | 'pin'
  readonly clientId: string
  readonly id: string
  readonly sizeBytes: number
}

type Io = Exclude<StoreEffect, { readonly requestId: number }>

/** Draws a number below `below`. */
export type Draw = (below: number) => number

export class StoreWorld {
  readonly state: StoreState
  readonly #draw: Draw
  readonly #memory: Int32Array
  /** Contents of spill files: a tag per range. */
  readonly #files = new Map<string, number>()
  readonly #ranges = new Map<SpillRange, number>()
  readonly #asked = new Map<number, Asked>()
  readonly #drafts: Draft[] = []
  /** What the newest sealed object of each id must contain. */
  readonly #sealed = new Map<string, number>()
  #views: View[] = []
  #running: Io[] = []
  #nowMs = 1000
  #nextRequestId = 1
  #nextTag = 1
  #capacityBytes: number
  readonly counts = {
    created: 0,
    pinned: 0,
    refused: 0,
    spilled: 0,
    restored: 0,
    seen: 0,
    failed: 0,
  }

  constructor(draw: Draw, options: StoreOptions) {
    this.#draw = draw
    this.#capacityBytes = options.capacityBytes
    this.#memory = new Int32Array(options.capacityBytes / UNIT_BYTES)
    this.state = createStoreState(options, 0)
  }

  /** One random thing happens. */
  turn(): void {
    const dice = this.#draw(100)
    if (dice < 22) this.#create()
    else if (dice < 38) this.#finishDraft()
    else if (dice < 58) this.#pin()
    else if (dice < 74) this.#unpin()
    else if (dice < 82) this.#free([this.#pick(IDS), this.#pick(IDS)])
    else if (dice < 84) this.#exit(this.#pick(CLIENTS))
    else if (dice < 96) this.#endIo(this.#draw(10) === 0)
    else this.#wait()
  }

  /** Everything ends well, everybody leaves: nothing may be left. */
  end(): void {
    for (let round = 0; this.#running.length > 0 || this.#asked.size > 0; round++) {
      if (round > 10_000) throw new Error(`${this.#asked.size} requests are never answered`)
      if (this.#running.length > 0) this.#endIo(false)
      else this.#wait()
    }
    for (const clientId of CLIENTS) this.#exit(clientId)
    this.#free(IDS)
    while (this.#running.length > 0) this.#endIo(false)
    const { arena, byKey, pins } = this.state
    if (arena.allocatedBytes > 0) throw new Error(`${arena.allocatedBytes} B leak in the arena`)
    if (byKey.size > 0 || pins.size > 0) throw new Error(`${byKey.size} entries leak`)
    if (this.#ranges.size > 0) throw new Error(`${this.#ranges.size} spilled ranges leak`)
    if (this.#files.size > 0) throw new Error(`${this.#files.size} direct files leak`)
  }

  /** Looks at everything that a client may look at. */
  look(): void {
    for (const view of this.#views) this.#see(view)
  }

  #create(): void {
    const id = this.#pick(IDS)
    const sizeBytes = this.#draw(40) === 0 ? this.#capacityBytes + 1 : this.#pick(SIZES)
    const requestId = this.#ask('create', this.#pick(CLIENTS), id, sizeBytes)
    const clientId = this.#asked.get(requestId)?.clientId ?? ''
    const isPrimary = this.#draw(8) > 0
    const owner = 'a process that stays'
    this.#step({ type: 'create', requestId, clientId, id, sizeBytes, isPrimary, owner })
  }

  /** A client has written what it created, or gives up. */
  #finishDraft(): void {
    const [draft] = this.#drafts.splice(this.#draw(this.#drafts.length), 1)
    if (draft === undefined) return
    const { clientId, id, place, tag } = draft
    this.#write(place, tag)
    if (this.#draw(8) === 0) {
      this.#step({ type: 'abort', id })
      return
    }
    const requestId = this.#ask('seal', clientId, id, tag)
    this.#step({ type: 'seal', requestId, id })
  }

  #pin(): void {
    const id = this.#pick(IDS)
    const clientId = this.#pick(CLIENTS)
    const requestId = this.#ask('pin', clientId, id, 0)
    this.#step({ type: 'pin', requestId, clientId, id })
  }

  #unpin(): void {
    const view = this.#views[this.#draw(this.#views.length)]
    if (view === undefined) {
      this.#step({ type: 'unpin', clientId: this.#pick(CLIENTS), id: this.#pick(IDS), count: 1 })
      return
    }
    this.#see(view)
    this.#views = this.#views.filter((other) => other !== view)
    this.#step({ type: 'unpin', clientId: view.clientId, id: view.id, count: 1 })
  }

  #free(ids: readonly string[]): void {
    for (const id of ids) this.#sealed.delete(id)
    this.#step({ type: 'free', ids })
  }

  #exit(clientId: string): void {
    this.#views = this.#views.filter((view) => view.clientId !== clientId)
    for (const draft of this.#drafts.filter((one) => one.clientId === clientId)) {
      this.#drafts.splice(this.#drafts.indexOf(draft), 1)
    }
    this.#step({ type: 'clientExited', clientId })
  }

  #wait(): void {
    const atMs = nextTimerAtMs(this.state)
    this.#nowMs = atMs === undefined ? this.#nowMs + this.#draw(1000) : Math.max(this.#nowMs, atMs)
    this.#step({ type: 'timer' })
  }

  #endIo(isFailure: boolean): void {
    const [io] = this.#running.splice(this.#draw(this.#running.length), 1)
    if (io === undefined) return
    const event = isFailure ? this.#failureOf(io) : this.#successOf(io)
    if (isFailure) this.counts.failed += 1
    if (event !== undefined) this.#step(event)
  }

  #failureOf(io: Io): StoreEvent | undefined {
    const error = new Error('injected')
    if (io.type === 'spill') return { type: 'spillFailed', batch: io.batch, error }
    if (io.type === 'restore') return { type: 'restoreFailed', key: io.key, error }
    if (io.type === 'openDirect') return { type: 'directFailed', key: io.key, error }
    if (io.type === 'sealDirect') return { type: 'directFailed', key: io.key, error }
    if (io.type === 'grow' && this.state.arena.sizeBytes > 0) {
      this.#capacityBytes = this.state.arena.sizeBytes
      return { type: 'growFailed' }
    }
    return this.#successOf(io)
  }

  #successOf(io: Io): StoreEvent | undefined {
    switch (io.type) {
      case 'grow':
        return { type: 'grown', sizeBytes: this.#draw(2) === 0 ? io.needBytes : io.wantBytes }
      case 'spill':
        return {
          type: 'spilled',
          batch: io.batch,
          ranges: io.items.map((item) => this.#keep(item)),
        }
      case 'restore': {
        const tag = this.#ranges.get(io.range)
        if (tag === undefined) throw new Error('a range is restored that was removed')
        this.#write({ offset: io.offset, sizeBytes: io.range.sizeBytes }, tag)
        this.counts.restored += 1
        return { type: 'restored', key: io.key }
      }
      case 'openDirect': {
        const path = `direct ${io.key}`
        this.#files.set(path, 0)
        return { type: 'directOpened', key: io.key, path }
      }
      case 'sealDirect': {
        const tag = this.#files.get(io.path) ?? -1
        this.#files.delete(io.path)
        const range = { path: io.path, offset: 0, sizeBytes: io.sizeBytes, checksum: tag }
        this.#ranges.set(range, tag)
        return { type: 'directSealed', key: io.key, range }
      }
      default:
        return undefined
    }
  }

  #keep({ offset, sizeBytes }: { offset: number; sizeBytes: number }): SpillRange {
    const tag = this.#memory[offset / UNIT_BYTES] ?? -1
    const range = { path: 'fused', offset, sizeBytes, checksum: tag }
    this.#ranges.set(range, tag)
    this.counts.spilled += 1
    return range
  }

  #step(event: StoreEvent): void {
    for (const effect of step(this.state, event, this.#nowMs)) this.#perform(effect)
  }

  #perform(effect: StoreEffect): void {
    if ('requestId' in effect) this.#answer(effect)
    else if (effect.type === 'removeRange') {
      if (!this.#ranges.delete(effect.range)) throw new Error('a range is removed twice')
      for (const { place } of this.#views) {
        if (place.path !== undefined && place.path === effect.range.path) {
          throw new Error('a range is removed that a client reads')
        }
      }
    } else if (effect.type === 'abortDirect') {
      if (!this.#files.delete(effect.path)) throw new Error('a direct file is aborted twice')
    } else if (effect.type === 'evicted') this.#sealed.delete(effect.id)
    else if (effect.type !== 'askRelease') this.#running.push(effect)
  }

  #answer(effect: Extract<StoreEffect, { readonly requestId: number }>): void {
    const asked = this.#asked.get(effect.requestId)
    if (asked === undefined) throw new Error(`request ${effect.requestId} is answered twice`)
    this.#asked.delete(effect.requestId)
    const { clientId, id, sizeBytes } = asked
    if (effect.type === 'refused') this.counts.refused += 1
    else if (effect.type === 'created') {
      this.counts.created += 1
      this.#drafts.push({ clientId, id, place: effect.place, tag: this.#nextTag++ })
    } else if (effect.type === 'sealed') {
      // A file may take so long to seal that the object was made again meanwhile.
      this.#sealed.set(id, Math.max(sizeBytes, this.#sealed.get(id) ?? 0))
    } else {
      this.counts.pinned += 1
      const { place } = effect
      const tag = this.#sealed.get(id)
      // Freed in the same step that granted it: it must still be readable.
      this.#views.push({ clientId, id, place, tag: tag ?? this.#read(place) })
      this.#see(this.#views[this.#views.length - 1])
    }
  }

  #ask(type: Asked['type'], clientId: string, id: string, sizeBytes: number): number {
    const requestId = this.#nextRequestId++
    this.#asked.set(requestId, { type, clientId, id, sizeBytes })
    return requestId
  }

  #write(place: ObjectPlace, tag: number): void {
    if (place.path !== undefined) {
      this.#files.set(place.path, tag)
      return
    }
    const units = blockBytesOf(place.sizeBytes) / UNIT_BYTES
    this.#memory.fill(tag, place.offset / UNIT_BYTES, place.offset / UNIT_BYTES + units)
  }

  #read({ path, offset, checksum }: ObjectPlace): number {
    return (path === undefined ? this.#memory[offset / UNIT_BYTES] : checksum) ?? -1
  }

  #see(view: View | undefined): void {
    if (view === undefined) return
    const { place, tag, id, clientId } = view
    this.counts.seen += 1
    const first = this.#read(place)
    const isWhole = place.path !== undefined || this.#isAll(place, tag)
    if (first !== tag || !isWhole) {
      throw new Error(`${clientId} sees ${first} in ${id}, which is ${tag}`)
    }
  }

  #isAll({ offset, sizeBytes }: ObjectPlace, tag: number): boolean {
    const from = offset / UNIT_BYTES
    const end = from + blockBytesOf(sizeBytes) / UNIT_BYTES
    for (let unit = from; unit < end; unit++) if (this.#memory[unit] !== tag) return false
    return true
  }

  #pick<T>(from: readonly T[]): T {
    const [picked] = from.slice(this.#draw(from.length))
    if (picked === undefined) throw new Error('nothing to pick')
    return picked
  }
}

/** Plays a random program of `turnCount` turns, checking the invariants as it goes. */
export function play(draw: Draw, turnCount: number, options: StoreOptions): StoreWorld {
  const world = new StoreWorld(draw, options)
  const checkEvery = turnCount > 2000 ? 7 : 1
  for (let turn = 0; turn < turnCount; turn++) {
    world.turn()
    if (turn % checkEvery === 0) {
      check(world.state)
      world.look()
    }
  }
  world.end()
  check(world.state)
  return world
}
