// Judges a rate from outside: in any time no more tasks begin than the rate allows in it, its
// burst, and those whose tokens were out when it began.
import { burstOf } from '../../runtime/raylet/limiters/token-bucket.ts'

/** Of sums of shares. */
const ROUNDING = 1e-5

export class RateJudge {
  readonly #perSecond: number
  readonly #most: number
  #left: number
  #atMs = 0

  /** @param concurrency  how many tokens may be out at once. */
  constructor(perSecond: number, concurrency: number) {
    this.#perSecond = perSecond
    this.#most = concurrency + burstOf({ perSecond, concurrency })
    this.#left = this.#most
  }

  /** @returns how many too many have begun: 0 unless the rate is exceeded. */
  began(nowMs: number): number {
    const grown = this.#left + ((nowMs - this.#atMs) * this.#perSecond) / 1000
    this.#left = Math.min(this.#most, grown) - 1
    this.#atMs = nowMs
    return this.#left < -ROUNDING ? -this.#left : 0
  }
}
