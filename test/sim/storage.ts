// The GCS storage as one process of a simulated run reaches it: late, and failing at times, as the
// port allows once its own retries have given up. Of the writes that fail, half leave their writer
// in doubt; two thirds of those are executed all the same.
// Source: Temporal's persistence fault injection (ExecuteAndTimeout).
import { GcsUnavailableError, GcsWriteUnknownError } from '../../runtime/common/errors.ts'
import type { Storage } from '../../runtime/gcs/storage.ts'
import type { Draw } from './draw.ts'
import type { Probes } from './probes.ts'
import type { SimProcess } from './process.ts'

export interface StorageQuality {
  /** Mean of a call, there and back. */
  readonly latencyMs: number
  /** Share of calls that fail; 1 in an outage. */
  failChance: number
}

const UNKNOWN_SHARE = 1 / 2
const EXECUTED_SHARE = 2 / 3

interface Failing {
  readonly error: Error
  readonly isExecuted: boolean
}

export function simStorage(
  process: SimProcess,
  storage: Storage,
  parts: { readonly draw: Draw; readonly probes: Probes; readonly quality: StorageQuality },
): Storage {
  const { draw, probes, quality } = parts
  const failureOf = (name: string, writes: boolean): Failing | undefined => {
    if (!draw.chance(quality.failChance)) return undefined
    if (!writes || !draw.chance(UNKNOWN_SHARE)) {
      probes.hit('a storage call fails')
      return { error: new GcsUnavailableError(`${name} failed (simulated)`), isExecuted: false }
    }
    const isExecuted = draw.chance(EXECUTED_SHARE)
    probes.hit(isExecuted ? 'a storage call is executed and fails' : 'a storage call is lost')
    const error = new GcsWriteUnknownError(`${name} may have been written (simulated)`)
    return { error, isExecuted }
  }
  const call = <T>(name: string, run: () => Promise<T>, writes = true): Promise<T> =>
    new Promise((resolve, reject) => {
      const failing = failureOf(name, writes)
      const ms = -Math.log(1 - draw.next()) * quality.latencyMs
      const answer = (tell: () => void): void => {
        process.later(ms / 2, `storage answers ${name}`, tell)
      }
      process.later(ms / 2, `storage ${name}`, () => {
        if (failing?.isExecuted === false) {
          answer(() => {
            reject(failing.error)
          })
          return
        }
        run().then((value) => {
          answer(() => {
            if (failing === undefined) resolve(value)
            else reject(failing.error)
          })
        }, reject)
      })
    })
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
