// A simulated process: a name, a clock of its own, and an end. What it is made of is the real code;
// this is only what the machine would give it.
//   RUNNING ──► ended (exit or kill)     paused or busy: takes no event until then
import type { Clock, Timer } from '../../runtime/common/clock.ts'
import type { Scheduler } from './scheduler.ts'

export interface ProcessEnd {
  readonly code: number | null
  readonly signal: string | null
}

/** Wall time at the start of every run: 2026-01-01. */
const EPOCH_MS = 1_767_225_600_000
const { queueMicrotask } = globalThis

export class SimProcess {
  readonly name: string
  readonly pid: number
  readonly clock: Clock
  alive = true
  busyUntilMs = 0
  readonly #scheduler: Scheduler
  readonly #onEnd: ((end: ProcessEnd) => void)[] = []
  #spunMs = 0

  constructor(scheduler: Scheduler, name: string, pid: number) {
    this.#scheduler = scheduler
    this.name = name
    this.pid = pid
    this.clock = this.#makeClock()
  }

  /** Since the start of the run, what it spent in the running event included. */
  get nowMs(): number {
    return this.#scheduler.nowMs + this.#spunMs
  }

  /** Later, as an event of this process. */
  later(delayMs: number, label: string, run: () => void, shown?: () => string): Timer {
    return this.at(this.nowMs + delayMs, label, run, shown)
  }

  /** At a moment, to the bit: what is due at one keeps the order in which it was asked for. */
  at(atMs: number, label: string, run: () => void, shown?: () => string): Timer {
    const pending = this.#scheduler.at(atMs, this, label, run)
    if (shown !== undefined) pending.shown = shown
    return {
      cancel: () => {
        pending.cancelled = true
      },
    }
  }

  /** Code that keeps its CPU for so long: nothing else of this process happens meanwhile. */
  spin(ms: number): void {
    this.#spunMs += ms
  }

  /** SIGSTOP, and SIGCONT after so long: pauses do not add up. */
  pause(ms: number): void {
    this.busyUntilMs = Math.max(this.busyUntilMs, this.#scheduler.nowMs + ms)
  }

  /** Called by the scheduler when an event of this process is over. */
  settle(): void {
    if (this.#spunMs === 0) return
    this.busyUntilMs = Math.max(this.busyUntilMs, this.#scheduler.nowMs + this.#spunMs)
    this.#spunMs = 0
  }

  whenEnded(run: (end: ProcessEnd) => void): void {
    this.#onEnd.push(run)
  }

  /** Nothing of it happens any more, from here on. */
  end(end: ProcessEnd): void {
    if (!this.alive) return
    this.alive = false
    this.#scheduler.trace.add(
      this.#scheduler.nowMs,
      this.name,
      `ends ${end.signal ?? String(end.code)}`,
    )
    for (const run of this.#onEnd.splice(0)) run(end)
  }

  #makeClock(): Clock {
    // Every process counts from somewhere else: nobody may compare two of them.
    const originMs = this.pid * 1_000.5
    return {
      nowMs: () => Math.floor(EPOCH_MS + this.nowMs), // as Date.now()
      monotonicMs: () => originMs + this.nowMs,
      after: (delayMs, run) => this.later(delayMs, 'timer', run),
      immediate: (run) => {
        this.later(0, 'immediate', run)
      },
      microtask: (run) => {
        queueMicrotask(() => {
          if (!this.alive) return
          try {
            run()
          } catch (error) {
            this.#scheduler.fail(`${this.name} threw in a microtask`, error)
          }
        })
      },
    }
  }
}

/** A process is named after its machine: `machine` or `machine/process`. */
export const machineOf = ({ name }: Pick<SimProcess, 'name'>): string => name.split('/')[0] ?? name
