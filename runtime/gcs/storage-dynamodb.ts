// Storage on DynamoDB tables, and on S3 for what is too large for an item.
// Invariants, beside those of the port:
//   DY1. Every conditional write leaves a token of its own in the row, where the last four are
//       kept. When a condition fails after an attempt whose answer was lost, they say whose it was.
//   DY2. The SDK repeats nothing; `attempts` does, within one budget for all calls.
//   DY3. Every answer's consumption goes to the meter; a condition that failed tells none.
// An append replaces whole items, so it cannot count versions: it sets an arbitrary one.
import {
  BatchWriteItemCommand,
  DeleteItemCommand,
  GetItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type ConsumedCapacity,
  type DynamoDBClient,
  type TransactWriteItem,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb'
import { ObjectLostError } from '../common/errors.ts'
import { Attempts, unknownWrite, type AttemptsDeps } from './attempts.ts'
import { UnprocessedError, explainAws } from './aws-failure.ts'
import { Bodies, type BodiesDeps } from './bodies.ts'
import type { AwsOptions } from './aws-client-system.ts'
import { dynamoClient } from './client-dynamodb.ts'
import {
  Placeholders,
  conditionOf,
  fromItem,
  judge,
  keyItem,
  toItem,
  replaceOf,
  updateOf,
  type Item,
  type StoredRow,
} from './items-dynamodb.ts'
import { isLostRace, isTooLarge, judgeTransaction, type LostRace } from './races-dynamodb.ts'
import type { Meter } from './meter.ts'
import { checkKey, copyValue } from './row-value.ts'
import {
  QUERY_ROWS_MAX,
  checkTransaction,
  holds,
  keyText,
  type AppendedRow,
  type DeleteOutcome,
  type Expected,
  type Present,
  type QueryOptions,
  type ReadOptions,
  type Row,
  type RowKey,
  type RowValue,
  type Storage,
  type TableName,
  type TransactItem,
  type WriteOutcome,
} from './storage.ts'
import { tableNameOf } from './tables.ts'

const BATCH_ROWS_MAX = 25
const TOKEN_BYTES = 9
const APPENDED_VERSION_MIN = 2 ** 33
const APPENDED_VERSIONS = 2 ** 47

export interface DynamoStorageDeps extends AttemptsDeps {
  readonly bodies: BodiesDeps
  readonly meter: Meter
}

export interface DynamoStorageOptions extends AwsOptions {
  /** The cluster's name: part of the tables' names. */
  readonly cluster: string
  /** How long a call is repeated. Default: CALL_DEADLINE_MS. */
  readonly deadlineMs?: number
}

/** What every write of one row needs. */
interface Write {
  readonly key: RowKey
  readonly expected: Expected
  readonly token: string
}

export class DynamoStorage implements Storage {
  readonly #client: DynamoDBClient
  readonly #deps: DynamoStorageDeps
  readonly #cluster: string
  readonly #attempts: Attempts
  readonly #bodies: Bodies

  constructor(deps: DynamoStorageDeps, options: DynamoStorageOptions) {
    this.#deps = deps
    this.#cluster = options.cluster
    this.#client = dynamoClient(options)
    this.#attempts = new Attempts(deps, explainAws, options.deadlineMs)
    this.#bodies = new Bodies(deps.bodies)
  }

  async get(key: RowKey, options: ReadOptions = {}): Promise<Row | undefined> {
    const stored = await this.#getStored(key, options)
    return stored && (await this.#whole(stored))
  }

  /** The keys of a row's bodies, for sweepBodies. */
  async pointersOf(key: RowKey): Promise<readonly string[]> {
    const stored = await this.#getStored(key, {})
    return Object.values(stored?.bodies ?? {}).map((pointer) => pointer.key)
  }

  async putIf(key: RowKey, value: RowValue, expected: 'ABSENT' | number): Promise<WriteOutcome> {
    checkKey(key)
    const write: Write = { key, expected, token: this.#token() }
    const copied = copyValue(value)
    const version = expected === 'ABSENT' ? 1 : expected + 1
    const split = await this.#bodies.split(key, copied, write.token)
    const won: WriteOutcome = { won: true, row: { key, version, value: copied } }
    return await this.#write('putIf', write, async () => {
      const placeholders = new Placeholders()
      const answer = await this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table(key.table),
          Key: keyItem(key),
          UpdateExpression: replaceOf({ version, token: write.token, value: split }, placeholders),
          ConditionExpression: conditionOf(expected, placeholders),
          ...placeholders.given,
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          ReturnConsumedCapacity: 'TOTAL',
        }),
      )
      this.#consumed('putIf', key, answer.ConsumedCapacity)
      return won
    })
  }

  async update(key: RowKey, fields: RowValue, expected: Present): Promise<WriteOutcome> {
    checkKey(key)
    const write: Write = { key, expected, token: this.#token() }
    const split = await this.#bodies.split(key, copyValue(fields), write.token)
    const outcome = await this.#write<WriteOutcome | undefined>('update', write, async () => {
      const placeholders = new Placeholders()
      const answer = await this.#client
        .send(
          new UpdateItemCommand({
            TableName: this.#table(key.table),
            Key: keyItem(key),
            UpdateExpression: updateOf(split, write.token, placeholders),
            ConditionExpression: conditionOf(expected, placeholders),
            ...placeholders.given,
            ReturnValues: 'ALL_NEW',
            ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
            ReturnConsumedCapacity: 'TOTAL',
          }),
        )
        .catch((error: unknown) => {
          if (isTooLarge(error)) return undefined
          throw error
        })
      if (answer === undefined) return undefined
      this.#consumed('update', key, answer.ConsumedCapacity)
      return { won: true, row: await this.#whole(fromItem(key.table, answer.Attributes ?? {})) }
    })
    return outcome ?? (await this.#updateLarge(key, fields, expected))
  }

  async delete(key: RowKey, expected: Present): Promise<DeleteOutcome> {
    checkKey(key)
    const write: Write = { key, expected, token: this.#token() }
    return await this.#write<DeleteOutcome>('delete', write, async (unsure) => {
      const placeholders = new Placeholders()
      const send = this.#client.send(
        new DeleteItemCommand({
          TableName: this.#table(key.table),
          Key: keyItem(key),
          ConditionExpression: conditionOf(expected, placeholders),
          ...placeholders.given,
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          ReturnConsumedCapacity: 'TOTAL',
        }),
      )
      const answer = await send.catch((error: unknown) => {
        // What an unsure delete was to do is done, whoever did it.
        if (unsure && isLostRace(error) && error.Item === undefined) return undefined
        throw error
      })
      this.#consumed('delete', key, answer?.ConsumedCapacity)
      return { won: true }
    })
  }

  async query(table: TableName, pk: string, options: QueryOptions = {}): Promise<readonly Row[]> {
    const limit = Math.min(options.limit ?? QUERY_ROWS_MAX, QUERY_ROWS_MAX)
    const rows: StoredRow[] = []
    let after = startOf(pk, options)
    if (after === 'PAST_END') return []
    do {
      const page = await this.#page(table, pk, { options, after, limit: limit - rows.length })
      rows.push(...page.rows)
      after = page.next
    } while (after !== undefined && rows.length < limit)
    return await Promise.all(rows.map((row) => this.#whole(row)))
  }

  async append(rows: readonly AppendedRow[]): Promise<void> {
    for (const { key } of rows) checkKey(key)
    const byKey = new Map(rows.map((row) => [keyText(row.key), row]))
    const last = [...byKey.values()]
    for (let start = 0; start < last.length; start += BATCH_ROWS_MAX) {
      await this.#batch(last.slice(start, start + BATCH_ROWS_MAX))
    }
  }

  async transact(items: readonly TransactItem[]): Promise<boolean> {
    checkTransaction(items)
    for (const { key } of items) checkKey(key)
    if (items.length === 0) return true
    const token = this.#token()
    const requests = await Promise.all(items.map((item) => this.#transactItem(item, token)))
    return await this.#attempts.run({
      name: `transact of ${String(items.length)} rows`,
      writes: true,
      attempt: async (unsure) => {
        try {
          const answer = await this.#client.send(
            new TransactWriteItemsCommand({
              TransactItems: requests,
              ClientRequestToken: token,
              ReturnConsumedCapacity: 'TOTAL',
            }),
          )
          for (const consumed of answer.ConsumedCapacity ?? [])
            this.#consumedBy('transact', consumed)
          return true
        } catch (error) {
          return judgeTransaction({ items, token, unsure }, error)
        }
      },
    })
  }

  close(): void {
    this.#client.destroy()
  }

  async #getStored(key: RowKey, { stale = false }: ReadOptions): Promise<StoredRow | undefined> {
    checkKey(key)
    return await this.#attempts.run({
      name: nameOf('get', key),
      writes: false,
      attempt: async () => {
        const answer = await this.#client.send(
          new GetItemCommand({
            TableName: this.#table(key.table),
            Key: keyItem(key),
            ConsistentRead: !stale,
            ReturnConsumedCapacity: 'TOTAL',
          }),
        )
        this.#consumed('get', key, answer.ConsumedCapacity)
        return answer.Item && fromItem(key.table, answer.Item)
      },
    })
  }

  /** DY1: one conditional write of one row. */
  async #write<Outcome>(
    call: string,
    write: Write,
    attempt: (unsure: boolean) => Promise<Outcome>,
  ): Promise<Outcome | WriteOutcome> {
    return await this.#attempts.run<Outcome | WriteOutcome>({
      name: nameOf(call, write.key),
      writes: true,
      attempt: async (unsure) => {
        try {
          return await attempt(unsure)
        } catch (error) {
          if (!isLostRace(error)) throw error
          return await this.#lost(write, error, unsure)
        }
      },
    })
  }

  async #lost(write: Write, error: LostRace, unsure: boolean): Promise<WriteOutcome> {
    const { key, expected, token } = write
    const current = error.Item && fromItem(key.table, error.Item)
    switch (judge({ expected, current, token, unsure })) {
      case 'OWN':
        return { won: true, row: await this.#whole(current as StoredRow) }
      case 'LOST':
        return { won: false, current: current && (await this.#whole(current)) }
      case 'UNKNOWN':
        throw unknownWrite(nameOf('a write', key), error)
    }
  }

  /** The fields of a row have outgrown an item together: written again whole, as bodies. */
  async #updateLarge(key: RowKey, fields: RowValue, expected: Present): Promise<WriteOutcome> {
    for (;;) {
      const row = await this.get(key)
      if (row === undefined || !holds(row, expected)) return { won: false, current: row }
      const outcome = await this.putIf(key, { ...row.value, ...fields }, row.version)
      if (outcome.won || typeof expected === 'number') return outcome
    }
  }

  async #page(
    table: TableName,
    pk: string,
    page: { options: QueryOptions; after: Item | undefined; limit: number },
  ): Promise<{ rows: StoredRow[]; next: Item | undefined }> {
    const { prefix = '', stale = false } = page.options
    const placeholders = new Placeholders()
    const terms = [`${placeholders.name('pk')} = ${placeholders.value({ S: pk })}`]
    if (prefix !== '') {
      terms.push(`begins_with(${placeholders.name('sk')}, ${placeholders.value({ S: prefix })})`)
    }
    return await this.#attempts.run({
      name: `query of ${table}/${pk}`,
      writes: false,
      attempt: async () => {
        const answer = await this.#client.send(
          new QueryCommand({
            TableName: this.#table(table),
            KeyConditionExpression: terms.join(' AND '),
            ...placeholders.given,
            ...(page.after === undefined ? {} : { ExclusiveStartKey: page.after }),
            Limit: page.limit,
            ConsistentRead: !stale,
            ReturnConsumedCapacity: 'TOTAL',
          }),
        )
        this.#consumed('query', { table, pk, sk: prefix }, answer.ConsumedCapacity)
        const rows = (answer.Items ?? []).map((item) => fromItem(table, item))
        return { rows, next: answer.LastEvaluatedKey }
      },
    })
  }

  /** At most BATCH_ROWS_MAX rows; what DynamoDB leaves undone is sent again (F31). */
  async #batch(rows: readonly AppendedRow[]): Promise<void> {
    let pending: Record<string, WriteRequest[]> = {}
    for (const row of rows) {
      const table = this.#table(row.key.table)
      ;(pending[table] ??= []).push({ PutRequest: { Item: await this.#appendedItem(row) } })
    }
    await this.#attempts.run({
      name: `append of ${String(rows.length)} rows`,
      writes: true,
      attempt: async () => {
        const answer = await this.#client.send(
          new BatchWriteItemCommand({ RequestItems: pending, ReturnConsumedCapacity: 'TOTAL' }),
        )
        for (const consumed of answer.ConsumedCapacity ?? []) this.#consumedBy('append', consumed)
        pending = answer.UnprocessedItems ?? {}
        const count = Object.values(pending).reduce((sum, left) => sum + left.length, 0)
        if (count > 0) throw new UnprocessedError(`${String(count)} rows were left undone`)
      },
    })
  }

  async #appendedItem({ key, value, expiresAtMs }: AppendedRow): Promise<Item> {
    const token = this.#token()
    const version = APPENDED_VERSION_MIN + Math.floor(this.#deps.random.next() * APPENDED_VERSIONS)
    const split = await this.#bodies.split(key, copyValue(value), token)
    return toItem({ key, version, token, value: split, expiresAtMs })
  }

  async #transactItem(item: TransactItem, token: string): Promise<TransactWriteItem> {
    const { key, expected } = item
    const placeholders = new Placeholders()
    const update = await this.#expressionOf(item, token, placeholders)
    const common = {
      TableName: this.#table(key.table),
      Key: keyItem(key),
      ConditionExpression: conditionOf(expected, placeholders),
      ...placeholders.given,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    }
    if (update !== undefined) return { Update: { ...common, UpdateExpression: update } }
    return item.kind === 'delete' ? { Delete: common } : { ConditionCheck: common }
  }

  async #expressionOf(
    item: TransactItem,
    token: string,
    placeholders: Placeholders,
  ): Promise<string | undefined> {
    if (item.kind === 'update') {
      const split = await this.#bodies.split(item.key, copyValue(item.fields), token)
      return updateOf(split, token, placeholders)
    }
    if (item.kind !== 'putIf') return undefined
    const version = item.expected === 'ABSENT' ? 1 : item.expected + 1
    const value = await this.#bodies.split(item.key, copyValue(item.value), token)
    return replaceOf({ version, token, value }, placeholders)
  }

  /** A row with its bodies. One that is gone was replaced meanwhile: the row is read again. */
  async #whole(stored: StoredRow): Promise<Row> {
    const { row } = stored
    const names = Object.entries(stored.bodies)
    if (names.length === 0) return row
    try {
      const fields = await Promise.all(
        names.map(async ([name, pointer]) => [name, await this.#bodies.load(pointer)] as const),
      )
      return { ...row, value: { ...row.value, ...Object.fromEntries(fields) } }
    } catch (error) {
      if (!(error instanceof ObjectLostError)) throw error
      const now = await this.#getStored(row.key, {})
      if (now === undefined || now.tokens[0] === stored.tokens[0]) throw error
      return await this.#whole(now)
    }
  }

  #consumed(call: string, key: RowKey, consumed: ConsumedCapacity | undefined): void {
    if (consumed === undefined) return
    const { table, pk } = key
    const units = consumed.CapacityUnits ?? 0
    const reads = call === 'get' || call === 'query'
    const [readUnits, writeUnits] = reads ? [units, 0] : [0, units]
    this.#deps.meter.record({ call, table, pk, readUnits, writeUnits })
  }

  /** DY3, for an answer about one table and several partitions. */
  #consumedBy(call: string, { TableName = '', CapacityUnits = 0 }: ConsumedCapacity): void {
    const table = TableName.slice(tableNameOf(this.#cluster, '' as TableName).length) as TableName
    this.#deps.meter.record({ call, table, pk: undefined, readUnits: 0, writeUnits: CapacityUnits })
  }

  #table(name: TableName): string {
    return tableNameOf(this.#cluster, name)
  }

  #token(): string {
    return Buffer.from(this.#deps.random.bytes(TOKEN_BYTES)).toString('base64url')
  }
}

const nameOf = (call: string, { table, pk, sk }: RowKey): string =>
  `${call} of ${table}/${pk}/${sk}`

/** Where a query begins. A start outside the prefix is refused by DynamoDB. */
function startOf(pk: string, options: QueryOptions): Item | undefined | 'PAST_END' {
  const { prefix = '', after } = options
  if (after === undefined || after.startsWith(prefix)) {
    return after === undefined || after === '' ? undefined : { pk: { S: pk }, sk: { S: after } }
  }
  return Buffer.compare(Buffer.from(after), Buffer.from(prefix)) < 0 ? undefined : 'PAST_END'
}
