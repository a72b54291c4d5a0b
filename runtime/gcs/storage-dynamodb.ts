// Storage on DynamoDB tables, and on S3 for what is too large for an item: the methods of the port,
// and the conditional writes of one row. Beside it: reads, appends and transactions.
// Invariants, beside those of the port:
//   DY1. Every conditional write leaves a token of its own in the row, where the last four are
//       kept. When a condition fails after an attempt whose answer was lost, they say whose it was.
//       An update that its own result would allow again is applied once.
//   DY2. The SDK repeats nothing; `attempts` does, within one budget for all calls.
//   DY3. Every answer's consumption goes to the meter; a condition that failed tells none.
import { DeleteItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import {
  DynamoAccess,
  callName,
  type DynamoStorageDeps,
  type DynamoStorageOptions,
} from './access-dynamodb.ts'
import { appendRows } from './append-dynamodb.ts'
import { unknownWrite } from './attempts.ts'
import {
  Placeholders,
  conditionOf,
  fromItem,
  judge,
  keyItem,
  replaceOf,
  updateConditionOf,
  updateOf,
  type StoredRow,
} from './items-dynamodb.ts'
import { isLostRace, isTooLarge, type LostRace } from './races-dynamodb.ts'
import { DynamoReads } from './reads-dynamodb.ts'
import { checkKey, copyValue } from './row-value.ts'
import {
  checkTransaction,
  holds,
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
import { transactItems } from './transact-dynamodb.ts'

/** What every write of one row needs. */
interface Write {
  readonly key: RowKey
  readonly expected: Expected
  readonly token: string
}

export class DynamoStorage implements Storage {
  readonly #access: DynamoAccess
  readonly #reads: DynamoReads

  constructor(deps: DynamoStorageDeps, options: DynamoStorageOptions) {
    this.#access = new DynamoAccess(deps, options)
    this.#reads = new DynamoReads(this.#access)
  }

  async get(key: RowKey, options: ReadOptions = {}): Promise<Row | undefined> {
    const stored = await this.#reads.stored(key, options)
    return stored && (await this.#reads.whole(stored))
  }

  /** The keys of a row's bodies, for sweepBodies. */
  async pointersOf(key: RowKey): Promise<readonly string[]> {
    const stored = await this.#reads.stored(key, {})
    return Object.values(stored?.bodies ?? {}).map((pointer) => pointer.key)
  }

  async putIf(key: RowKey, value: RowValue, expected: 'ABSENT' | number): Promise<WriteOutcome> {
    checkKey(key)
    const write: Write = { key, expected, token: this.#access.newToken() }
    const copied = copyValue(value)
    const version = expected === 'ABSENT' ? 1 : expected + 1
    const split = await this.#access.bodies.split(key, copied, write.token)
    const won: WriteOutcome = { won: true, row: { key, version, value: copied } }
    return await this.#write('putIf', write, async () => {
      const placeholders = new Placeholders()
      const answer = await this.#access.client.send(
        new UpdateItemCommand({
          TableName: this.#access.table(key.table),
          Key: keyItem(key),
          UpdateExpression: replaceOf({ version, token: write.token, value: split }, placeholders),
          ConditionExpression: conditionOf(expected, placeholders),
          ...placeholders.given,
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          ReturnConsumedCapacity: 'TOTAL',
        }),
      )
      this.#access.consumption.record('putIf', key, answer.ConsumedCapacity)
      return won
    })
  }

  async update(key: RowKey, fields: RowValue, expected: Present): Promise<WriteOutcome> {
    checkKey(key)
    const write: Write = { key, expected, token: this.#access.newToken() }
    const split = await this.#access.bodies.split(key, copyValue(fields), write.token)
    const outcome = await this.#write<WriteOutcome | undefined>('update', write, async () => {
      const placeholders = new Placeholders()
      const answer = await this.#access.client
        .send(
          new UpdateItemCommand({
            TableName: this.#access.table(key.table),
            Key: keyItem(key),
            UpdateExpression: updateOf(split, write.token, placeholders),
            ConditionExpression: updateConditionOf(expected, write.token, placeholders),
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
      this.#access.consumption.record('update', key, answer.ConsumedCapacity)
      return await this.#won(fromItem(key.table, answer.Attributes ?? {}))
    })
    return outcome ?? (await this.#updateLarge(key, fields, expected))
  }

  async delete(key: RowKey, expected: Present): Promise<DeleteOutcome> {
    checkKey(key)
    const write: Write = { key, expected, token: this.#access.newToken() }
    return await this.#write<DeleteOutcome>('delete', write, async (unsure) => {
      const placeholders = new Placeholders()
      const send = this.#access.client.send(
        new DeleteItemCommand({
          TableName: this.#access.table(key.table),
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
      this.#access.consumption.record('delete', key, answer?.ConsumedCapacity)
      return { won: true }
    })
  }

  async query(table: TableName, pk: string, options: QueryOptions = {}): Promise<readonly Row[]> {
    return await this.#reads.query(table, pk, options)
  }

  async append(rows: readonly AppendedRow[]): Promise<void> {
    for (const { key } of rows) checkKey(key)
    await appendRows(this.#access, rows)
  }

  async transact(items: readonly TransactItem[]): Promise<boolean> {
    checkTransaction(items)
    for (const { key } of items) checkKey(key)
    return items.length === 0 || (await transactItems(this.#access, items))
  }

  close(): void {
    this.#access.client.destroy()
  }

  /** DY1: one conditional write of one row. */
  async #write<Outcome>(
    call: string,
    write: Write,
    attempt: (unsure: boolean) => Promise<Outcome>,
  ): Promise<Outcome | WriteOutcome> {
    return await this.#access.attempts.run<Outcome | WriteOutcome>({
      name: callName(call, write.key),
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
        return await this.#won(current as StoredRow)
      case 'LOST':
        return { won: false, current: current && (await this.#reads.whole(current)) }
      case 'UNKNOWN':
        throw unknownWrite(callName('a write', key), error)
    }
  }

  /** It is written, whether its bodies can be read now or not. */
  async #won(stored: StoredRow): Promise<WriteOutcome> {
    try {
      return { won: true, row: await this.#reads.whole(stored) }
    } catch (error) {
      throw unknownWrite(callName('a write', stored.row.key), error)
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
}
