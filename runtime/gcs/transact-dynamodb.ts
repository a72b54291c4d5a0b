// A transaction on DynamoDB tables: its items and their expressions, and what an answer means.
// One token for all of its rows: a repeat finds by it that an earlier attempt was applied (DY1 of
// storage-dynamodb.ts), and DynamoDB itself knows a repeated request by it for ten minutes.
import { TransactWriteItemsCommand, type TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { DynamoAccess } from './access-dynamodb.ts'
import type { Bodies } from './bodies.ts'
import { Placeholders, conditionOf, keyItem, replaceOf, updateOf } from './items-dynamodb.ts'
import { judgeTransaction } from './races-dynamodb.ts'
import { copyValue } from './row-value.ts'
import type { TransactItem } from './storage.ts'

/** @param items  one at least. */
export async function transactItems(
  access: DynamoAccess,
  items: readonly TransactItem[],
): Promise<boolean> {
  const token = access.newToken()
  const requests = await Promise.all(items.map((item) => requestOf(access, item, token)))
  return await access.attempts.run({
    name: `transact of ${String(items.length)} rows`,
    writes: true,
    attempt: async (unsure) => {
      try {
        const answer = await access.client.send(
          new TransactWriteItemsCommand({
            TransactItems: requests,
            ClientRequestToken: token,
            ReturnConsumedCapacity: 'TOTAL',
          }),
        )
        access.consumption.recordAll(
          'transact',
          items.map(({ key }) => key),
          answer.ConsumedCapacity,
        )
        return true
      } catch (error) {
        return judgeTransaction({ items, token, unsure }, error)
      }
    },
  })
}

async function requestOf(
  access: DynamoAccess,
  item: TransactItem,
  token: string,
): Promise<TransactWriteItem> {
  const { key, expected } = item
  const placeholders = new Placeholders()
  const update = await updateExpression(access.bodies, item, { token, placeholders })
  const common = {
    TableName: access.table(key.table),
    Key: keyItem(key),
    ConditionExpression: conditionOf(expected, placeholders),
    ...placeholders.given,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
  }
  if (update !== undefined) return { Update: { ...common, UpdateExpression: update } }
  return item.kind === 'delete' ? { Delete: common } : { ConditionCheck: common }
}

/** @returns undefined for an item that sets no fields. */
async function updateExpression(
  bodies: Bodies,
  item: TransactItem,
  { token, placeholders }: { token: string; placeholders: Placeholders },
): Promise<string | undefined> {
  if (item.kind === 'update') {
    const split = await bodies.split(item.key, copyValue(item.fields), token)
    return updateOf(split, token, placeholders, item.expiresAtMs)
  }
  if (item.kind !== 'putIf') return undefined
  const version = item.expected === 'ABSENT' ? 1 : item.expected + 1
  const value = await bodies.split(item.key, copyValue(item.value), token)
  return replaceOf({ version, token, value, expiresAtMs: item.expiresAtMs }, placeholders)
}
