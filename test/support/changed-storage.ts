// A storage of which some methods are others: to fail, count, or answer late.
import type { Storage } from '../../runtime/gcs/storage.ts'

export const changedStorage = (storage: Storage, changes: Partial<Storage>): Storage => ({
  get: (...args) => storage.get(...args),
  putIf: (...args) => storage.putIf(...args),
  update: (...args) => storage.update(...args),
  delete: (...args) => storage.delete(...args),
  query: (...args) => storage.query(...args),
  append: (...args) => storage.append(...args),
  transact: (...args) => storage.transact(...args),
  ...changes,
})
