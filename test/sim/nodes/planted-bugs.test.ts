// Every bug planted into a cluster of several nodes is caught, and soon.
import { describe, expect, test } from 'vitest'
import { NODES_PLANTED_BUGS } from './planted-bugs.ts'
import { runNodesSeed } from './run.ts'

const SEEDS_MAX = 300

describe('a simulation of several nodes in which the system', () => {
  test.each(Object.entries(NODES_PLANTED_BUGS))(
    '%s is caught',
    { timeout: 1_800_000 },
    async (_, plant) => {
      for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
        const { failure } = await runNodesSeed(seed, { plant })
        if (failure !== undefined) return
      }
      expect.fail(`not caught in ${String(SEEDS_MAX)} seeds`)
    },
  )
})
