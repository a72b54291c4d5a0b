// Partitions are read to their end, however many pages that takes.
import { expect, test } from 'vitest'
import { queryAll } from '../../../runtime/gcs/query-all.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { QUERY_ROWS_MAX } from '../../../runtime/gcs/storage.ts'

test.each([0, 1, QUERY_ROWS_MAX, 2 * QUERY_ROWS_MAX + 1])('all of %i rows', async (count) => {
  const storage = new MemoryStorage()
  const rows = Array.from({ length: count }, (_, index) => ({
    key: { table: 'cluster', pk: 'p', sk: `A#${String(index)}` } as const,
    value: { index },
  }))
  await storage.append([...rows, { key: { table: 'cluster', pk: 'p', sk: 'B' }, value: {} }])
  expect(await queryAll(storage, ['p'], { prefix: 'A#' })).toHaveLength(count)
})

test('of several partitions, the rows of each', async () => {
  const storage = new MemoryStorage()
  const keyIn = (pk: string) => ({ table: 'cluster', pk, sk: 'A' }) as const
  await storage.append(['p', 'q', 'r'].map((pk) => ({ key: keyIn(pk), value: { pk } })))
  const rows = await queryAll(storage, ['r', 'none', 'p'])
  expect(rows.map(({ value }) => value['pk'])).toEqual(['r', 'p'])
})
