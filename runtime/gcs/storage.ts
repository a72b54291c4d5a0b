// The storage port of the GCS: rows by (table, pk, sk), each with a version that grows by one per
// write. All table logic sits above it; one contract suite runs on every implementation.
// Invariants every implementation keeps (test/contract/storage.contract.ts):
//   S1. Reads see every write that was acknowledged before they began.
//   S2. A conditional write is decided once: of two with the same expected version, one wins.
//       A lost race is an ordinary answer, never an exception.
//   S3. A transaction is applied whole or not at all.
//   S4. Rows handed out are the reader's own: changing one changes nothing stored.
// Retry contract: get and query may be repeated freely. A write that timed out may have been
// applied: read the row again and look for the writer's own token in it before repeating.
// Source: DynamoDB ConditionExpression, TransactWriteItems (100 items), BatchWriteItem.

/** What a row holds: plain values, no functions. */
export type RowValue = Readonly<Record<string, unknown>>

export interface RowKey {
  readonly table: TableName
  readonly pk: string
  readonly sk: string
}

export type TableName = 'cluster' | 'lineage' | 'locations'

export interface Row {
  readonly key: RowKey
  /** 1 for a new row. */
  readonly version: number
  readonly value: RowValue
}

/** ABSENT: the row must not exist. A number: it must have exactly that version. */
export type Expected = 'ABSENT' | number

/**
 * What came of a conditional write; `current` is the row that stood in the way, if there is one.
 */
export type WriteOutcome =
  | { readonly won: true; readonly version: number }
  | { readonly won: false; readonly current: Row | undefined }

export type TransactItem =
  | {
      readonly kind: 'putIf'
      readonly key: RowKey
      readonly value: RowValue
      readonly expected: Expected
    }
  | { readonly kind: 'delete'; readonly key: RowKey; readonly expected: number }
  | { readonly kind: 'check'; readonly key: RowKey; readonly expected: Expected }

export interface QueryOptions {
  /** Only rows whose sk starts with it. Default: all of the pk. */
  readonly prefix?: string
  /** Only rows after this sk. */
  readonly after?: string
  /** At most this many rows. Default: QUERY_ROWS_MAX. */
  readonly limit?: number
}

export const TRANSACT_ITEMS_MAX = 100
export const QUERY_ROWS_MAX = 1000

export interface Storage {
  get(key: RowKey): Promise<Row | undefined>
  putIf(key: RowKey, value: RowValue, expected: Expected): Promise<WriteOutcome>
  /** Sets the given fields and keeps the others, if the row has that version. */
  update(key: RowKey, fields: RowValue, expected: number): Promise<WriteOutcome>
  /** Deletes the row if it has that version. */
  delete(key: RowKey, expected: number): Promise<WriteOutcome>
  /** Rows of one pk in the order of their sk. */
  query(table: TableName, pk: string, options?: QueryOptions): Promise<readonly Row[]>
  /** Writes rows without any condition: facts, which may arrive late or twice. */
  append(rows: readonly { readonly key: RowKey; readonly value: RowValue }[]): Promise<void>
  /**
   * All items or none; false when a condition did not hold.
   * @throws RangeError for more than TRANSACT_ITEMS_MAX items, or two of one key.
   */
  transact(items: readonly TransactItem[]): Promise<boolean>
}
