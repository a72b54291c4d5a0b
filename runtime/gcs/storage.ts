// The storage port of the GCS: rows by (table, pk, sk), each with a version that changes with every
// write. All table logic sits above it; one contract suite runs on every implementation.
// Invariants every implementation keeps (test/contract/gcs/storage-contract.ts):
//   S1. Reads see every write that was acknowledged before they began, unless they allow staleness.
//   S2. A conditional write is decided once: of two with the same expected version, one wins.
//       A lost race is an ordinary answer, never an exception.
//   S3. A transaction is applied whole or not at all.
//   S4. Rows handed out are the reader's own: changing one changes nothing stored.
// Retry contract: implementations repeat what is safe to repeat, within one budget, and recognise
// their own write when its answer was lost. What is left over are two errors:
//   GcsUnavailableError  nothing was written, or it was a read: come again later
//   UnknownOutcomeError  a write may have been applied: read the row and look for what it would
//                        have left there (see decide.ts) before anything else
// Source: DynamoDB ConditionExpression, TransactWriteItems (100 items), BatchWriteItem.

/** What a row holds: see row-value.ts. Undefined fields are left out. */
export type RowValue = Readonly<Record<string, unknown>>

export interface RowKey {
  readonly table: TableName
  /** 1 to 2,048 bytes. */
  readonly pk: string
  /** 1 to 1,024 bytes. */
  readonly sk: string
}

export type TableName = 'cluster' | 'lineage' | 'locations'

export interface Row {
  readonly key: RowKey
  /** 1 for a row made by a conditional write, one more with each; arbitrary after an append. */
  readonly version: number
  readonly value: RowValue
}

/** The row must be there with these values in its top-level fields. */
export interface Holding {
  readonly fields: Readonly<Record<string, string | number | boolean>>
}

/** The row must be there: with exactly that version, or with these fields. */
export type Present = number | Holding

/** ABSENT: the row must not exist. */
export type Expected = 'ABSENT' | Present

/**
 * What came of a conditional write: the row as it stands now, or the row that stood in the way, if
 * there is one.
 */
export type WriteOutcome =
  | { readonly won: true; readonly row: Row }
  | { readonly won: false; readonly current: Row | undefined }

export type DeleteOutcome =
  | { readonly won: true }
  | { readonly won: false; readonly current: Row | undefined }

export type TransactItem =
  | {
      readonly kind: 'putIf'
      readonly key: RowKey
      readonly value: RowValue
      readonly expected: 'ABSENT' | number
      /** As AppendedRow's. Default: the row stays. */
      readonly expiresAtMs?: number
    }
  | {
      readonly kind: 'update'
      readonly key: RowKey
      readonly fields: RowValue
      readonly expected: Present
      /** As AppendedRow's. Default: as before. */
      readonly expiresAtMs?: number
    }
  | { readonly kind: 'delete'; readonly key: RowKey; readonly expected: Present }
  | { readonly kind: 'check'; readonly key: RowKey; readonly expected: Expected }

export interface ReadOptions {
  /** True: half the price, and maybe a second old. Never for a decision. Default: false. */
  readonly stale?: boolean
}

export interface QueryOptions extends ReadOptions {
  /** Only rows whose sk starts with it. Default: all of the pk. */
  readonly prefix?: string
  /** Only rows after this sk. */
  readonly after?: string
  /** At most this many rows. Default and maximum: QUERY_ROWS_MAX. */
  readonly limit?: number
}

export interface AppendedRow {
  readonly key: RowKey
  readonly value: RowValue
  /** The row may be dropped some time after this instant; nothing may depend on it. */
  readonly expiresAtMs?: number
}

export const TRANSACT_ITEMS_MAX = 100
export const QUERY_ROWS_MAX = 1000

export interface Storage {
  get(key: RowKey, options?: ReadOptions): Promise<Row | undefined>
  /** Writes the whole row. */
  putIf(key: RowKey, value: RowValue, expected: 'ABSENT' | number): Promise<WriteOutcome>
  /** Sets the given fields and keeps the others. */
  update(key: RowKey, fields: RowValue, expected: Present): Promise<WriteOutcome>
  /** A repeated delete that finds the row gone has won. */
  delete(key: RowKey, expected: Present): Promise<DeleteOutcome>
  /** Rows of one pk in the order of the UTF-8 bytes of their sk. */
  query(table: TableName, pk: string, options?: QueryOptions): Promise<readonly Row[]>
  /**
   * Writes rows without any condition: facts, which may arrive late or twice. Of two rows of one
   * key in `rows` the last counts.
   */
  append(rows: readonly AppendedRow[]): Promise<void>
  /**
   * All items or none; false when a condition did not hold.
   * @throws RangeError for more than TRANSACT_ITEMS_MAX items, or two of one key.
   */
  transact(items: readonly TransactItem[]): Promise<boolean>
}

/** @throws RangeError for what no implementation takes as a transaction. */
export function checkTransaction(items: readonly TransactItem[]): void {
  if (items.length > TRANSACT_ITEMS_MAX) {
    const count = `${String(items.length)} items`
    throw new RangeError(
      `a transaction has at most ${String(TRANSACT_ITEMS_MAX)} items, got ${count}`,
    )
  }
  const keys = new Set(items.map(({ key }) => keyText(key)))
  if (keys.size < items.length) throw new RangeError('a transaction names a row twice')
}

/** One text per key, for maps. */
export const keyText = ({ table, pk, sk }: RowKey): string => JSON.stringify([table, pk, sk])

/** Whether `row` is what a condition expects. */
export function holds(row: Row | undefined, expected: Expected): boolean {
  if (expected === 'ABSENT') return row === undefined
  if (typeof expected === 'number') return row?.version === expected
  return (
    row !== undefined &&
    Object.entries(expected.fields).every(([name, value]) => row.value[name] === value)
  )
}
