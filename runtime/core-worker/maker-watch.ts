// Who has a handle of an actor that is not made yet, and calls it, watches the process that is to
// make it: that may end while it awaits the arguments of the constructor, and nobody else knows of
// the actor. A retry of its task makes the actor under the same id, which is heard of as ever.
//   MW1. Calls wait for an actor without a living maker for ACTOR_WORD_MS_MAX, by which a task that
//        is retried at once has begun; then they are told. Later ones wait anew: the retry may have
//        come.
import type { Clock, Timer } from '../common/clock.ts'
import { ActorDiedError } from '../common/errors.ts'
import { toHex } from '../common/ids.ts'
import { ACTOR_WORD_MS_MAX } from '../common/limits.ts'
import type { ActorInfo } from '../protocol/actor-messages.ts'
import type { Peer } from './peers.ts'

/** Between two dials; and how long a connection must hold to say that the maker lives. */
const REDIAL_MS = 1_000

export interface MakerWatchDeps {
  dial(address: string): Peer
  readonly clock: Clock
}

export interface MakerEvents {
  /** Each time that it cannot be reached. */
  missing(): void
  /** Once, and nothing after that. */
  lost(): void
}

export class MakerWatch {
  readonly #deps: MakerWatchDeps
  readonly #address: string
  readonly #on: MakerEvents
  #forgetClose: (() => void) | undefined
  /** The next dial, or the end of the limit. */
  #next: Timer | undefined
  #limit: Timer | undefined
  #stopped = false

  constructor(deps: MakerWatchDeps, address: string, on: MakerEvents) {
    this.#deps = deps
    this.#address = address
    this.#on = on
    this.#dial()
  }

  stop(): void {
    this.#stopped = true
    this.#forgetClose?.()
    this.#next?.cancel()
    this.#limit?.cancel()
  }

  #dial(): void {
    const peer = this.#deps.dial(this.#address)
    this.#forgetClose = peer.whenClosed(() => {
      this.#closed()
    })
    peer.with(() => {
      if (this.#stopped) return
      this.#next = this.#deps.clock.after(REDIAL_MS, () => {
        this.#lives()
      })
    })
  }

  /** Only a connection had broken. */
  #lives(): void {
    this.#limit?.cancel()
    this.#limit = undefined
  }

  #closed(): void {
    if (this.#stopped) return
    const { clock } = this.#deps
    this.#next?.cancel()
    this.#limit ??= clock.after(ACTOR_WORD_MS_MAX, () => {
      this.stop()
      this.#on.lost()
    })
    this.#next = clock.after(REDIAL_MS, () => {
      this.#on.missing()
      if (!this.#stopped) this.#dial()
    })
  }
}

export function neverMade({ actorId, className, ownerAddress }: ActorInfo): ActorDiedError {
  return new ActorDiedError(
    `actor ${className} was not made: the process that was to make it ended, or was cut off, ` +
      'before the arguments of its constructor were ready, and no retry of its task has made it ' +
      `within ${String(ACTOR_WORD_MS_MAX / 1000)} s. Create a new one, or call again if the ` +
      'task may still be retried.',
    { data: { actorId: toHex(actorId), className, maker: ownerAddress, mayHaveRun: false } },
  )
}
