// Borrowers on other nodes whose connections broke. A cut that lasts longer than what TCP waits for
// breaks them while both processes live, and what is borrowed over them is needed after it.
// Invariants:
//   CB1. What it has borrowed stays lent until it has registered anew all that it still holds, its
//        machine says that its process is gone, or the life of its node has ended.
//   CB2. Meanwhile its owner asks, at most every ASK_MS_MAX; an end of the job ends the owner.
// On one node a connection breaks with a process only.
import type { Clock, Timer } from '../common/clock.ts'
import { nodeIdIn } from '../protocol/node-identity.ts'
import type { Peer } from './peers.ts'

const ASK_MS_FIRST = 500
const ASK_MS_MAX = 8_000

export interface CutBorrowersDeps {
  readonly clock: Pick<Clock, 'after'>
  readonly ownAddress: string
  dial(address: string): Peer
  /** The life of its node has. */
  hasEnded(peer: Peer): boolean
}

export class CutBorrowers {
  readonly #deps: CutBorrowersDeps
  readonly #pauses = new Set<Timer>()
  #stopped = false

  constructor(deps: CutBorrowersDeps) {
    this.#deps = deps
  }

  /** @param gone  called once, at once where the process has ended (CB1). */
  closed(peer: Peer, gone: () => void): void {
    const isElsewhere = peer.nodeId !== nodeIdIn(this.#deps.ownAddress)
    if (isElsewhere && peer.isBroken) this.#ask(peer, gone, ASK_MS_FIRST)
    else gone()
  }

  stop(): void {
    this.#stopped = true
    for (const pause of this.#pauses) pause.cancel()
    this.#pauses.clear()
  }

  #ask(peer: Peer, gone: () => void, pauseMs: number): void {
    if (this.#stopped) return
    if (this.#deps.hasEnded(peer)) {
      gone()
      return
    }
    const asked = this.#deps.dial(peer.knownAddress)
    let isSettled = false
    const failed = (): void => {
      if (isSettled) return
      isSettled = true
      forget()
      if (asked.isNobodyThere) gone()
      else this.#askLater(peer, gone, pauseMs)
    }
    const forget = asked.whenClosed(failed)
    asked.with((channel) => {
      channel.request('registerAgain', { address: this.#deps.ownAddress }).then(() => {
        if (isSettled) return
        isSettled = true
        forget()
        gone()
      }, failed)
    })
  }

  #askLater(peer: Peer, gone: () => void, pauseMs: number): void {
    if (this.#stopped) return
    const pause = this.#deps.clock.after(pauseMs, () => {
      this.#pauses.delete(pause)
      this.#ask(peer, gone, Math.min(2 * pauseMs, ASK_MS_MAX))
    })
    this.#pauses.add(pause)
  }
}
