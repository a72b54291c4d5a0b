// The simulator itself, and the seeds of every run of the tests: no seed fails, each gives the same
// trace twice, and together they hit every fault.
import { describe, expect, test } from 'vitest'
import { scaled } from '../support/scale.ts'
import { Probes, SEEDS_THAT_HIT_EVERY_PROBE } from './probes.ts'
import { runSeed, runTwice } from './run.ts'

/** Two runs each, and of more seeds where these leave out a fault, up to those that may not. */
const SEED_COUNT = scaled(SEEDS_THAT_HIT_EVERY_PROBE, 40)

describe('simulation', () => {
  test(
    `${String(SEED_COUNT)} seeds keep every promise, twice the same, and hit every fault in time`,
    async () => {
      const probes = new Probes()
      const isEnough = (count: number): boolean =>
        count >= SEEDS_THAT_HIT_EVERY_PROBE ||
        (count >= SEED_COUNT && probes.neverHit().length === 0)
      for (let seed = 1; !isEnough(seed - 1); seed += 1) {
        const result = await runTwice(seed)
        const verdict = `seed ${String(seed)}: ${result.failure?.message ?? 'ok'}`
        expect(verdict).toBe(`seed ${String(seed)}: ok`)
        probes.add(result.probes)
      }
      expect(probes.neverHit()).toEqual([])
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
