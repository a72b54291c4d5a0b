// Asks processes of other nodes until they have answered or are gone: between two nodes that both
// live the link may be cut, for longer than a connection lasts.
// Invariants:
//   UH1. One that does not answer is asked again, at most every ASK_MS_MAX, until its machine says
//        that its process is gone, or the life of its node has ended; who asks ends with its job.
// On one node a connection breaks with a process only.
import type { Clock, Timer } from '../common/clock.ts'
import { nodeIdIn } from '../protocol/node-identity.ts'
import type { Peer, PeerChannel } from './peers.ts'

const ASK_MS_FIRST = 500
const ASK_MS_MAX = 8_000

export interface UntilHeardDeps {
  readonly clock: Pick<Clock, 'after'>
  readonly ownAddress: string
  dial(address: string): Peer
  /** The life of its node has. */
  hasEnded(address: string): boolean
}

export interface Question {
  readonly address: string
  readonly ask: (channel: PeerChannel) => Promise<unknown>
  /** Called once: it has answered, or is gone. */
  readonly done: () => void
}

export class UntilHeard {
  readonly #deps: UntilHeardDeps
  readonly #pauses = new Set<Timer>()
  #stopped = false

  constructor(deps: UntilHeardDeps) {
    this.#deps = deps
  }

  /** Whether the process behind a connection that has closed may live, and hold what it held. */
  mayLive(peer: Peer): boolean {
    return peer.mayLive && this.isElsewhere(peer.knownAddress)
  }

  ask(question: Question, pauseMs = ASK_MS_FIRST): void {
    if (this.#stopped) return
    const { address, ask, done } = question
    if (this.#deps.hasEnded(address)) {
      done()
      return
    }
    const asked = this.#deps.dial(address)
    let isSettled = false
    const failed = (): void => {
      if (isSettled) return
      isSettled = true
      forget()
      if (asked.end === 'NOBODY' || !this.isElsewhere(address)) done()
      else this.#askLater(question, pauseMs)
    }
    const forget = asked.whenClosed(failed)
    asked.with((channel) => {
      ask(channel).then(() => {
        if (isSettled) return
        isSettled = true
        forget()
        done()
      }, failed)
    })
  }

  stop(): void {
    this.#stopped = true
    for (const pause of this.#pauses) pause.cancel()
    this.#pauses.clear()
  }

  /** On another node. */
  isElsewhere(address: string): boolean {
    return nodeIdIn(address) !== nodeIdIn(this.#deps.ownAddress)
  }

  #askLater(question: Question, pauseMs: number): void {
    if (this.#stopped) return
    const pause = this.#deps.clock.after(pauseMs, () => {
      this.#pauses.delete(pause)
      this.ask(question, Math.min(2 * pauseMs, ASK_MS_MAX))
    })
    this.#pauses.add(pause)
  }
}
