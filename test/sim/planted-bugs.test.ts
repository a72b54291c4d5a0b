// Every planted bug is caught, and soon: a promise that is broken on purpose makes a seed fail.
import { describe, expect, test } from 'vitest'
import { PLANTED_BUGS } from './planted-bugs.ts'
import { runSeed } from './run.ts'

const SEEDS_MAX = 300

describe('a simulation in which the system', () => {
  test.each(Object.entries(PLANTED_BUGS))(
    '%s is caught',
    { timeout: 600_000 },
    async (_, plant) => {
      for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
        const { failure } = await runSeed(seed, { plant })
        if (failure !== undefined) return
      }
      expect.fail(`not caught in ${String(SEEDS_MAX)} seeds`)
    },
  )
})
