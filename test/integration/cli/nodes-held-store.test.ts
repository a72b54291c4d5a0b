// Values of another node that find no room in this one's store, as it is held or too small: they
// come into files, and such a file may be the one copy that is left.
import { expect, it } from 'vitest'
import { until } from '../../support/waiting.ts'
import { placeOfEachTest, fixture, jsonLines } from './virga.ts'

const STORE_BYTES = 64 * 1024 * 1024

const place = placeOfEachTest()

it('F06 F66: what a held store has no room for is read from files, and kept in them', async () => {
  const bytes = ['--object-store-memory-bytes', String(STORE_BYTES)]
  await place.startNodes({ nodes: 2, numCpus: 1 }, ...bytes)
  const [, other] = await place.rows('nodes')
  const program = place.node(fixture('held-store.mts'), String(other?.['nodeId']))
  const isDone = (): boolean => program.child.exitCode !== null
  await until(() => jsonLines(program).length > 0 || isDone())
  expect(program.output.stderr).toBe('')
  expect(jsonLines(program)).toEqual([{ first: 0, again: 0 }])

  process.kill(Number(other?.['pid']), 'SIGTERM')
  await until(async () => {
    const rows = await place.rows('nodes')
    return rows.some(({ nodeId, state }) => nodeId === other?.['nodeId'] && state === 'DEAD')
  })
  program.child.stdin?.write('go\n')
  expect(await program.ended).toMatchObject({ code: 0, stderr: '' })
  expect(jsonLines(program).at(-1)).toEqual({ kept: 0, held: 1 })
})
