// The soak, short: `npm run test:full` runs it for a minute and asks for flat memory; `npm test`
// runs the same load for seconds, in which heaps are still finding their size, so that there its
// results alone are checked.
import { expect, test } from 'vitest'
import { FLAT, soak } from '../../scripts/bench/soak/soak.ts'
import { scaled } from '../support/scale.ts'

const SECONDS = scaled(60, 8)
/** Of the half hour after which the published soak is judged, this is the very beginning. */
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
