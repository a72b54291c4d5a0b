// Values that borrowers ask for, to one that reads slower than it asks: what leaves in a turn ends
// with the answer that reaches PUSH_BYTES_MAX, and nothing leaves while the connection is congested
// (PE3 of peers.ts). What waits is bounded by the requests of that borrower, and waits without its
// value.
import type { Clock } from '../common/clock.ts'
import { PUSH_BYTES_MAX } from '../common/limits.ts'
import type { Resolution } from '../protocol/peer-messages.ts'
import { Fifo } from './fifo.ts'
import type { Peer } from './peers.ts'

/** What an answer takes beside its value, so that many small ones end a turn too. */
const ANSWER_BYTES = 64

/** Of one borrower; forgotten at the end of a turn in which nothing waits. */
interface Line {
  readonly waiting: Fifo<() => void>
  /** Let go in this turn: the connection does not know of them yet. */
  leavingBytes: number
}

export class PacedAnswers {
  readonly #clock: Clock
  /** Of the borrowers that get or await an answer in this turn. */
  readonly #lines = new Map<Peer, Line>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Makes an answer to `peer` once there is room for it: now, or in one of the next turns. */
  answer(peer: Peer, make: () => Resolution): Resolution | Promise<Resolution> {
    const line = this.#lineOf(peer)
    const { waiting } = line
    if (waiting.length === 0 && line.leavingBytes < PUSH_BYTES_MAX && !peer.congested) {
      return counted(line, make())
    }
    const { promise, resolve, reject } = Promise.withResolvers<Resolution>()
    waiting.push(() => {
      try {
        resolve(counted(line, make()))
      } catch (error) {
        reject(error)
      }
    })
    return promise
  }

  #lineOf(peer: Peer): Line {
    let line = this.#lines.get(peer)
    if (line === undefined) {
      line = { waiting: new Fifo(), leavingBytes: 0 }
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
    line.leavingBytes = 0
    while (line.leavingBytes < PUSH_BYTES_MAX) {
      const answer = line.waiting.shift()
      if (answer === undefined) break
      answer()
    }
    this.#afterTurn(peer, line)
  }
}

function counted(line: Line, answer: Resolution): Resolution {
  line.leavingBytes += ANSWER_BYTES
  if (answer.kind !== 'stored') line.leavingBytes += answer.blob.length
  return answer
}
