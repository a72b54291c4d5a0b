// A process that does one thing at a time, each for as long as it takes: what comes meanwhile
// waits in its order.
import type { VirtualTime } from './virtual-time.ts'

export class Server {
  readonly #time: VirtualTime
  #freeAtMs = 0

  constructor(time: VirtualTime) {
    this.#time = time
  }

  /** What arrives in `afterMs` is done `costMs` after all that came before it. */
  serve(afterMs: number, costMs: number, run: () => void): void {
    const startsAtMs = Math.max(this.#time.monotonicMs() + afterMs, this.#freeAtMs)
    this.#freeAtMs = startsAtMs + costMs
    this.#time.at(this.#freeAtMs, run)
  }
}
