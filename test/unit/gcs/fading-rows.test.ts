// A GCS in memory does not grow with what DynamoDB drops in time: dead actors, lineage, locations.
import { expect, test } from 'vitest'
import { actorDead, readActor, readActors, registerActor } from '../../../runtime/gcs/actors.ts'
import { FadingRows } from '../../../runtime/gcs/fading-rows.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { RowKey } from '../../../runtime/gcs/storage.ts'

const key = (sk: string): RowKey => ({ table: 'lineage', pk: 'p', sk })
const names = (keys: readonly RowKey[]): string[] => keys.map(({ sk }) => sk)

test('FR1: beyond so many rows the oldest go, a row that was written again among the newest', () => {
  const rows = new FadingRows({ rowsMax: 3, bytesMax: Infinity })
  for (const name of ['a', 'b', 'c', 'a']) expect(rows.wrote(key(name), {})).toEqual([])
  expect(names(rows.wrote(key('d'), {}))).toEqual(['b', 'c'])
  rows.forget(key('a'))
  expect(rows.wrote(key('e'), {})).toEqual([])
})

test('FR1: beyond so many bytes too, though never the newest', () => {
  const rows = new FadingRows({ rowsMax: 100, bytesMax: 3_000 })
  const large = { packed: new Uint8Array(1_000) }
  expect(rows.wrote(key('a'), large)).toEqual([])
  expect(names(rows.wrote(key('b'), large))).toEqual(['a'])
  expect(names(rows.wrote(key('huge'), { packed: new Uint8Array(9_000) }))).toEqual(['b'])
  expect(names(rows.wrote(key('c'), {}))).toEqual(['huge'])
})

test('of dead actors the newest are kept, and every living one', async () => {
  const few = { rowsMax: 10, bytesMax: Infinity }
  const storage = new MemoryStorage({ cluster: few, lineage: few, locations: few })
  const ids = Array.from({ length: 30 }, (_, i) => String(i).padStart(16, '0') + '0000beef')
  for (const actorId of ids) {
    await registerActor(
      storage,
      {
        ...{ actorId, owner: 'dd', name: null, detached: true, maxRestarts: 0 },
        ...{ spec: new Uint8Array(1), nodeId: 'n1', epoch: 1 },
      },
      5,
    )
  }
  for (const actorId of ids.slice(5)) {
    await actorDead(storage, { actorId, incarnation: 0 }, 'killed', 9)
  }
  const left = await readActors(storage, '0000beef')
  const isDead = left.map(({ state }) => state === 'DEAD')
  expect(isDead.filter((dead) => !dead)).toHaveLength(5)
  expect(isDead.filter((dead) => dead).length).toBeLessThanOrEqual(10)
  expect(await readActor(storage, String(ids.at(-1)))).toMatchObject({ death: 'killed' })
  expect(await readActor(storage, String(ids[5]))).toBeUndefined()
})

test('what was written as expiring and then as staying stays', async () => {
  const one = { rowsMax: 1, bytesMax: Infinity }
  const storage = new MemoryStorage({ cluster: one, lineage: one, locations: one })
  await storage.append([{ key: key('a'), value: {}, expiresAtMs: 1 }])
  await storage.append([{ key: key('a'), value: {} }])
  for (const name of ['b', 'c']) {
    await storage.append([{ key: key(name), value: {}, expiresAtMs: 1 }])
  }
  expect(names((await storage.query('lineage', 'p')).map((row) => row.key))).toEqual(['a', 'c'])
})
