// Which nodes are left alone because they could not be reached: a breaker for each (F15). A pair of
// nodes may be cut off from each other while both are well and known to be alive by everybody else.
//   PB1. After a failure a node is not tried before a pause that doubles with each; then once, and
//        what comes of that decides.
import type { Clock } from '../../common/clock.ts'

const PAUSE_MIN_MS = 250
const PAUSE_MAX_MS = 10_000

interface Broken {
  readonly failures: number
  readonly untilMs: number
  readonly reason: string
}

export class PeerBreaker {
  readonly #clock: Clock
  /** Of members alone: who is gone is forgotten. */
  readonly #broken = new Map<string, Broken>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  failed(nodeId: string, reason: string): void {
    const failures = (this.#broken.get(nodeId)?.failures ?? 0) + 1
    const pauseMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** (failures - 1))
    this.#broken.set(nodeId, { failures, untilMs: this.#clock.monotonicMs() + pauseMs, reason })
  }

  worked(nodeId: string): void {
    this.#broken.delete(nodeId)
  }

  forget(nodeId: string): void {
    this.#broken.delete(nodeId)
  }

  /** Why it is left alone now; undefined: it may be tried. */
  why(nodeId: string): string | undefined {
    const broken = this.#broken.get(nodeId)
    if (broken === undefined || this.#clock.monotonicMs() >= broken.untilMs) return undefined
    return `node ${nodeId} could not be reached lately: ${broken.reason}`
  }
}
