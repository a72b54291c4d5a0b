// Whoever watches a cluster is told how far everything came, before its connections close.
import type { Clock } from '../common/clock.ts'
import type { StateRow } from '../protocol/messages.ts'

/** Turns of the event loop in which the connections of ended workers are read to their end. */
const LAST_TURNS_MAX = 100

export class LastSummary {
  readonly #clock: Clock
  /** Commands that asked and wait. */
  readonly #waiting: ((last: { rows: StateRow[] }) => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether somebody wants to hear. */
  get isAwaited(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves when the raylet stops. */
  wait(): Promise<{ rows: StateRow[] }> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /**
   * @param rows       progress by function, asked for in the end.
   * @param hasWorkers whether what workers said last may still be on its way: their processes have
   *   ended, their connections not.
   */
  async tell(rows: () => StateRow[], hasWorkers: () => boolean): Promise<void> {
    if (!this.isAwaited) return
    for (let turn = 0; turn < LAST_TURNS_MAX && hasWorkers(); turn += 1) await this.#turn()
    const last = { rows: rows() }
    for (const resolve of this.#waiting) resolve(last)
    await this.#turn()
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.immediate(resolve)
    })
  }
}
