// Clusters of several nodes: no seed fails, and each gives the same trace twice. That they leave
// out no fault takes more of them than there is time for: `npm run sim -- --nodes` says so.
import { describe, test } from 'vitest'
import { scaled } from '../../support/scale.ts'
import { expectEndedWell } from '../ended-well.ts'
import { twice } from '../run.ts'
import { runNodesSeed } from './run.ts'

/** Two runs each, of some 3 s of a CPU. */
const SEED_COUNT = scaled(80, 10)

describe('simulation of several nodes', () => {
  test(
    `${String(SEED_COUNT)} seeds keep every promise (GL1, GL2, ND1, ND2, WA1), twice the same`,
    { timeout: 40 * 60_000 },
    async () => {
      for (let seed = 1; seed <= SEED_COUNT; seed += 1) {
        expectEndedWell(await twice(() => runNodesSeed(seed)), '--nodes')
      }
    },
  )

  test('without faults all nodes serve to the end', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= scaled(20, 2); seed += 1) {
      const result = await runNodesSeed(seed, { faultless: true })
      expectEndedWell(result, '--nodes', '--faultless')
    }
  })
})
