// Reads of DynamoDB tables: one row, a partition page by page, and rows made whole from their
// bodies. A body that is gone was replaced together with its row, which is then read again.
import { GetItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb'
import { ObjectLostError } from '../common/errors.ts'
import { callName, type DynamoAccess } from './access-dynamodb.ts'
import { Placeholders, fromItem, keyItem, type Item, type StoredRow } from './items-dynamodb.ts'
import { checkKey } from './row-value.ts'
import {
  QUERY_ROWS_MAX,
  type QueryOptions,
  type ReadOptions,
  type Row,
  type RowKey,
  type TableName,
} from './storage.ts'

export class DynamoReads {
  readonly #access: DynamoAccess

  constructor(access: DynamoAccess) {
    this.#access = access
  }

  /** A row as its item has it: without its bodies. */
  async stored(key: RowKey, { stale = false }: ReadOptions): Promise<StoredRow | undefined> {
    checkKey(key)
    const { client, attempts, consumption } = this.#access
    return await attempts.run({
      name: callName('get', key),
      writes: false,
      attempt: async () => {
        const answer = await client.send(
          new GetItemCommand({
            TableName: this.#access.table(key.table),
            Key: keyItem(key),
            ConsistentRead: !stale,
            ReturnConsumedCapacity: 'TOTAL',
          }),
        )
        consumption.record('get', key, answer.ConsumedCapacity)
        return answer.Item && fromItem(key.table, answer.Item)
      },
    })
  }

  async query(table: TableName, pk: string, options: QueryOptions): Promise<readonly Row[]> {
    const limit = Math.min(options.limit ?? QUERY_ROWS_MAX, QUERY_ROWS_MAX)
    const rows: StoredRow[] = []
    let after = startOf(pk, options)
    if (after === 'PAST_END') return []
    do {
      const page = await this.#page(table, pk, { options, after, limit: limit - rows.length })
      rows.push(...page.rows)
      after = page.next
    } while (after !== undefined && rows.length < limit)
    return await Promise.all(rows.map((row) => this.whole(row)))
  }

  /** A row with its bodies. One that is gone was replaced meanwhile: the row is read again. */
  async whole(stored: StoredRow): Promise<Row> {
    const { row } = stored
    const names = Object.entries(stored.bodies)
    if (names.length === 0) return row
    const { bodies } = this.#access
    try {
      const fields = await Promise.all(
        names.map(async ([name, pointer]) => [name, await bodies.load(pointer)] as const),
      )
      return { ...row, value: { ...row.value, ...Object.fromEntries(fields) } }
    } catch (error) {
      if (!(error instanceof ObjectLostError)) throw error
      const now = await this.stored(row.key, {})
      if (now === undefined || now.tokens[0] === stored.tokens[0]) throw error
      return await this.whole(now)
    }
  }

  async #page(
    table: TableName,
    pk: string,
    page: { options: QueryOptions; after: Item | undefined; limit: number },
  ): Promise<{ rows: StoredRow[]; next: Item | undefined }> {
    const { client, attempts, consumption } = this.#access
    const { prefix = '', stale = false } = page.options
    const placeholders = new Placeholders()
    const terms = [`${placeholders.name('pk')} = ${placeholders.value({ S: pk })}`]
    if (prefix !== '') {
      terms.push(`begins_with(${placeholders.name('sk')}, ${placeholders.value({ S: prefix })})`)
    }
    return await attempts.run({
      name: `query of ${table}/${pk}`,
      writes: false,
      attempt: async () => {
        const answer = await client.send(
          new QueryCommand({
            TableName: this.#access.table(table),
            KeyConditionExpression: terms.join(' AND '),
            ...placeholders.given,
            ...(page.after === undefined ? {} : { ExclusiveStartKey: page.after }),
            Limit: page.limit,
            ConsistentRead: !stale,
            ReturnConsumedCapacity: 'TOTAL',
          }),
        )
        consumption.record('query', { table, pk, sk: prefix }, answer.ConsumedCapacity)
        const rows = (answer.Items ?? []).map((item) => fromItem(table, item))
        return { rows, next: answer.LastEvaluatedKey }
      },
    })
  }
}

/** Where a query begins. A start outside the prefix is refused by DynamoDB. */
function startOf(pk: string, options: QueryOptions): Item | undefined | 'PAST_END' {
  const { prefix = '', after } = options
  if (after === undefined || after.startsWith(prefix)) {
    return after === undefined || after === '' ? undefined : { pk: { S: pk }, sk: { S: after } }
  }
  return Buffer.compare(Buffer.from(after), Buffer.from(prefix)) < 0 ? undefined : 'PAST_END'
}
