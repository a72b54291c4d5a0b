// A wait, as its raylet is told of it: again, once something is pending that was complete.
import type { Clock, Timer } from '../common/clock.ts'
import type { Block } from './blocking.ts'

/** What is gone with a node is told together. */
const CHANGES_TOLD_MS = 100

export class ChangingWait {
  readonly #clock: Clock
  readonly #block: Block
  readonly #now: () => Parameters<Block>
  #unblock: (() => void) | undefined
  #timer: Timer | undefined

  /** @param now  what is waited for. */
  constructor(clock: Clock, block: Block, now: () => Parameters<Block>) {
    this.#clock = clock
    this.#block = block
    this.#now = now
  }

  tell(): void {
    this.#timer = undefined
    const before = this.#unblock
    this.#unblock = this.#block(...this.#now())
    before?.()
  }

  changed(): void {
    this.#timer ??= this.#clock.after(CHANGES_TOLD_MS, () => {
      this.tell()
    })
  }

  end(): void {
    this.#timer?.cancel()
    this.#unblock?.()
  }
}
