// What one node tells everybody by the membership row, for itself and for others: a thousand nodes
// that come or go at once would race for that row, and be charged for all that they lose.
//   AN1. One write is on its way at a time; in a crowd the next begins no sooner than EVERY_MS
//        after it began. What is told meanwhile goes along with that. The first goes at once.
//   AN2. At most WAITING_MAX wait; who is refused races for itself.
import { delay } from '../common/clock.ts'
import { GcsUnavailableError } from '../common/errors.ts'
import type { Announcement } from './membership-changes.ts'
import { announce } from './nodes.ts'
import type { RaceDeps } from './until-won.ts'

const EVERY_MS = 250
/** What a cluster of thousands may have to tell at once. */
const WAITING_MAX = 10_000

export class Announcer {
  readonly #race: RaceDeps
  readonly #isCrowd: () => boolean
  readonly #waiting = new Map<string, Announcement>()
  /** Will tell what waits. */
  #next: Promise<void> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #beganMs = -Infinity

  constructor(race: RaceDeps, isCrowd: () => boolean) {
    this.#race = race
    this.#isCrowd = isCrowd
  }

  /** @throws as `announce`; may be repeated. */
  async announce(announcement: Announcement): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) {
      throw new GcsUnavailableError(
        `${String(WAITING_MAX)} announcements wait here already: write the membership row itself`,
      )
    }
    const { nodeId, epoch, state } = announcement
    this.#waiting.set(`${nodeId} ${String(epoch)} ${state}`, announcement)
    this.#next ??= this.#write()
    await this.#next
  }

  /** AN1. */
  async #write(): Promise<void> {
    const { clock } = this.#race
    await this.#last
    const waitMs = this.#isCrowd() ? this.#beganMs + EVERY_MS - clock.monotonicMs() : 0
    if (waitMs > 0) await delay(clock, waitMs)
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#next = undefined
    this.#beganMs = clock.monotonicMs()
    const told = announce(this.#race, all)
    this.#last = Promise.allSettled([told])
    await told
  }
}
