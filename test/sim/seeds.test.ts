// The simulator itself, and the seeds of every run of the tests: no seed fails, each gives the same
// trace twice, and together they hit every fault.
import { describe, expect, test } from 'vitest'
import { scaled } from '../support/scale.ts'
import { PROBES } from './probes.ts'
import { runSeed } from './run.ts'

/** 200 at full size; two runs each. */
const SEED_COUNT = scaled(200, 40)

describe('simulation', () => {
  test(
    `${String(SEED_COUNT)} seeds keep every promise, twice the same, and hit every fault`,
    async () => {
      const hits = new Map<string, number>()
      for (let seed = 1; seed <= SEED_COUNT; seed += 1) {
        const first = await runSeed(seed)
        const second = await runSeed(seed)
        const verdict = `seed ${String(seed)}: ${first.failure?.message ?? 'ok'}`
        expect(verdict).toBe(`seed ${String(seed)}: ok`)
        expect(`seed ${String(seed)}: ${second.hash}`).toBe(`seed ${String(seed)}: ${first.hash}`)
        for (const [probe, count] of first.probes.counts) {
          hits.set(probe, (hits.get(probe) ?? 0) + count)
        }
      }
      expect(PROBES.filter((probe) => (hits.get(probe) ?? 0) === 0)).toEqual([])
    },
    20 * 60_000,
  )

  test('without faults the same programs end as well', async () => {
    for (let seed = 1; seed <= scaled(50, 10); seed += 1) {
      const { failure } = await runSeed(seed, { faultless: true })
      expect(`seed ${String(seed)}: ${failure?.message ?? 'ok'}`).toBe(`seed ${String(seed)}: ok`)
    }
  }, 60_000)
})
