// What is written into the GCS and read from it again and again until that is done: an outage of
// any length delays it and loses nothing (GW2). All that is repeated here may be written again.
import { delay, type Clock } from '../common/clock.ts'
import { VirgaError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import { isOutage } from '../gcs/attempts.ts'

/** The storage has repeated it for a while by itself before. */
const REPEAT_MS = 500

export class GcsRepeat {
  readonly #clock: Clock
  readonly #log: Log
  /** By key, the last of those that come in order; gone when that is done. */
  readonly #last = new Map<string, Promise<void>>()
  #closed = false

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock
    this.#log = log
  }

  /** Nothing is repeated any more. */
  close(): void {
    this.#closed = true
  }

  /** As `untilDone`, after all that was begun under that key before. */
  inOrder(key: string, ...args: Parameters<GcsRepeat['untilDone']>): void {
    const before = this.#last.get(key) ?? Promise.resolve()
    const done = before.then(() => this.untilDone(...args))
    const last = done.then(() => {
      if (this.#last.get(key) === last) this.#last.delete(key)
    })
    this.#last.set(key, last)
  }

  /** Resolves when all that was begun under that key is done. */
  async done(key: string): Promise<void> {
    await this.#last.get(key)
  }

  /**
   * @param refused  told what the GCS refuses for good (GW3).
   * @param about  what the log names beside the error.
   */
  async untilDone(
    run: () => Promise<void>,
    refused?: (error: VirgaError) => void,
    about: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    if (this.#closed) return
    try {
      await this.pastOutages(run, () => true, about)
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error // a bug: the process ends
      if (isOutage(error)) return // it is closed
      this.#log.error('the GCS refuses what is written or asked', {
        ...about,
        error: String(error),
      })
      refused?.(error)
    }
  }

  /**
   * What is answered to who waits for it.
   * @param isWanted  whether somebody waits still.
   * @throws what the GCS refuses for good; of an outage only when it is closed or nobody waits.
   */
  async pastOutages<T>(
    run: () => Promise<T>,
    isWanted: () => boolean,
    about: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    for (let repeats = 0; ; repeats += 1) {
      try {
        return await run()
      } catch (error) {
        if (!isOutage(error)) throw error
        const fields = { ...about, error: String(error) }
        if (repeats === 0) this.#log.warn('the GCS is away: what it decides waits', fields)
        await delay(this.#clock, REPEAT_MS)
        if (this.#closed || !isWanted()) throw error
      }
    }
  }
}
