// Storage in this process: hosted by the first raylet of a cluster on one machine, and in tests.
// Calls are decided in the order they were made. Rows that may expire do so by room, not by time.
import { FadingRows, type FadingLimits } from './fading-rows.ts'
import { checkKey, copyValue } from './row-value.ts'
import {
  QUERY_ROWS_MAX,
  checkTransaction,
  holds,
  type AppendedRow,
  type DeleteOutcome,
  type Expected,
  type Present,
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

const MIB = 1024 * 1024
/** FR1. Of `cluster` those are dead actors. Source: Ray maximum_gcs_destroyed_actor_cached_count. */
const FADING: Readonly<Record<TableName, FadingLimits>> = {
  cluster: { rowsMax: 100_000, bytesMax: 256 * MIB },
  lineage: { rowsMax: 1_000_000, bytesMax: 512 * MIB },
  locations: { rowsMax: 500_000, bytesMax: 256 * MIB },
}

export class MemoryStorage implements Storage {
  /** By table and pk; within it by sk. */
  readonly #partitions = new Map<string, Partition>()
  readonly #fading: Readonly<Record<TableName, FadingRows>>

  /** @param fading  how much of what may expire is kept. */
  constructor(fading = FADING) {
    this.#fading = {
      cluster: new FadingRows(fading.cluster),
      lineage: new FadingRows(fading.lineage),
      locations: new FadingRows(fading.locations),
    }
  }

  get(key: RowKey): Promise<Row | undefined> {
    return promised(() => {
      checkKey(key)
      return copy(this.#find(key))
    })
  }

  putIf(key: RowKey, value: RowValue, expected: 'ABSENT' | number): Promise<WriteOutcome> {
    return promised(() => {
      const outcome = this.#write(key, expected, () => value)
      if (outcome.won) this.#expires(key, undefined)
      return outcome
    })
  }

  update(key: RowKey, fields: RowValue, expected: Present): Promise<WriteOutcome> {
    return promised(() => this.#write(key, expected, (value) => ({ ...value, ...fields })))
  }

  delete(key: RowKey, expected: Present): Promise<DeleteOutcome> {
    return promised(() => {
      checkKey(key)
      const current = this.#find(key)
      if (!holds(current, expected)) return { won: false, current: copy(current) }
      this.#remove(key)
      return { won: true }
    })
  }

  query(table: TableName, pk: string, options: QueryOptions = {}): Promise<readonly Row[]> {
    const { prefix = '', after, limit = QUERY_ROWS_MAX } = options
    return promised(() => {
      const partition: Partition = this.#partitions.get(partitionKey(table, pk)) ?? new Map()
      const sortKeys = [...partition.keys()]
        .filter((sk) => sk.startsWith(prefix) && (after === undefined || byUtf8(sk, after) > 0))
        .sort(byUtf8)
        .slice(0, Math.min(limit, QUERY_ROWS_MAX))
      return sortKeys.flatMap((sk) => copy(partition.get(sk)) ?? [])
    })
  }

  append(rows: readonly AppendedRow[]): Promise<void> {
    return promised(() => {
      for (const { key } of rows) checkKey(key)
      for (const { key, value, expiresAtMs } of rows) {
        this.#put(key, value)
        this.#expires(key, expiresAtMs)
      }
    })
  }

  transact(items: readonly TransactItem[]): Promise<boolean> {
    return promised(() => {
      checkTransaction(items)
      for (const { key } of items) checkKey(key)
      if (!items.every(({ key, expected }) => holds(this.#find(key), expected))) return false
      for (const item of items) this.#apply(item)
      return true
    })
  }

  #apply(item: TransactItem): void {
    if (item.kind === 'putIf') {
      this.#put(item.key, item.value)
      this.#expires(item.key, item.expiresAtMs)
    } else if (item.kind === 'delete') this.#remove(item.key)
    else if (item.kind === 'update') {
      this.#put(item.key, { ...this.#find(item.key)?.value, ...item.fields })
      if (item.expiresAtMs !== undefined) this.#expires(item.key, item.expiresAtMs)
    }
  }

  /** FR1. The row was written, and may be dropped from then on; undefined: it stays. */
  #expires(key: RowKey, atMs: number | undefined): void {
    const fading = this.#fading[key.table]
    const row = this.#find(key)
    if (atMs === undefined || row === undefined) fading.forget(key)
    else for (const dropped of fading.wrote(row.key, row.value)) this.#remove(dropped)
  }

  #write(key: RowKey, expected: Expected, valueOf: (before: RowValue) => RowValue): WriteOutcome {
    checkKey(key)
    const current = this.#find(key)
    if (!holds(current, expected)) return { won: false, current: copy(current) }
    return { won: true, row: structuredClone(this.#put(key, valueOf(current?.value ?? {}))) }
  }

  #find(key: RowKey): Row | undefined {
    return this.#partitions.get(partitionKey(key.table, key.pk))?.get(key.sk)
  }

  #put(key: RowKey, value: RowValue): Row {
    const version = (this.#find(key)?.version ?? 0) + 1
    const partition = this.#partitions.get(partitionKey(key.table, key.pk)) ?? new Map()
    const { table, pk, sk } = key
    const row: Row = { key: { table, pk, sk }, version, value: copyValue(value) }
    this.#partitions.set(partitionKey(key.table, key.pk), partition)
    partition.set(key.sk, row)
    return row
  }

  #remove(key: RowKey): void {
    this.#fading[key.table].forget(key)
    const partition = this.#partitions.get(partitionKey(key.table, key.pk))
    partition?.delete(key.sk)
    if (partition?.size === 0) this.#partitions.delete(partitionKey(key.table, key.pk))
  }
}

/** S4. */
const copy = (row: Row | undefined): Row | undefined => row && structuredClone(row)

const partitionKey = (table: TableName, pk: string): string => JSON.stringify([table, pk])

const byUtf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** A throw becomes a rejection, as in the implementations that ask another machine. */
function promised<T>(run: () => T): Promise<T> {
  try {
    return Promise.resolve(run())
  } catch (error) {
    return Promise.reject(error)
  }
}
