// An append of several batches: what its caller is told of those before one that fails.
import { expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { GcsUnavailableError, GcsWriteUnknownError } from '../../../runtime/common/errors.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import { DynamoAccess } from '../../../runtime/gcs/access-dynamodb.ts'
import { appendRows } from '../../../runtime/gcs/append-dynamodb.ts'
import { MemoryBodyStore } from '../../../runtime/gcs/body-store-memory.ts'
import { UnitTotals } from '../../../runtime/gcs/meter.ts'
import type { AppendedRow } from '../../../runtime/gcs/storage.ts'
import { clientDeps } from '../../support/dynamo-storage.ts'
import { caught } from '../../support/waiting.ts'

/** Its tables take `batches`, and are throttled from then on. */
function throttledAfter(batches: number): DynamoAccess {
  const bodies = { store: new MemoryBodyStore(systemClock), hash: systemHash }
  const deps = { ...clientDeps(), meter: new UnitTotals(), bodies }
  const access = new DynamoAccess(deps, { cluster: 'c', region: 'us-east-1', deadlineMs: 0 })
  const throttled = Object.assign(new Error('slower'), { name: 'ThrottlingException' })
  let sent = 0
  const send = (): Promise<object> =>
    sent++ < batches ? Promise.resolve({}) : Promise.reject(throttled)
  return Object.assign(access, { client: { send } })
}

const ROWS = Array.from({ length: 60 }, (_, index): AppendedRow => {
  return { key: { table: 'cluster', pk: 'p', sk: String(index) }, value: {} }
})

test('nothing was written: the first batch was throttled', async () => {
  const error = await caught(appendRows(throttledAfter(0), ROWS), GcsUnavailableError)
  expect(error.message).toContain('nothing was changed')
})

test('a part was written: a later batch was throttled', async () => {
  const error = await caught(appendRows(throttledAfter(2), ROWS), GcsWriteUnknownError)
  expect(error.message).toContain('append of 60 rows may have been applied (slower)')
})
