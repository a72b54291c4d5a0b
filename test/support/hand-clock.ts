// A clock that moves only when a test says so. Timers fire in the order of their instants, and what
// they start runs as far as it can before the next.
import type { Clock, Timer } from '../../runtime/common/clock.ts'

interface Waiting {
  readonly atMs: number
  readonly run: () => void
}

export class HandClock implements Clock {
  #nowMs = 0
  readonly #waiting = new Set<Waiting>()

  nowMs(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Timer {
    const waiting = { atMs: this.#nowMs + delayMs, run }
    this.#waiting.add(waiting)
    return { cancel: () => void this.#waiting.delete(waiting) }
  }

  immediate(run: () => void): void {
    this.after(0, run)
  }

  microtask(run: () => void): void {
    queueMicrotask(run)
  }

  /** Timers and immediates that have not fired. */
  get pendingCount(): number {
    return this.#waiting.size
  }

  /** One turn of the event loop, `byMs` later: what is due runs, and not what that makes due. */
  turn(byMs: number): void {
    this.#nowMs += byMs
    const due = [...this.#waiting].filter(({ atMs }) => atMs <= this.#nowMs)
    for (const waiting of due.toSorted((a, b) => a.atMs - b.atMs)) {
      if (this.#waiting.delete(waiting)) waiting.run()
    }
  }

  /** Lets `byMs` pass. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs
    await settled()
    for (;;) {
      const next = this.#next()
      if (next === undefined || next.atMs > endMs) break
      this.#waiting.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
      await settled()
    }
    this.#nowMs = endMs
  }

  #next(): Waiting | undefined {
    let first: Waiting | undefined
    for (const waiting of this.#waiting) {
      // Of one instant the first made comes first: a set keeps that order.
      if (first === undefined || waiting.atMs < first.atMs) first = waiting
    }
    return first
  }
}

/** Promises that can settle have settled, however long their chains. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
