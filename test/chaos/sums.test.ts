// Chains of dependent tasks in the storm of chaotic-cluster.ts: none is lost, none comes out twice
// or wrong, and no resource stays taken. `npm run chaos` runs all of it: 20,000 tasks, 30 nodes and
// 150 workers killed, 3 nodes frozen until they are dead.
import { expect, it } from 'vitest'
import { scaled } from '../support/scale.ts'
import { CHAOS_MS, describeChaos } from './chaotic-cluster.ts'
import type { Said, Todo } from './fixtures/sums.mts'

const LENGTH = 20
const CHAINS = scaled(20_000) / LENGTH
const KILLS = { nodes: scaled(30, 3), frozen: scaled(3, 1), workers: scaled(150) }

await describeChaos((chaotic) => {
  it(
    `${CHAINS * LENGTH} dependent tasks come to what they should`,
    async () => {
      const ended = new Set<number>()
      const drivers = await chaotic().through(
        {
          fixture: 'sums.mts',
          share: () => ended.size / CHAINS,
          plan: () => {
            const chains = Array.from({ length: CHAINS }, (_, i) => i).filter((i) => !ended.has(i))
            const todo: Todo = { chains, length: LENGTH }
            return todo
          },
          heard: (line) => {
            const { chain, value } = line as Extract<Said, { kind: 'chain' }>
            expect(value).toBe(valueOf(chain))
            expect(ended.has(chain)).toBe(false)
            ended.add(chain)
          },
        },
        KILLS,
      )
      expect(drivers).toBeGreaterThan(1)
      await chaotic().isCalm()
    },
    CHAOS_MS,
  )
})

/** What the chain comes to: the same arithmetic, here. */
function valueOf(chain: number): number {
  let value = chain
  for (let index = 0; index < LENGTH; index += 1) value = (value * 31 + index) % 1_000_003
  return value
}
