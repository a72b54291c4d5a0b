// Clusters of several nodes: no seed fails, each gives the same trace twice, and together they hit
// every fault.
import { describe, expect, test } from 'vitest'
import { fewOrAll, scaled } from '../../support/scale.ts'
import { expectEndedWell } from '../ended-well.ts'
import {
  NODES_PROBES,
  PART_PROBES,
  Probes,
  type Probe,
  SEEDS_THAT_HIT_EVERY_PROBE,
} from '../probes.ts'
import { twice } from '../run.ts'
import { PART_NAMES, type PartName } from './plan.ts'
import { runNodesSeed } from './run.ts'

const FULL = SEEDS_THAT_HIT_EVERY_PROBE
const PART_SEEDS = 20
/** Two runs each. Where all of them are run, they leave out no fault. */
const SEED_COUNT = scaled(FULL, 10)
/** Of each part: their worlds have twice as many events. A fast run has time for one. */
const PART_SEED_COUNT = fewOrAll(1, PART_SEEDS)
/** So many seeds show what recovers in worlds with these. Of the others it is not measured yet how
 *  many it takes. */
const SHOWN_SOON: ReadonlySet<PartName> = new Set(['groups', 'orphans', 'durable'])

describe('simulation of several nodes', () => {
  test(
    `${String(SEED_COUNT)} seeds keep every promise (GL1, GL2, ND1, ND2, WA1), twice the same`,
    { timeout: 40 * 60_000 },
    async () => {
      const probes = new Probes(NODES_PROBES)
      for (let seed = 1; seed <= SEED_COUNT; seed += 1) {
        const result = await twice(() => runNodesSeed(seed))
        expectEndedWell(result, '--nodes')
        probes.add(result.probes)
      }
      if (SEED_COUNT >= FULL) expect(probes.neverHit()).toEqual([])
    },
  )

  test.each(PART_NAMES)(
    `worlds with %s keep every promise too, twice the same`,
    { timeout: 20 * 60_000 },
    async (part) => {
      const unseen = new Set<Probe>(PART_PROBES[part])
      for (let seed = 1; seed <= PART_SEED_COUNT; seed += 1) {
        const result = await twice(() => runNodesSeed(seed, { parts: [part] }))
        expectEndedWell(result, '--nodes', '--parts', part)
        for (const probe of unseen) if (result.probes.hasHit(probe)) unseen.delete(probe)
      }
      if (PART_SEED_COUNT >= PART_SEEDS && SHOWN_SOON.has(part)) expect([...unseen]).toEqual([])
    },
  )

  test('without faults all nodes serve to the end', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= scaled(20, 2); seed += 1) {
      const result = await runNodesSeed(seed, { faultless: true })
      expectEndedWell(result, '--nodes', '--faultless')
    }
  })
})
