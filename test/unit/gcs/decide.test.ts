// Decisions whose outcome cannot be read: they are in doubt, and never said not to be written.
import { expect, test } from 'vitest'
import { GcsUnavailableError, GcsWriteUnknownError } from '../../../runtime/common/errors.ts'
import { decideDelete, decidePut, decideTogether } from '../../../runtime/gcs/decide.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { RowKey, Storage } from '../../../runtime/gcs/storage.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { caught } from '../../support/waiting.ts'

const key: RowKey = { table: 'cluster', pk: 'p', sk: 's' }
const value = { by: 'me' }
const isOurs = (row: Readonly<Record<string, unknown>>): boolean => row['by'] === 'me'
const away = () => Promise.reject(new GcsUnavailableError('away'))
const inDoubt = () => Promise.reject(new GcsWriteUnknownError('the answer is lost'))

const DECISIONS: readonly [what: string, decide: (storage: Storage) => Promise<unknown>][] = [
  ['a put', (storage) => decidePut(storage, { key, value, expected: 'ABSENT', isOurs })],
  ['a delete', (storage) => decideDelete(storage, key, 1)],
]

test.each(DECISIONS)('%s in doubt whose row cannot be read stays in doubt', async (_, decide) => {
  const storage = changedStorage(new MemoryStorage(), {
    putIf: inDoubt,
    delete: inDoubt,
    get: away,
  })
  await caught(decide(storage), GcsWriteUnknownError)
})

test('a transaction that was applied is in doubt when its row cannot be read', async () => {
  const memory = new MemoryStorage()
  const storage = changedStorage(memory, { get: away })
  const items = [{ kind: 'putIf', key, value, expected: 'ABSENT' }] as const
  await caught(decideTogether(storage, { key, items, isOurs }), GcsWriteUnknownError)
  expect(await memory.get(key)).toMatchObject({ value })
})
