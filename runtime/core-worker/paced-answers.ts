// Values that borrowers ask for, to one that reads slower than it asks: ANSWERS_PER_TURN at most
// leave in a turn, and none while its connection is congested (PE3 of peers.ts). What waits is
// bounded by the requests of that borrower, and waits without its value.
import type { Clock } from '../common/clock.ts'
import { INLINE_BYTES_MAX, PUSH_BYTES_MAX } from '../common/limits.ts'
import { Fifo } from './fifo.ts'
import type { Peer } from './peers.ts'

/** Larger values stay in the store, so this much is one batch. */
const ANSWERS_PER_TURN = Math.floor(PUSH_BYTES_MAX / INLINE_BYTES_MAX)

/** Of one borrower; forgotten at the end of a turn in which nothing waits. */
interface Line {
  readonly waiting: Fifo<() => void>
  /** Let go in this turn: the connection does not know of them yet. */
  leaving: number
}

export class PacedAnswers {
  readonly #clock: Clock
  /** Of the borrowers that get or await an answer in this turn. */
  readonly #lines = new Map<Peer, Line>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when there is room for one more answer to `peer`; undefined when there is now. */
  room(peer: Peer): Promise<void> | undefined {
    const line = this.#lineOf(peer)
    const { waiting } = line
    if (waiting.length > 0 || line.leaving >= ANSWERS_PER_TURN || peer.congested) {
      return new Promise((resolve) => {
        waiting.push(resolve)
      })
    }
    line.leaving += 1
    return undefined
  }

  #lineOf(peer: Peer): Line {
    let line = this.#lines.get(peer)
    if (line === undefined) {
      line = { waiting: new Fifo(), leaving: 0 }
      this.#lines.set(peer, line)
      this.#afterTurn(peer, line)
    }
    return line
  }

  #afterTurn(peer: Peer, line: Line): void {
    this.#clock.immediate(() => {
      if (line.waiting.length === 0) this.#lines.delete(peer)
      else this.#letGo(peer, line)
    })
  }

  #letGo(peer: Peer, line: Line): void {
    if (peer.congested && !peer.closed) {
      peer.whenDrained(line, () => {
        this.#letGo(peer, line)
      })
      return
    }
    for (line.leaving = 0; line.leaving < ANSWERS_PER_TURN; line.leaving += 1) {
      const answer = line.waiting.shift()
      if (answer === undefined) break
      answer()
    }
    this.#afterTurn(peer, line)
  }
}
