// Virtual time for a cluster of thousands of processes: as the scheduler of the other simulations,
// without their stories, their faults and their look at everything after each event.
//   VT1. What falls on one instant runs together, in the order in which it was put; then all
//        promises that can settle have settled, before the next instant.
import type { Clock, Timer } from '../../../runtime/common/clock.ts'
import { EventHeap, type Due } from '../event-heap.ts'

/** Instants are this far apart, so that many events share one. */
const GRAIN_MS = 0.05
const EPOCH_MS = 1_700_000_000_000

interface Event extends Due {
  run: (() => void) | undefined
}

export class VirtualTime implements Clock {
  readonly #heap = new EventHeap<Event>()
  #nowMs = 0
  #nextSeq = 0

  nowMs(): number {
    return EPOCH_MS + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    return this.at(this.#nowMs + delayMs, run)
  }

  immediate(run: () => void): void {
    this.after(0, run)
  }

  microtask(run: () => void): void {
    queueMicrotask(run)
  }

  at(atMs: number, run: () => void): Timer {
    const instantMs = Math.ceil(Math.max(atMs, this.#nowMs) / GRAIN_MS) * GRAIN_MS
    const event: Event = { atMs: instantMs, seq: this.#nextSeq++, run }
    this.#heap.push(event)
    return {
      cancel: () => {
        event.run = undefined
      },
    }
  }

  /** Lets time pass until then, or until it is `done`. */
  async runUntil(untilMs: number, done: () => boolean = () => false): Promise<void> {
    while (!done()) {
      const next = this.#heap.peek()
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs)
        return
      }
      this.#nowMs = next.atMs
      this.#runInstant(next.atMs)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }

  /** VT1. */
  #runInstant(atMs: number): void {
    for (let next = this.#heap.peek(); next?.atMs === atMs; next = this.#heap.peek()) {
      this.#heap.pop()
      next.run?.()
    }
  }
}
