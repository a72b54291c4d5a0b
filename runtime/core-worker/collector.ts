// Collects this process's garbage, so that what it holds of others is set free; not more often than
// is worth it, for a large heap takes seconds.
import type { Clock } from '../common/clock.ts'
import type { Finalization } from '../common/finalization.ts'

/** At most this share of the time goes into it while somebody waits for what is held here. */
const WANTED_SHARE = 1 / 10

export class Collector {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #finalization: Pick<Finalization, 'collect'>
  #tookMs = 0
  #endedAtMs = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>, finalization: Pick<Finalization, 'collect'>) {
    this.#clock = clock
    this.#finalization = finalization
  }

  /** In how many milliseconds it may collect again, to spend at most this share of the time. */
  waitMs(share: number): number {
    return Math.max(0, this.#endedAtMs + this.#tookMs / share - this.#clock.monotonicMs())
  }

  collect(): void {
    const startMs = this.#clock.monotonicMs()
    this.#finalization.collect()
    this.#endedAtMs = this.#clock.monotonicMs()
    this.#tookMs = this.#endedAtMs - startMs
  }

  /** Somebody waits for what an actor of this process holds: D53. */
  collectForOthers(): void {
    if (this.waitMs(WANTED_SHARE) === 0) this.collect()
  }
}
