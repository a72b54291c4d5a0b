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

  /** Of an answer about writes to several tables and partitions. */
  recordAll(call: string, consumed: readonly ConsumedCapacity[] | undefined): void {
    for (const { TableName = '', CapacityUnits = 0 } of consumed ?? []) {
      const table = TableName.slice(tableNameOf(this.#cluster, '' as TableName).length)
      const units = { readUnits: 0, writeUnits: CapacityUnits }
      this.#meter.record({ call, table: table as TableName, pk: undefined, ...units })
    }
  }
}
