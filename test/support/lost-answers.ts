// A storage of which every nth write is applied and then said to have failed.
import { GcsWriteUnknownError } from '../../runtime/common/errors.ts'
import type { Storage } from '../../runtime/gcs/storage.ts'

export function lostAnswers(storage: Storage, every: number): Storage {
  let writes = 0
  const write = async <T>(run: () => Promise<T>): Promise<T> => {
    const value = await run()
    writes += 1
    if (writes % every === 0) throw new GcsWriteUnknownError('the answer is lost')
    return value
  }
  return {
    get: (key, options) => storage.get(key, options),
    query: (table, pk, options) => storage.query(table, pk, options),
    putIf: (key, value, expected) => write(() => storage.putIf(key, value, expected)),
    update: (key, fields, expected) => write(() => storage.update(key, fields, expected)),
    delete: (key, expected) => write(() => storage.delete(key, expected)),
    append: (rows) => storage.append(rows),
    transact: (items) => write(() => storage.transact(items)),
  }
}
