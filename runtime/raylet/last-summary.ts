// Whoever watches a cluster is told how far everything came, before its connections close.
import type { Clock } from '../common/clock.ts'
import type { WorkerId } from '../common/ids.ts'
import type { StateRow } from '../protocol/messages.ts'

/** Turns of the event loop in which the connections of ended workers are read to their end. */
const LAST_TURNS_MAX = 100

export class LastSummary {
  readonly #clock: Clock
  /** Connected commands that asked and wait. */
  readonly #waiting = new Map<WorkerId, PromiseWithResolvers<{ rows: StateRow[] }>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether somebody wants to hear. */
  get isWatched(): boolean {
    return this.#waiting.size > 0
  }

  /** Resolves when the raylet stops. */
  wait(client: WorkerId): Promise<{ rows: StateRow[] }> {
    const waiting = this.#waiting.get(client) ?? Promise.withResolvers<{ rows: StateRow[] }>()
    this.#waiting.set(client, waiting)
    return waiting.promise
  }

  /** Its connection has closed: nobody is there to be told. */
  left(client: WorkerId): void {
    this.#waiting.delete(client)
  }

  /**
   * @param rows       progress by function, asked for in the end.
   * @param hasWorkers whether what workers said last may still be on its way: their processes have
   *   ended, their connections not.
   */
  async tell(rows: () => StateRow[], hasWorkers: () => boolean): Promise<void> {
    if (!this.isWatched) return
    for (let turn = 0; turn < LAST_TURNS_MAX && hasWorkers(); turn += 1) await this.#turn()
    const last = { rows: rows() }
    for (const { resolve } of this.#waiting.values()) resolve(last)
    await this.#turn()
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.immediate(resolve)
    })
  }
}
