// What wait({ fetchLocal }) brings to this node: copies of stored objects of other nodes.
// Invariants:
//   LC1. What has come once counts as here, though it may be dropped for room later: a ref that a
//        wait has told ready stays so. So does what cannot be read: get tells why.
//   LC2. One wait has FETCHES_MAX on their way at a time, and begins none once it has ended.
// Source: Ray wait_manager.h, core_worker.cc (Wait with fetch_local).
import { STORED, type ObjectEntry, type StoredAt } from './object-entry.ts'

/** LC2. As many as a get reads at a time. */
const FETCHES_MAX = 64

export interface LocalCopiesDeps {
  /** This node, in hex; undefined where there is one: all is here. */
  readonly here: string | undefined
  /** Resolves once it can be read here. */
  fetch(this: void, stored: StoredAt): Promise<void>
  /** It could not be. @returns whether it will be complete again */
  lost(this: void, entry: ObjectEntry, error: unknown): boolean
}

export class LocalCopies {
  readonly #deps: LocalCopiesDeps
  /** LC1. By what is stored, as its entry has it: made again, it is another. */
  readonly #came = new WeakSet<StoredAt>()

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
    return new Fetches(async (entry) => {
      const stored = entry.value as StoredAt
      try {
        await this.#deps.fetch(stored)
      } catch (error) {
        if (this.#deps.lost(entry, error)) return
      }
      this.#came.add(stored)
    }, came)
  }
}

class Fetches {
  readonly #fetch: (entry: ObjectEntry) => Promise<void>
  readonly #came: (entry: ObjectEntry) => void
  /** Bounded by what the wait was given. */
  #queue: ObjectEntry[] = []
  #next = 0
  #runningCount = 0

  constructor(fetch: (entry: ObjectEntry) => Promise<void>, came: (entry: ObjectEntry) => void) {
    this.#fetch = fetch
    this.#came = came
  }

  add(entry: ObjectEntry): void {
    this.#queue.push(entry)
    this.#begin()
  }

  stop(): void {
    this.#queue = []
    this.#next = 0
  }

  #begin(): void {
    while (this.#runningCount < FETCHES_MAX && this.#next < this.#queue.length) {
      const entry = this.#queue[this.#next++] as ObjectEntry
      this.#runningCount += 1
      void this.#fetch(entry).then(() => {
        this.#runningCount -= 1
        this.#begin()
        this.#came(entry)
      })
    }
  }
}
