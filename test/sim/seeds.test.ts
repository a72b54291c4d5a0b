// The simulator itself, and the seeds of every run of the tests: no seed fails, each gives the same
// trace twice, and together they hit every fault.
import { describe, expect, test } from 'vitest'
import { scaled } from '../support/scale.ts'
import { expectEndedWell } from './ended-well.ts'
import { SimulationFailure } from './failure.ts'
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
        expectEndedWell(result)
        probes.add(result.probes)
      }
      expect(probes.neverHit()).toEqual([])
    },
    20 * 60_000,
  )

  test('without faults the same programs end as well', async () => {
    for (let seed = 1; seed <= scaled(50, 10); seed += 1) {
      expectEndedWell(await runSeed(seed, { faultless: true }), '--faultless')
    }
  }, 300_000)

  test('a seed that fails tells the command that plays it again', async () => {
    const failing = { ...(await runSeed(7)), failure: new SimulationFailure('it broke', 5) }
    expect(() => {
      expectEndedWell(failing, '--nodes')
    }).toThrow('seed 7: at 5.000 ms: it broke\nSee it again: npm run sim -- --nodes --seed 7')
  })
})
