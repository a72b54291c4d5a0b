// F07: a node dies with the only copies of objects. Their owner, on another node, has them made
// again, or says why they cannot be.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { until } from '../../support/waiting.ts'
import { fixture, Place, type Row, type Running } from './virga.ts'

/** A node is known to be dead after its lease of 16 s; then everything is made again. */
const DEATH_MS = 120_000

let place: Place
beforeEach(() => {
  place = new Place(DEATH_MS)
})
afterEach(async () => {
  await place.virga('stop')
  place.remove()
})

async function startNodes(count: number): Promise<readonly Row[]> {
  const port = String(await freePort())
  await place.json('start', '--nodes', String(count), '--num-cpus', '2', '--port', port)
  return (await place.json('list', 'nodes'))['rows'] as Row[]
}

const lines = ({ output }: Running): unknown[] =>
  output.stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]))

describe('F07: a node dies with all that it held', () => {
  it(
    'its results are made again where they are needed, as their next attempt, or told as lost',
    async () => {
      const [, , third] = await startNodes(3)
      const program = place.node(fixture('lost-objects.mts'), String(third?.['nodeId']))
      await until(() => lines(program).length === 1)
      process.kill(Number(third?.['pid']), 'SIGKILL')
      program.child.stdin?.write('go\n')
      const { code, stderr } = await program.ended
      expect(stderr).toBe('')
      expect(code).toBe(0)
      const told = lines(program)[1]
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
      await until(() => lines(program).length === 1)
      process.kill(Number(third?.['pid']), 'SIGTERM')
      await until(async () => {
        const rows = (await place.json('list', 'nodes'))['rows'] as Row[]
        return rows.some((row) => row['state'] === 'DEAD')
      })
      program.child.stdin?.write('go\n')
      const { code, stderr } = await program.ended
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(lines(program)[1]).toEqual({ values: [5, 5, 5] })
    },
    DEATH_MS,
  )

  it(
    'a hundred results are made again though a second node dies meanwhile',
    async () => {
      const [, second, third] = await startNodes(4)
      const program = place.node(fixture('lost-fan.mts'), String(third?.['nodeId']), '100')
      await until(() => lines(program).length === 1)
      process.kill(Number(third?.['pid']), 'SIGKILL')
      program.child.stdin?.write('go\n')
      const isFirstThere = (): boolean => lines(program).length > 1
      // Once the lease of the dead one has expired, which takes longer than `until`.
      await until(isFirstThere).catch(() => until(isFirstThere))
      process.kill(Number(second?.['pid']), 'SIGKILL')
      const { code, stderr } = await program.ended
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(lines(program).at(-1)).toEqual({ sum: 4950, own: 4950 })
    },
    DEATH_MS,
  )
})
