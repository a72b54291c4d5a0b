// A storage that tells a meter what DynamoDB would charge for each call, by its published rules:
// a write unit per KiB, a read unit per 4 KiB, half of it when stale, double in a transaction.
import type { Meter } from '../../runtime/gcs/meter.ts'
import { copyValue, valueBytes } from '../../runtime/gcs/row-value.ts'
import type { Row, RowKey, RowValue, Storage } from '../../runtime/gcs/storage.ts'

/** Key, version, tokens and the names of their attributes. */
const OVERHEAD_BYTES = 120

export function meteredStorage(storage: Storage, meter: Meter): Storage {
  const write = (call: string, { table, pk }: RowKey, bytes: number, factor = 1): void => {
    const writeUnits = factor * Math.max(1, Math.ceil(bytes / 1024))
    meter.record({ call, table, pk, readUnits: 0, writeUnits })
  }
  const read = (call: string, { table, pk }: RowKey, bytes: number, stale = false): void => {
    const readUnits = Math.max(1, Math.ceil(bytes / 4096)) / (stale ? 2 : 1)
    meter.record({ call, table, pk, readUnits, writeUnits: 0 })
  }
  return {
    async get(key, options) {
      const row = await storage.get(key, options)
      read('get', key, sizeOf(key, row?.value), options?.stale)
      return row
    },
    async putIf(key, value, expected) {
      write('putIf', key, sizeOf(key, value))
      return await storage.putIf(key, value, expected)
    },
    async update(key, fields, expected) {
      const outcome = await storage.update(key, fields, expected)
      const row: Row | undefined = outcome.won ? outcome.row : outcome.current
      write('update', key, sizeOf(key, row?.value))
      return outcome
    },
    async delete(key, expected) {
      write('delete', key, 0)
      return await storage.delete(key, expected)
    },
    async query(table, pk, options) {
      const rows = await storage.query(table, pk, options)
      const bytes = rows.reduce((sum, row) => sum + sizeOf(row.key, row.value), 0)
      read('query', { table, pk, sk: '' }, bytes, options?.stale)
      return rows
    },
    async append(rows) {
      for (const { key, value } of rows) write('append', key, sizeOf(key, value))
      await storage.append(rows)
    },
    async transact(items) {
      for (const item of items) {
        const value = item.kind === 'putIf' ? item.value : item.kind === 'update' ? item.fields : {}
        write('transact', item.key, sizeOf(item.key, value), 2)
      }
      return await storage.transact(items)
    },
  }
}

const sizeOf = ({ pk, sk }: RowKey, value: RowValue | undefined): number =>
  OVERHEAD_BYTES + pk.length + sk.length + valueBytes(copyValue(value ?? {}))
