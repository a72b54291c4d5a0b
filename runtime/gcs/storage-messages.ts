// The calls of Storage as messages, between a raylet and the one that hosts the GCS.
import type {
  AppendedRow,
  DeleteOutcome,
  Present,
  QueryOptions,
  ReadOptions,
  Row,
  RowKey,
  RowValue,
  Storage,
  TableName,
  TransactItem,
  WriteOutcome,
} from './storage.ts'

/** For a Channel; `storage` may stand beside other calls. */
export interface StorageCalls {
  storage: [StorageRequest, StorageReply]
}

export interface StorageRequest {
  /** Random, one per process. */
  readonly client: string
  /** Names this call among the client's: a repeated one is made once. */
  readonly sequence: number
  /** All calls below this one have ended: the host may forget them. */
  readonly endedBelow: number
  readonly call: StorageCall
}

export type StorageCall =
  | { readonly kind: 'get'; readonly key: RowKey; readonly options: ReadOptions }
  | {
      readonly kind: 'putIf'
      readonly key: RowKey
      readonly value: RowValue
      readonly expected: 'ABSENT' | number
    }
  | {
      readonly kind: 'update'
      readonly key: RowKey
      readonly fields: RowValue
      readonly expected: Present
    }
  | { readonly kind: 'delete'; readonly key: RowKey; readonly expected: Present }
  | {
      readonly kind: 'query'
      readonly table: TableName
      readonly pk: string
      readonly options: QueryOptions
    }
  | { readonly kind: 'append'; readonly rows: readonly AppendedRow[] }
  | { readonly kind: 'transact'; readonly items: readonly TransactItem[] }

export type StorageReply = Row | WriteOutcome | DeleteOutcome | readonly Row[] | boolean | undefined

/** Makes a call. */
export function perform(storage: Storage, call: StorageCall): Promise<StorageReply> {
  switch (call.kind) {
    case 'get':
      return storage.get(call.key, call.options)
    case 'putIf':
      return storage.putIf(call.key, call.value, call.expected)
    case 'update':
      return storage.update(call.key, call.fields, call.expected)
    case 'delete':
      return storage.delete(call.key, call.expected)
    case 'query':
      return storage.query(call.table, call.pk, call.options)
    case 'append':
      return storage.append(call.rows).then(() => undefined)
    case 'transact':
      return storage.transact(call.items)
  }
}
