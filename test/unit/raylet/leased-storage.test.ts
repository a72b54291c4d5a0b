// A node whose lease is over reads the GCS, and begins no write.
import { expect, test } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { RowKey } from '../../../runtime/gcs/storage.ts'
import { leasedStorage } from '../../../runtime/raylet/cluster/leased-storage.ts'
import { caught } from '../../support/waiting.ts'

const KEY: RowKey = { table: 'cluster', pk: 'p', sk: 's' }

test('LW1: it writes while its lease lasts, and not before it is confirmed anew', async () => {
  let isOver = false
  const storage = leasedStorage(new MemoryStorage(), () => !isOver)
  await storage.putIf(KEY, { a: 1 }, 'ABSENT')
  isOver = true
  for (const write of [
    () => storage.putIf(KEY, { a: 2 }, 1),
    () => storage.update(KEY, { a: 2 }, 1),
    () => storage.delete(KEY, 1),
    () => storage.append([{ key: KEY, value: { a: 2 } }]),
    () => storage.transact([{ kind: 'delete', key: KEY, expected: 1 }]),
  ])
    await caught(write(), GcsUnavailableError)
  expect(await storage.get(KEY)).toMatchObject({ version: 1, value: { a: 1 } })
  expect(await storage.query('cluster', 'p')).toHaveLength(1)
  isOver = false
  expect(await storage.update(KEY, { a: 2 }, 1)).toMatchObject({ won: true })
})
