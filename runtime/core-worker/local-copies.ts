// What wait({ fetchLocal }) brings to this node: copies of stored objects of other nodes.
// Invariants:
//   LC1. What has come once counts as here, though it may be dropped for room later: a ref that a
//        wait has told ready stays so. So does what cannot be read: get tells why.
//   LC2. One wait has READS_AT_ONCE_MAX on their way at a time, and begins none once it has ended.
//   LC3. What no wait wants any more is given up after a while: a loop of waits is back by then, or
//        has twice as long the next time, so that it gets there however rarely it looks.
// Source: Ray wait_manager.h, core_worker.cc (Wait with fetch_local).
import type { Clock, Timer } from '../common/clock.ts'
import { READS_AT_ONCE_MAX } from '../common/limits.ts'
import { STORED, type ObjectEntry, type StoredAt } from './object-entry.ts'
import type { Fetching } from './store-client.ts'

/** LC3. Longer than loops pause, and short beside what a link is busy with for nothing. */
const UNWANTED_MS = 10_000

export interface LocalCopiesDeps {
  readonly clock: Pick<Clock, 'after'>
  /** This node, in hex; undefined where there is one: all is here. */
  readonly here: string | undefined
  fetch(this: void, stored: StoredAt): Fetching
  /** It could not be. @returns whether it will be complete again */
  lost(this: void, entry: ObjectEntry, error: unknown): boolean
}

/** A fetch, for all waits that want it. */
interface Running {
  readonly stored: StoredAt
  /** Resolves once it is here, is pending again, or was given up. */
  readonly ended: Promise<void>
  readonly leave: () => void
  waits: number
  isLeft: boolean
  /** While no wait wants it. */
  timer: Timer | undefined
}

export class LocalCopies {
  readonly #deps: LocalCopiesDeps
  /** LC1. By what is stored, as its entry has it: made again, it is another. */
  readonly #came = new WeakSet<StoredAt>()
  /** As many as waits wanted within the time of LC3. */
  readonly #running = new Map<StoredAt, Running>()
  /** LC3. Of what was given up before. */
  readonly #unwantedMs = new WeakMap<StoredAt, number>()

  constructor(deps: LocalCopiesDeps) {
    this.#deps = deps
  }

  get hasNodes(): boolean {
    return this.#deps.here !== undefined
  }

  /** Whether it is complete, and what is stored of it is on this node. */
  readonly has = (entry: ObjectEntry): boolean => {
    if (entry.state !== STORED) return !entry.pending
    const { here } = this.#deps
    const stored = entry.value as StoredAt
    return here === undefined || (stored.nodeId ?? here) === here || this.#came.has(stored)
  }

  /** Of one wait. @param came  called with an entry that is here now, or is pending again. */
  fetches(came: (entry: ObjectEntry) => void): Fetches {
    return new Fetches(
      {
        want: (entry) => this.#want(entry),
        leave: (running) => {
          this.#leave(running)
        },
      },
      came,
    )
  }

  #want(entry: ObjectEntry): Running {
    const stored = entry.value as StoredAt
    const running = this.#running.get(stored) ?? this.#begin(entry, stored)
    running.waits += 1
    running.timer?.cancel()
    running.timer = undefined
    return running
  }

  #begin(entry: ObjectEntry, stored: StoredAt): Running {
    const { done, leave } = this.#deps.fetch(stored)
    const ended = done.then(
      () => {
        this.#ended(running, true)
      },
      (error: unknown) => {
        this.#ended(running, running.isLeft || !this.#deps.lost(entry, error))
      },
    )
    const running: Running = {
      ...{ stored, ended, leave, waits: 0, isLeft: false, timer: undefined },
    }
    this.#running.set(stored, running)
    return running
  }

  #ended(running: Running, isHere: boolean): void {
    const { stored, isLeft, timer } = running
    if (isLeft) return
    timer?.cancel()
    this.#running.delete(stored)
    if (isHere) this.#came.add(stored)
  }

  /** LC3. */
  #leave(running: Running): void {
    const { stored } = running
    running.waits -= 1
    if (running.waits > 0 || this.#running.get(stored) !== running) return
    const afterMs = this.#unwantedMs.get(stored) ?? UNWANTED_MS
    running.timer = this.#deps.clock.after(afterMs, () => {
      running.isLeft = true
      this.#running.delete(stored)
      this.#unwantedMs.set(stored, 2 * afterMs)
      running.leave()
    })
  }
}

interface Shared {
  want(entry: ObjectEntry): Running
  leave(running: Running): void
}

class Fetches {
  readonly #shared: Shared
  readonly #came: (entry: ObjectEntry) => void
  /** Bounded by what the wait was given. */
  #queue: ObjectEntry[] = []
  #next = 0
  readonly #running = new Set<Running>()

  constructor(shared: Shared, came: (entry: ObjectEntry) => void) {
    this.#shared = shared
    this.#came = came
  }

  add(entry: ObjectEntry): void {
    this.#queue.push(entry)
    this.#begin()
  }

  stop(): void {
    this.#queue = []
    this.#next = 0
    for (const running of this.#running) this.#shared.leave(running)
    this.#running.clear()
  }

  #begin(): void {
    while (this.#running.size < READS_AT_ONCE_MAX && this.#next < this.#queue.length) {
      const entry = this.#queue[this.#next++] as ObjectEntry
      const running = this.#shared.want(entry)
      this.#running.add(running)
      void running.ended.then(() => {
        if (!this.#running.delete(running)) return // the wait has ended
        this.#begin()
        this.#came(entry)
      })
    }
  }
}
