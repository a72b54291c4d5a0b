// The meter port: what every call to the tables cost, as the service itself said it.
// Source: DynamoDB ReturnConsumedCapacity.
import type { TableName } from './storage.ts'
import { kindOf } from './tables.ts'

export interface Consumed {
  /** The method of Storage. */
  readonly call: string
  readonly table: TableName
  /** Of the first row, where one answer covers several; undefined: not known. */
  readonly pk: string | undefined
  /** The row, or what the sort keys of those that were looked for begin with. */
  readonly sk?: string | undefined
  readonly readUnits: number
  readonly writeUnits: number
}

export interface Meter {
  record(consumed: Consumed): void
}

/** What calls of one kind have cost together. */
export interface UnitsRow {
  readonly table: TableName
  /** Of the rows of `cluster`, as in tables.ts: `N`, `JOBS`, `A` …; '' where it is not known. */
  readonly kind: string
  /** The method of Storage. */
  readonly call: string
  readonly readUnits: number
  readonly writeUnits: number
  readonly calls: number
}

/** Sums by table, kind of row and call, for `virga debug gcs-cost`. All of them are few. */
export class UnitTotals implements Meter {
  readonly #totals = new Map<string, UnitsRow>()

  record({ table, pk, sk, call, readUnits, writeUnits }: Consumed): void {
    const kind = table === 'cluster' ? kindOf(pk, sk) : ''
    const key = `${table} ${kind} ${call}`
    const sum = this.#totals.get(key) ?? { readUnits: 0, writeUnits: 0, calls: 0 }
    this.#totals.set(key, {
      ...{ table, kind, call, calls: sum.calls + 1 },
      readUnits: sum.readUnits + readUnits,
      writeUnits: sum.writeUnits + writeUnits,
    })
  }

  rows(): readonly UnitsRow[] {
    return [...this.#totals.values()]
  }
}
