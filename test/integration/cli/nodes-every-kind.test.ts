// A program that does every kind of work, with the options that a user would give, while processes
// are killed under it: real nodes, their GCS in DynamoDB.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { isRunning } from '../../support/is-running.ts'
import { until } from '../../support/waiting.ts'
import { fixture, jsonLines, placeOfEachTest, type Row } from './virga.ts'

const KINDS = 7
/** A node is dead once its lease of 16 s has run out, of which others hear with a heartbeat. */
const DEATH_MS_MAX = 90_000
const TEST_MS = 240_000

const place = placeOfEachTest(TEST_MS)

const cloud = await startCloud()
describeOn(cloud, 'a program of every kind of work, with the GCS in DynamoDB', (cloud) => {
  afterAll(() => cloud.stop())

  it(
    'F01, F07, F12: goes on when workers, actors and a node are killed with SIGKILL',
    async () => {
      const where = ['--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint]
      await place.startNodes({ nodes: 3 }, ...where)
      const journal = join(place.runtimeDir, 'journal')
      const program = place.node(fixture('every-kind.mts'), journal)
      const roundsOf = (): Map<string, number> =>
        new Map(jsonLines<Round>(program).map(({ kind, round }) => [kind, round]))
      /** Each kind of work begins a round and ends it, from now on. */
      const goesOn = async (): Promise<void> => {
        const before = roundsOf()
        await until(() => {
          expect(program.output.stderr).toBe('')
          expect(program.child.exitCode).toBeNull()
          const now = [...roundsOf()]
          const further = now.filter(([kind, round]) => round >= (before.get(kind) ?? -1) + 2)
          return further.length === KINDS
        }, DEATH_MS_MAX)
      }
      /** All workers that run something of that sort. */
      const killThose = (state: 'LEASED' | 'ACTOR'): Promise<void> =>
        until(async () => {
          const rows = await place.rows('workers')
          const pids = rows.filter((row) => row['state'] === state).map(({ pid }) => Number(pid))
          for (const pid of pids.filter(isRunning)) process.kill(pid, 'SIGKILL')
          return pids.length > 0
        })

      await goesOn()
      await killThose('LEASED')
      await goesOn()
      await killThose('ACTOR')
      await goesOn()
      const [, , third] = await place.rows('nodes')
      process.kill(Number(third?.['pid']), 'SIGKILL')
      await goesOn()
      await until(async () => (await place.rows('nodes')).some(isDead), DEATH_MS_MAX)
      await goesOn()
      program.child.stdin?.write('\n')
      const { code, stderr } = await program.ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const told = readFileSync(journal, 'utf8').trim().split('\n')
      expect(new Set(told).size).toBe(told.length)
    },
    TEST_MS,
  )
})

interface Round {
  readonly kind: string
  readonly round: number
}

const isDead = ({ state }: Row): boolean => state === 'DEAD'
