// What DynamoDB says that its answers consumed, in the words of the meter (DY3 of
// storage-dynamodb.ts): read units for reads, write units for all else.
import type { ConsumedCapacity } from '@aws-sdk/client-dynamodb'
import type { Meter } from './meter.ts'
import type { RowKey, TableName } from './storage.ts'
import { tableNameOf } from './tables.ts'

export class Consumption {
  readonly #meter: Meter
  readonly #cluster: string

  constructor(meter: Meter, cluster: string) {
    this.#meter = meter
    this.#cluster = cluster
  }

  /** Of an answer about one partition. */
  record(call: string, key: RowKey, consumed: ConsumedCapacity | undefined): void {
    if (consumed === undefined) return
    const { table, pk, sk } = key
    const units = consumed.CapacityUnits ?? 0
    const reads = call === 'get' || call === 'query'
    const [readUnits, writeUnits] = reads ? [units, 0] : [0, units]
    this.#meter.record({ call, table, pk, sk, readUnits, writeUnits })
  }

  /**
   * Of an answer about writes to several tables and partitions.
   * @param keys  of all rows: what is told of a table counts as of the first of its rows, which is
   *   what a transaction is about.
   */
  recordAll(
    call: string,
    keys: readonly RowKey[],
    consumed: readonly ConsumedCapacity[] | undefined,
  ): void {
    for (const { TableName = '', CapacityUnits = 0 } of consumed ?? []) {
      const table = TableName.slice(tableNameOf(this.#cluster, '' as TableName).length) as TableName
      const { pk, sk } = keys.find((key) => key.table === table) ?? { pk: undefined, sk: undefined }
      this.#meter.record({ call, table, pk, sk, readUnits: 0, writeUnits: CapacityUnits })
    }
  }
}
