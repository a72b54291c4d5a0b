// Storage in this process: hosted by the first raylet of a cluster on one machine, and in tests.
// Calls are decided in the order they were made.
import {
  QUERY_ROWS_MAX,
  TRANSACT_ITEMS_MAX,
  type Expected,
  type QueryOptions,
  type Row,
  type RowKey,
  type RowValue,
  type Storage,
  type TableName,
  type TransactItem,
  type WriteOutcome,
} from './storage.ts'

type Partition = Map<string, Row>

export class MemoryStorage implements Storage {
  /** By table and pk; within it by sk. */
  readonly #partitions = new Map<string, Partition>()

  get(key: RowKey): Promise<Row | undefined> {
    return Promise.resolve(copy(this.#find(key)))
  }

  putIf(key: RowKey, value: RowValue, expected: Expected): Promise<WriteOutcome> {
    return Promise.resolve(this.#write(key, expected, () => value))
  }

  update(key: RowKey, fields: RowValue, expected: number): Promise<WriteOutcome> {
    return Promise.resolve(this.#write(key, expected, (value) => ({ ...value, ...fields })))
  }

  delete(key: RowKey, expected: number): Promise<WriteOutcome> {
    const current = this.#find(key)
    if (current?.version !== expected) {
      return Promise.resolve({ won: false, current: copy(current) })
    }
    this.#remove(key)
    return Promise.resolve({ won: true, version: expected })
  }

  query(table: TableName, pk: string, options: QueryOptions = {}): Promise<readonly Row[]> {
    const { prefix = '', after, limit = QUERY_ROWS_MAX } = options
    const partition: Partition = this.#partitions.get(partitionKey(table, pk)) ?? new Map()
    const sortKeys = [...partition.keys()]
      .filter((sk) => sk.startsWith(prefix) && (after === undefined || sk > after))
      .sort()
      .slice(0, Math.min(limit, QUERY_ROWS_MAX))
    const rows = sortKeys.flatMap((sk) => copy(partition.get(sk)) ?? [])
    return Promise.resolve(rows)
  }

  append(rows: readonly { readonly key: RowKey; readonly value: RowValue }[]): Promise<void> {
    for (const { key, value } of rows) this.#put(key, value)
    return Promise.resolve()
  }

  transact(items: readonly TransactItem[]): Promise<boolean> {
    const refusal = refusalOf(items)
    if (refusal !== undefined) return Promise.reject(refusal)
    if (!items.every(({ key, expected }) => this.#holds(key, expected))) {
      return Promise.resolve(false)
    }
    for (const item of items) {
      if (item.kind === 'putIf') this.#put(item.key, item.value)
      else if (item.kind === 'delete') this.#remove(item.key)
    }
    return Promise.resolve(true)
  }

  #write(key: RowKey, expected: Expected, valueOf: (before: RowValue) => RowValue): WriteOutcome {
    const current = this.#find(key)
    if (!this.#holds(key, expected)) return { won: false, current: copy(current) }
    return { won: true, version: this.#put(key, valueOf(current?.value ?? {})) }
  }

  #holds(key: RowKey, expected: Expected): boolean {
    const current = this.#find(key)
    return expected === 'ABSENT' ? current === undefined : current?.version === expected
  }

  #find(key: RowKey): Row | undefined {
    return this.#partitions.get(partitionKey(key.table, key.pk))?.get(key.sk)
  }

  #put(key: RowKey, value: RowValue): number {
    const version = (this.#find(key)?.version ?? 0) + 1
    const partition = this.#partitions.get(partitionKey(key.table, key.pk)) ?? new Map()
    this.#partitions.set(partitionKey(key.table, key.pk), partition)
    partition.set(key.sk, structuredClone({ key, version, value }))
    return version
  }

  #remove(key: RowKey): void {
    const partition = this.#partitions.get(partitionKey(key.table, key.pk))
    partition?.delete(key.sk)
    if (partition?.size === 0) this.#partitions.delete(partitionKey(key.table, key.pk))
  }
}

/** S4. */
const copy = (row: Row | undefined): Row | undefined => row && structuredClone(row)

const partitionKey = (table: TableName, pk: string): string => JSON.stringify([table, pk])

function refusalOf(items: readonly TransactItem[]): RangeError | undefined {
  if (items.length > TRANSACT_ITEMS_MAX) {
    const count = `${String(items.length)} items`
    return new RangeError(
      `a transaction has at most ${String(TRANSACT_ITEMS_MAX)} items, got ${count}`,
    )
  }
  const keys = new Set(items.map(({ key }) => JSON.stringify([key.table, key.pk, key.sk])))
  if (keys.size < items.length) return new RangeError('a transaction names a row twice')
  return undefined
}
