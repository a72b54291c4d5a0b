// F07: a node dies with the only copies of objects. Their owner, on another node, has them made
// again, or says why they cannot be.
import { describe, expect, it } from 'vitest'
import { until } from '../../support/waiting.ts'
import { fixture, jsonLines, placeOfEachTest, type Row } from './virga.ts'

/** A node is known to be dead after its lease of 16 s; then everything is made again. */
const DEATH_MS = 120_000

const place = placeOfEachTest(DEATH_MS)

async function startNodes(count: number): Promise<readonly Row[]> {
  await place.startNodes({ nodes: count })
  return place.rows('nodes')
}

describe('F07: a node dies with all that it held', () => {
  it(
    'its results are made again where they are needed, as their next attempt, or told as lost',
    async () => {
      const [, , third] = await startNodes(3)
      const program = place.node(fixture('lost-objects.mts'), String(third?.['nodeId']))
      await until(() => jsonLines(program).length === 1)
      process.kill(Number(third?.['pid']), 'SIGKILL')
      program.child.stdin?.write('go\n')
      const { code, stderr } = await program.ended
      expect(stderr).toBe('')
      expect(code).toBe(0)
      const told = jsonLines(program)[1]
      expect(told).toMatchObject({ one: 2, ofChain: 210, byTask: 3, byBorrower: 30 })
      expect(told).toMatchObject({ copied: 0, counted: 1, spent: 1 })
      expect(told).toMatchObject({ barred: { name: 'ObjectLostError', reason: 'NO_RETRIES' } })
    },
    DEATH_MS,
  )

  it(
    'what a node takes along that is told to leave costs its tasks no retry',
    async () => {
      const [, , third] = await startNodes(3)
      const program = place.node(fixture('left-objects.mts'), String(third?.['nodeId']))
      await until(() => jsonLines(program).length === 1)
      process.kill(Number(third?.['pid']), 'SIGTERM')
      await until(async () => {
        return (await place.rows('nodes')).some((row) => row['state'] === 'DEAD')
      })
      program.child.stdin?.write('go\n')
      const { code, stderr } = await program.ended
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(jsonLines(program)[1]).toEqual({ values: [5, 5, 5] })
    },
    DEATH_MS,
  )

  it(
    'a hundred results are made again though a second node dies meanwhile',
    async () => {
      const [, second, third] = await startNodes(4)
      const program = place.node(fixture('lost-fan.mts'), String(third?.['nodeId']), '100')
      await until(() => jsonLines(program).length === 1)
      process.kill(Number(third?.['pid']), 'SIGKILL')
      program.child.stdin?.write('go\n')
      await until(() => jsonLines(program).length > 1, DEATH_MS)
      process.kill(Number(second?.['pid']), 'SIGKILL')
      const { code, stderr } = await program.ended
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(jsonLines(program).at(-1)).toEqual({ sum: 4950, own: 4950 })
    },
    DEATH_MS,
  )
})
