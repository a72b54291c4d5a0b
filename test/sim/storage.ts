// The GCS storage as one process of a simulated run reaches it: late.
import type { Storage } from '../../runtime/gcs/storage.ts'
import type { Draw } from './draw.ts'
import type { SimProcess } from './process.ts'

export interface StorageQuality {
  /** Mean of a call, there and back. */
  readonly latencyMs: number
}

export function simStorage(
  process: SimProcess,
  storage: Storage,
  parts: { readonly draw: Draw; readonly quality: StorageQuality },
): Storage {
  const { draw, quality } = parts
  const call = <T>(name: string, run: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const ms = -Math.log(1 - draw.next()) * quality.latencyMs
      process.later(ms / 2, `storage ${name}`, () => {
        run().then((value) => {
          process.later(ms / 2, `storage answers ${name}`, () => {
            resolve(value)
          })
        }, reject)
      })
    })
  return {
    get: (...args) => call('get', () => storage.get(...args)),
    putIf: (key, value, expected) => call('putIf', () => storage.putIf(key, value, expected)),
    update: (key, fields, expected) => call('update', () => storage.update(key, fields, expected)),
    delete: (key, expected) => call('delete', () => storage.delete(key, expected)),
    query: (table, pk, options) => call('query', () => storage.query(table, pk, options)),
    append: (rows) => call('append', () => storage.append(rows)),
    transact: (items) => call('transact', () => storage.transact(items)),
  }
}
