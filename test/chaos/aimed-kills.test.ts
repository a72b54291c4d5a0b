// Workers that are killed at the four points of a task's run that matter (F01), each many times: no
// task is lost, its result is one, its effect is one, and no slot leaks. `npm run chaos` kills
// 250 times at each.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { get, init, shutdown } from 'virga'
import { slotsAreBack } from '../support/cluster-view.ts'
import { scaled } from '../support/scale.ts'
import { until } from '../support/waiting.ts'
import { Fatal, killedAt, reads, type Point } from './fixtures/kill-functions.ts'
import { RemoteLedger } from '../integration/engine/stress-functions.ts'

const KILLS = scaled(250)
/** Submitted at once: what is behind a task that is killed is handed back. */
const BATCH = 25

describe('workers that are killed at a point of a run', () => {
  let folder = ''
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'virga-kills-'))
    await init({ address: 'local', numCpus: 4, logToDriver: false })
  })
  afterAll(async () => {
    await shutdown()
    rmSync(folder, { recursive: true })
  })

  it.each<[Point, string]>([
    ['BEFORE_RUN', 'before it'],
    ['MID_RUN', 'in its middle'],
    ['AFTER_EFFECT', 'after its effect, before its result'],
    ['AFTER_RESULT', 'as its result leaves, or has left'],
  ])(
    `F01 %s: ${String(KILLS)} SIGKILLs %s, and each task has one result and one effect`,
    async (point) => {
      const ledger = RemoteLedger.options({ numCpus: 0 }).remote()
      const stamps = new Set<string>()
      for (let from = 0; from < KILLS; from += BATCH) {
        const refs = Array.from({ length: Math.min(BATCH, KILLS - from) }, (_, i) => {
          const index = from + i
          const mark = join(folder, `${point}-${String(index)}`)
          const fatal = new Fatal(point === 'BEFORE_RUN' ? mark : '')
          return killedAt.remote({ point, mark, index }, ledger, fatal)
        })
        const readBy = refs.map((ref) => reads.remote(ref))
        const values = await get(refs)
        expect(await get(readBy)).toEqual(values) // I2
        for (const value of values) stamps.add(value)
      }
      expect(stamps.size).toBe(KILLS)
      const kills = (): number =>
        readdirSync(folder).filter((name) => name.startsWith(point)).length
      await until(() => kills() === KILLS)
      const { effects, told } = await ledger.counts.run()
      expect(effects).toBe(KILLS)
      expect(told).toBeGreaterThanOrEqual(point === 'AFTER_EFFECT' ? 2 * KILLS : KILLS)
      await until(slotsAreBack)
    },
    240_000,
  )
})
