// Appends to DynamoDB tables: facts, written without conditions in batches.
// An append replaces whole items, so it cannot count versions: it sets an arbitrary one, far above
// those that conditional writes reach.
import { BatchWriteItemCommand, type WriteRequest } from '@aws-sdk/client-dynamodb'
import type { DynamoAccess } from './access-dynamodb.ts'
import { isOutage, unknownWrite } from './attempts.ts'
import { UnprocessedError } from './aws-failure.ts'
import { toItem, type Item } from './items-dynamodb.ts'
import { copyValue } from './row-value.ts'
import { keyText, type AppendedRow } from './storage.ts'

const BATCH_ROWS_MAX = 25
const APPENDED_VERSION_MIN = 2 ** 33
const APPENDED_VERSIONS = 2 ** 47

/**
 * Of two rows of one key the last counts: a batch with both would be refused.
 * @throws GcsWriteUnknownError where a batch fails after others were written.
 */
export async function appendRows(
  access: DynamoAccess,
  rows: readonly AppendedRow[],
): Promise<void> {
  const byKey = new Map(rows.map((row) => [keyText(row.key), row]))
  const last = [...byKey.values()]
  for (let start = 0; start < last.length; start += BATCH_ROWS_MAX) {
    try {
      await appendBatch(access, last.slice(start, start + BATCH_ROWS_MAX))
    } catch (error) {
      if (start === 0 || !isOutage(error)) throw error
      throw unknownWrite(`append of ${String(last.length)} rows`, error.cause)
    }
  }
}

/** At most BATCH_ROWS_MAX rows; what DynamoDB leaves undone is sent again (F31). */
async function appendBatch(access: DynamoAccess, rows: readonly AppendedRow[]): Promise<void> {
  let pending: Record<string, WriteRequest[]> = {}
  for (const row of rows) {
    const table = access.table(row.key.table)
    ;(pending[table] ??= []).push({ PutRequest: { Item: await appendedItem(access, row) } })
  }
  await access.attempts.run({
    name: `append of ${String(rows.length)} rows`,
    writes: true,
    attempt: async () => {
      const answer = await access.client.send(
        new BatchWriteItemCommand({ RequestItems: pending, ReturnConsumedCapacity: 'TOTAL' }),
      )
      const keys = rows.map(({ key }) => key)
      access.consumption.recordAll('append', keys, answer.ConsumedCapacity)
      pending = answer.UnprocessedItems ?? {}
      const count = Object.values(pending).reduce((sum, left) => sum + left.length, 0)
      if (count > 0) throw new UnprocessedError(`${String(count)} rows were left undone`)
    },
  })
}

async function appendedItem(
  access: DynamoAccess,
  { key, value, expiresAtMs }: AppendedRow,
): Promise<Item> {
  const token = access.newToken()
  const version = APPENDED_VERSION_MIN + Math.floor(access.random.next() * APPENDED_VERSIONS)
  const split = await access.bodies.split(key, copyValue(value), token)
  return toItem({ key, version, token, value: split, expiresAtMs })
}
