// The GCS as a node may write to it: while its lease lasts. When that is over others may count it
// as dead, and have cleared up after it.
// Invariant:
//   LW1. A node begins no write before the GCS has confirmed it anew: one that stood still would
//        register actors, groups and what else it holds that nobody ever clears up again, and names
//        would be taken for good. It is an outage for who writes (GW2): it delays, and loses
//        nothing. What is under way when the lease ends may be executed late (DC3).
// Source: faults.md F08.
import { GcsUnavailableError } from '../../common/errors.ts'
import type { Storage } from '../../gcs/storage.ts'

/** @param isLeased  whether the lease of this node lasts (GL1). */
export function leasedStorage(storage: Storage, isLeased: () => boolean): Storage {
  const whileLeased = <T>(write: () => Promise<T>): Promise<T> =>
    isLeased() ? write() : Promise.reject(new GcsUnavailableError(NOT_CONFIRMED))
  return {
    get: (...args) => storage.get(...args),
    query: (...args) => storage.query(...args),
    putIf: (...args) => whileLeased(() => storage.putIf(...args)),
    update: (...args) => whileLeased(() => storage.update(...args)),
    delete: (...args) => whileLeased(() => storage.delete(...args)),
    append: (...args) => whileLeased(() => storage.append(...args)),
    transact: (...args) => whileLeased(() => storage.transact(...args)),
  }
}

const NOT_CONFIRMED = 'the GCS has not confirmed this node within its lease: it writes nothing'
