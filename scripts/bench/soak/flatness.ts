// Whether memory stays flat after warm-up, told from samples that jump with every collection.
//   in   megabytes over seconds, of a whole soak
//   out  the growth from the end of warm-up to the end, along the median of all slopes, beside the
//        growth that is still taken for flat; a short soak tells nothing
import { median, medianSlope } from './median-slope.ts'

export interface Point {
  readonly seconds: number
  readonly megabytes: number
}

export interface Flatness {
  readonly verdict: 'flat' | 'NOT FLAT' | 'too short to tell'
  /** How long the growth took. */
  readonly hours: number
  readonly grownMegabytes: number
  readonly allowedMegabytes: number
  readonly medianMegabytes: number
}

/** The part of a soak that is warm-up: heaps, arenas and code caches find their size. */
export const WARM_UP_SHARE = 0.4
/** A soak of less is over before heaps have found their size: what they grow by tells nothing. */
const TELLING_SECONDS_MIN = 240
/**
 * Of the median, in an hour; of a longer soak, in all. A shorter one may not grow faster for being
 * short.
 */
const ALLOWED_SHARE_PER_HOUR = 0.1
/** V8 moves its heap's limits in steps of a few megabytes: less than one is not told from none. */
const STEP_MEGABYTES = 8
const SECONDS_PER_HOUR = 3600
/** All pairs of more points than this are too many to be of more use. */
const POINTS_MAX = 600

/** @throws Error when fewer than three points are left after warm-up. */
export function flatness(points: readonly Point[]): Flatness {
  const soakSeconds = points.at(-1)?.seconds ?? 0
  const from = soakSeconds * WARM_UP_SHARE
  const warm = points.filter(({ seconds }) => seconds >= from)
  const step = Math.ceil(warm.length / POINTS_MAX)
  const kept = warm.filter((_, i) => i % step === 0)
  const [first, last] = [kept[0], kept.at(-1)]
  if (kept.length < 3 || first === undefined || last === undefined) {
    throw new Error(`A slope needs three samples after warm-up; there are ${kept.length}.`)
  }
  const seconds = last.seconds - first.seconds
  const hours = seconds / SECONDS_PER_HOUR
  const slope = medianSlope(kept.map((each) => [each.seconds, each.megabytes]))
  const grownMegabytes = slope * seconds
  const medianMegabytes = median(kept.map(({ megabytes }) => megabytes))
  const allowedShare = ALLOWED_SHARE_PER_HOUR * Math.min(1, hours)
  const allowedMegabytes = Math.max(STEP_MEGABYTES, allowedShare * medianMegabytes)
  const flatOrNot = grownMegabytes <= allowedMegabytes ? 'flat' : 'NOT FLAT'
  const verdict = soakSeconds < TELLING_SECONDS_MIN ? 'too short to tell' : flatOrNot
  return { verdict, hours, grownMegabytes, allowedMegabytes, medianMegabytes }
}
