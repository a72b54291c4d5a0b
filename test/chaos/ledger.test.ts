// Calls of one actor from callers on all nodes, in the storm of chaotic-cluster.ts: its worker
// and its callers are killed, and what it did is what they were told. `npm run chaos` makes 100,000
// calls.
//   I6. A call that was told as done was run once; one that was told as not run, never; one of
//       which nobody knows, at most once. The ledger drops none by its id: running it twice shows.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { scaled } from '../support/scale.ts'
import { CHAOS_MS, describeChaos } from './chaotic-cluster.ts'
import type { Plan, Said } from './fixtures/ledger.mts'

const CALLS_EACH = 100
const CALLERS = scaled(100_000) / CALLS_EACH
const KILLS = { nodes: scaled(15, 3), frozen: scaled(3, 1), workers: scaled(60) }

await describeChaos((chaotic) => {
  it(
    `I6: of ${CALLERS * CALLS_EACH} calls each has at most one effect, and what was told is true`,
    async () => {
      const journal = join(chaotic().cluster.runtimeDir, 'journal')
      const done: string[] = []
      const notRun: string[] = []
      const ended = new Set<number>()
      let driver = 0
      await chaotic().through(
        {
          fixture: 'ledger.mts',
          share: () => ended.size / CALLERS,
          plan: () => {
            const callers = Array.from({ length: CALLERS }, (_, i) => i).filter(
              (i) => !ended.has(i),
            )
            const plan: Plan = { driver: driver++, callers, callsEach: CALLS_EACH, journal }
            return plan
          },
          heard: (line) => {
            const told = line as Extract<Said, { kind: 'caller' }>
            ended.add(told.caller)
            done.push(...told.done)
            notRun.push(...told.notRun)
          },
        },
        KILLS,
      )
      expect(ended.size).toBe(CALLERS)
      const entries = existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []
      const entered = new Set(entries)
      expect(entries.length).toBe(entered.size) // nothing has run twice
      expect(done.filter((id) => !entered.has(id))).toEqual([])
      expect(notRun.filter((id) => entered.has(id))).toEqual([])
      expect(done.length).toBeGreaterThan((CALLERS * CALLS_EACH) / 2)
      await chaotic().isCalm()
    },
    CHAOS_MS,
  )
})
