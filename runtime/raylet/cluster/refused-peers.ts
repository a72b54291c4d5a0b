// Peers that were not let in, in the log of the raylet: which, and what each lacked.
//   RP1. At most LOGGED_MAX of them a minute: whoever tries for ever fills no disk. How many more
//        there were is told with the next.
import type { Clock } from '../../common/clock.ts'
import type { Log } from '../../common/log.ts'
import { refusedWords } from '../../protocol/refused-words.ts'

const LOGGED_MAX = 10
const WINDOW_MS = 60_000

export class RefusedPeers {
  readonly #deps: { readonly clock: Clock; readonly log: Log }
  #sinceMs = -Infinity
  #count = 0

  constructor(deps: { readonly clock: Clock; readonly log: Log }) {
    this.#deps = deps
  }

  /** @param peer  its address, where it had one. */
  refused(error: Error, peer: string | undefined): void {
    const { clock, log } = this.#deps
    const nowMs = clock.monotonicMs()
    let more = 0
    if (nowMs - this.#sinceMs >= WINDOW_MS) {
      more = Math.max(0, this.#count - LOGGED_MAX)
      this.#sinceMs = nowMs
      this.#count = 0
    }
    this.#count += 1
    if (this.#count > LOGGED_MAX) return
    log.warn('a peer was not let in', {
      peer: peer ?? 'unknown',
      error: refusedWords(error),
      ...(more > 0 ? { notLoggedBefore: more } : {}),
      ...(this.#count === LOGGED_MAX ? { next: 'more of this minute are only counted' } : {}),
    })
  }
}
