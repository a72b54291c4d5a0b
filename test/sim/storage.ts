// The GCS storage as one process of a simulated run reaches it.
import { GcsUnavailableError, GcsWriteUnknownError } from '../../runtime/common/errors.ts'
import type { Storage } from '../../runtime/gcs/storage.ts'
import type { SimProcess } from './process.ts'
import { callsTo, type ServiceParts } from './service.ts'

const HITS = {
  fails: 'a storage call fails',
  no: 'a storage call is lost',
  'in time': 'a storage call is executed and fails',
  late: 'a storage call is executed after it failed',
} as const

export function simStorage(process: SimProcess, storage: Storage, parts: ServiceParts): Storage {
  const failed = (name: string, inDoubt: boolean): Error =>
    inDoubt
      ? new GcsWriteUnknownError(`${name} may have been written (simulated)`)
      : new GcsUnavailableError(`${name} failed (simulated)`)
  const call = callsTo({ ...parts, name: 'storage', hits: HITS, failed }, process)
  return {
    get: (...args) => call('get', () => storage.get(...args), false),
    putIf: (key, value, expected) => call('putIf', () => storage.putIf(key, value, expected)),
    update: (key, fields, expected) => call('update', () => storage.update(key, fields, expected)),
    delete: (key, expected) => call('delete', () => storage.delete(key, expected)),
    query: (table, pk, options) => call('query', () => storage.query(table, pk, options), false),
    append: (rows) => call('append', () => storage.append(rows)),
    transact: (items) => call('transact', () => storage.transact(items)),
  }
}
