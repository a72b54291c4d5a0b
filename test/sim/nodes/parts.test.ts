// Clusters of several nodes whose drivers use more than tasks: no seed fails, each gives the same
// trace twice, and together they show what recovers. A file beside seeds.test.ts: each of the two
// keeps a CPU busy for 12 to 27 minutes at full size.
import { describe, expect, test } from 'vitest'
import { fewOrAll } from '../../support/scale.ts'
import { expectEndedWell } from '../ended-well.ts'
import { PART_PROBES, type Probe } from '../probes.ts'
import { twice } from '../run.ts'
import { PART_NAMES, type PartName } from './plan.ts'
import { runNodesSeed } from './run.ts'

const PART_SEEDS = 10
/** Of each part: their worlds have twice as many events. A fast run has time for one. */
const PART_SEED_COUNT = fewOrAll(1, PART_SEEDS)
/** Of all at once, which are as many events as all of the others. */
const ALL_SEED_COUNT = fewOrAll(1, 5)
/** So many seeds show what recovers in worlds with these. Of the others it is not measured yet how
 *  many it takes. */
const SHOWN_SOON: ReadonlySet<PartName> = new Set(['groups', 'orphans', 'durable'])

describe('simulation of several nodes', () => {
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

  test('worlds with all of them at once do, too', { timeout: 20 * 60_000 }, async () => {
    for (let seed = 1; seed <= ALL_SEED_COUNT; seed += 1) {
      const result = await twice(() => runNodesSeed(seed, { parts: PART_NAMES }))
      expectEndedWell(result, '--nodes', '--parts', PART_NAMES.join())
    }
  })
})
