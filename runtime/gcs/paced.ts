// Something that costs more the larger the cluster is, and that many want done at once: one run is
// for all who wait, and the next that somebody wants comes a pause after the last.
import type { Clock, Timer } from '../common/clock.ts'

export class Paced {
  readonly #clock: Clock
  readonly #run: () => void
  #ranAtMs = -Infinity
  /** Of who waits, and the timer that ends it. */
  #next: { readonly ran: PromiseWithResolvers<void>; readonly timer: Timer } | undefined

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock
    this.#run = run
  }

  /** At once, where the last run is that long ago. Resolves when it has run, or is stopped. */
  async soon(pauseMs: number): Promise<void> {
    const waitMs = this.#ranAtMs + pauseMs - this.#clock.monotonicMs()
    if (this.#next === undefined && waitMs <= 0) {
      this.now()
      return
    }
    this.#next ??= {
      ran: Promise.withResolvers<void>(),
      timer: this.#clock.after(waitMs, () => {
        this.now()
      }),
    }
    await this.#next.ran.promise
  }

  /** Resolves when who waits has been served, or nobody waits. */
  async served(): Promise<void> {
    await this.#next?.ran.promise
  }

  now(): void {
    this.#ranAtMs = this.#clock.monotonicMs()
    this.stop() // who waited goes on once this turn has run
    this.#run()
  }

  /** Nobody waits any more. */
  stop(): void {
    this.#next?.timer.cancel()
    this.#next?.ran.resolve()
    this.#next = undefined
  }
}
