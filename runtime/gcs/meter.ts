// The meter port: what every call to the tables cost, as the service itself said it.
// Source: DynamoDB ReturnConsumedCapacity.
import type { TableName } from './storage.ts'

export interface Consumed {
  /** The method of Storage. */
  readonly call: string
  readonly table: TableName
  /** Undefined where one answer covers rows of several partitions. */
  readonly pk: string | undefined
  readonly readUnits: number
  readonly writeUnits: number
}

export interface Meter {
  record(consumed: Consumed): void
}

/** Sums by table, for `virga debug gcs-cost`. */
export class UnitTotals implements Meter {
  readonly #totals = new Map<TableName, { readUnits: number; writeUnits: number; calls: number }>()

  record({ table, readUnits, writeUnits }: Consumed): void {
    const sum = this.#totals.get(table) ?? { readUnits: 0, writeUnits: 0, calls: 0 }
    sum.readUnits += readUnits
    sum.writeUnits += writeUnits
    sum.calls += 1
    this.#totals.set(table, sum)
  }

  rows(): { table: TableName; readUnits: number; writeUnits: number; calls: number }[] {
    return [...this.#totals].map(([table, sum]) => ({ table, ...sum }))
  }
}
