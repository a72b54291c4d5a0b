// Looks at all nodes of the cluster, one after the other, for as long as there is something to look
// for: soon at first, then less and less often, down to once a minute.
import type { Clock, Timer } from '../../common/clock.ts'

/** All nodes are asked, at first so often, then half as often each time. */
export const LOOK_MS_MIN = 10_000
export const LOOK_MS_MAX = 60_000

export interface LooksDeps {
  readonly clock: Clock
  /** Whether there is anything to look for. */
  readonly isNeeded: () => boolean
  readonly look: () => Promise<void>
}

export class Looks {
  readonly #deps: LooksDeps
  #timer: Timer | undefined
  /** Of the timer; Infinity: none. */
  #dueMs = Infinity
  #afterMs = LOOK_MS_MIN
  #looking: Promise<void> | undefined
  #isStopped = false

  constructor(deps: LooksDeps) {
    this.#deps = deps
  }

  /** The next one begins within so long, however often this is called, and they are frequent again. */
  soon(withinMs = LOOK_MS_MIN): void {
    this.#afterMs = withinMs
    this.#schedule()
  }

  /** Resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    await this.#looking
  }

  #schedule(): void {
    const { clock, isNeeded, look } = this.#deps
    if (this.#isStopped || this.#looking !== undefined || !isNeeded()) return
    const dueMs = clock.monotonicMs() + this.#afterMs
    if (dueMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = dueMs
    this.#timer = clock.after(this.#afterMs, () => {
      this.#dueMs = Infinity
      this.#afterMs = Math.min(Math.max(2 * this.#afterMs, LOOK_MS_MIN), LOOK_MS_MAX)
      this.#looking = look().finally(() => {
        this.#looking = undefined
        this.#schedule()
      })
    })
  }
}
