// A decision on a row that many others change, taken anew until it is won.
//   UW1. Who lost waits a random while, twice as long at most each time: a crowd spreads over the
//        time that it needs, and most of what it writes is won.
//   UW2. Nobody races for longer than RACE_MS_MAX.
//   UW3. Who has stopped races no further.
// Source: exponential back-off with full jitter, AWS Architecture Blog (2015).
import { delay, type Clock } from '../common/clock.ts'
import { GcsUnavailableError, VirgaError } from '../common/errors.ts'
import type { Random } from '../common/random.ts'
import type { Storage } from './storage.ts'

/** About the time of a read and a write. */
const BACKOFF_MS_MIN = 25
/** A thousand who take 10 ms each must find room in it. */
const BACKOFF_MS_MAX = 16_000
export const RACE_MS_MAX = 120_000

export interface RaceDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  /** Whether nobody needs the outcome any more (UW3). Default: somebody always does. */
  readonly isOver?: () => boolean
}

/**
 * @param what  is decided, for the message: `node ab12 registers`.
 * @param decide  reads what stands, and writes on that condition; 'LOST': another was first.
 * @throws GcsUnavailableError when the race lasts too long; may be repeated.
 * @throws VirgaError when it is over for this node.
 */
export async function untilWon<T>(
  { clock, random, isOver }: RaceDeps,
  what: string,
  decide: () => Promise<T | 'LOST'>,
): Promise<T> {
  const endMs = clock.monotonicMs() + RACE_MS_MAX
  for (let losses = 0; ; losses++) {
    if (isOver?.() === true) throw new VirgaError(`${what}: left to others, as this node stops`)
    const outcome = await decide()
    if (outcome !== 'LOST') return outcome
    const waitMs = random.next() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** losses)
    if (clock.monotonicMs() + waitMs > endMs) {
      const message = `${what}: lost to others ${String(losses + 1)} times; try again later`
      throw new GcsUnavailableError(message)
    }
    await delay(clock, waitMs)
  }
}
