// Virtual time and the one queue of events of a simulated run: what happens next is the event with
// the least time, and of equals the one that was put first.
//   at(atMs, process, label, run)   an event of a process, or of the world (undefined)
//   run(until)                      takes events until it says so, or none is left
// Between two events all microtasks are run to their end, so that nothing of one event goes on
// while the next one runs.
// Invariants:
//   C1. Time never goes back. A busy or paused process takes its events later, in their order.
//   C2. Nothing of a process that has ended runs any more.
import { EventHeap, type Due } from './event-heap.ts'
import { SimulationFailure } from './failure.ts'
import type { SimProcess } from './process.ts'
import { Trace } from './trace.ts'

export interface Pending extends Due {
  readonly process: SimProcess | undefined
  readonly label: string
  readonly run: () => void
  /** What it is, in words for a story. */
  shown?: () => string
  cancelled: boolean
}

export interface RunLimits {
  /** Virtual milliseconds since the start of the run. */
  readonly untilMs: number
  /** Called after every event; true ends the run. */
  done(this: void): boolean
}

export type RunEnd = 'done' | 'time' | 'nothing left'

const EVENTS_MAX = 400_000
const { setImmediate } = globalThis

export class Scheduler {
  nowMs = 0
  eventCount = 0
  readonly trace = new Trace()
  /** Called after every event that was run, with its process. */
  afterEvent: ((process: SimProcess | undefined) => void) | undefined
  /** What made this run fail first. */
  failure: SimulationFailure | undefined
  readonly #heap = new EventHeap<Pending>()
  #nextSeq = 0

  at(atMs: number, process: SimProcess | undefined, label: string, run: () => void): Pending {
    const pending: Pending = {
      atMs: Math.max(atMs, this.nowMs),
      seq: this.#nextSeq++,
      process,
      label,
      run,
      cancelled: false,
    }
    this.#heap.push(pending)
    return pending
  }

  /** Notes the first failure; the run ends with the event. */
  fail(what: string, cause?: unknown): void {
    this.failure ??= new SimulationFailure(what, this.nowMs, cause)
  }

  /** The stacks of errors end here, whoever runs the simulation: they are part of messages. */
  run(limits: RunLimits): Promise<RunEnd> {
    return new Promise((resolve, reject) => {
      this.#loop(limits).then(
        (end) => setImmediate(resolve, end),
        (error: unknown) => setImmediate(reject, error),
      )
    })
  }

  async #loop(limits: RunLimits): Promise<RunEnd> {
    while (this.failure === undefined) {
      if (limits.done()) return 'done'
      const next = this.#heap.pop()
      if (next === undefined) return 'nothing left'
      if (next.atMs > limits.untilMs) {
        this.#heap.push(next)
        this.nowMs = Math.max(this.nowMs, limits.untilMs)
        return 'time'
      }
      await this.#take(next)
    }
    throw this.failure
  }

  async #take(next: Pending): Promise<void> {
    if (!this.#isDue(next)) return
    const { process, label } = next
    const who = process?.name ?? 'world'
    this.nowMs = next.atMs
    this.eventCount += 1
    if (this.eventCount > EVENTS_MAX) this.fail(`${String(EVENTS_MAX)} events: a hot loop`)
    this.trace.add(this.nowMs, who, label, next.shown)
    this.#guard(`${who} threw in ${label}`, next.run)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    process?.settle()
    this.#guard(`after ${label} of ${who}`, () => this.afterEvent?.(process))
  }

  /** C1, C2. */
  #isDue(next: Pending): boolean {
    const { process } = next
    if (next.cancelled || process?.alive === false) return false
    if (process === undefined || process.busyUntilMs <= next.atMs) return true
    next.atMs = process.busyUntilMs
    this.#heap.push(next)
    return false
  }

  #guard(what: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(what, error)
    }
  }
}
