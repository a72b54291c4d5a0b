// Clusters of several nodes: no seed fails, each gives the same trace twice, and together they hit
// every fault.
import { describe, expect, test } from 'vitest'
import { scaled } from '../../support/scale.ts'
import { expectEndedWell } from '../ended-well.ts'
import { NODES_PROBES, Probes, SEEDS_THAT_HIT_EVERY_PROBE } from '../probes.ts'
import { twice } from '../run.ts'
import { runNodesSeed } from './run.ts'

const FULL = SEEDS_THAT_HIT_EVERY_PROBE
/** Two runs each. Where all of them are run, they leave out no fault. */
const SEED_COUNT = scaled(FULL, 10)

/** So many are judged at rest, too: that takes 40 % more events. */
const RESTS_EVERY = 4

describe('simulation of several nodes', () => {
  test(
    `${String(SEED_COUNT)} seeds keep every promise (GL1, GL2, ND1, ND2, WA1), twice the same`,
    { timeout: 40 * 60_000 },
    async () => {
      const probes = new Probes(NODES_PROBES)
      for (let seed = 1; seed <= SEED_COUNT; seed += 1) {
        const rests = seed % RESTS_EVERY === 0
        const result = await twice(() => runNodesSeed(seed, { rests }))
        expectEndedWell(result, '--nodes', ...(rests ? ['--rests'] : []))
        probes.add(result.probes)
      }
      if (SEED_COUNT >= FULL) expect(probes.neverHit()).toEqual([])
    },
  )

  test('without faults all nodes serve to the end', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= scaled(20, 2); seed += 1) {
      const result = await runNodesSeed(seed, { faultless: true })
      expectEndedWell(result, '--nodes', '--faultless')
    }
  })
})
