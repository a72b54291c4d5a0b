// The soak, short: `npm run test:full` runs it for a minute and refuses memory that runs away;
// `npm test` runs the same load for seconds, after which its results alone are checked. Whether
// memory is flat, `npm run soak` tells.
import { expect, test } from 'vitest'
import { FLAT } from '../../scripts/bench/soak/series.ts'
import { soak } from '../../scripts/bench/soak/soak.ts'
import { scaled } from '../support/scale.ts'

const SECONDS = scaled(60, 8)
/**
 * A minute is warm-up, in which heaps still find their size: nothing can be told of flatness, only
 * that nothing runs away.
 */
const GROWN_MEGABYTES_MAX = 100

test(
  `mixed load for ${SECONDS} s: every result is right, and memory does not run away`,
  { timeout: (SECONDS + 60) * 1000 },
  async () => {
    const { memory, flatness, rounds } = await soak(SECONDS, () => undefined)
    for (const kind of ['tasks', 'actors', 'streams', 'large objects', 'errors', 'cancels']) {
      expect(rounds[kind], kind).toBeGreaterThan(0)
    }
    for (const name of FLAT) {
      expect(memory[name].length, name).toBeGreaterThan(3)
      if (SECONDS < 60) continue
      expect(flatness[name].grownMegabytes, name).toBeLessThan(GROWN_MEGABYTES_MAX)
    }
  },
)
