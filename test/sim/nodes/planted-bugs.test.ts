// Every bug planted into a cluster of several nodes is caught, and soon.
import { describe, expect, test } from 'vitest'
import { PLANTED_BUGS_OF_PARTS } from './planted-bugs-of-parts.ts'
import { NODES_PLANTED_BUGS } from './planted-bugs.ts'
import { PART_NAMES } from './plan.ts'
import { runNodesSeed, type NodesRunOptions } from './run.ts'

const SEEDS_MAX = 300

describe('a simulation of several nodes in which the system', () => {
  test.each(Object.entries(NODES_PLANTED_BUGS))(
    '%s is caught',
    { timeout: 1_800_000 },
    (_, plant) => isCaught({ plant }),
  )

  for (const part of PART_NAMES) {
    test.each(Object.entries(PLANTED_BUGS_OF_PARTS[part]))(
      `%s is caught, by drivers with ${part}`,
      { timeout: 1_800_000 },
      (_, plant) => isCaught({ plant, parts: [part] }),
    )
  }
})

async function isCaught(options: NodesRunOptions): Promise<void> {
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    const { failure } = await runNodesSeed(seed, options)
    if (failure !== undefined) return
  }
  expect.fail(`not caught in ${String(SEEDS_MAX)} seeds`)
}
