// The GCS storage as one process of a simulated run reaches it: late, and failing at times, as the
// port allows once its own retries have given up. Of the writes that fail, half leave their writer
// in doubt; two thirds of those are executed all the same, a third of these only after their writer
// was told, and may have read, and written, again: an attempt that was given up is still under way.
// Source: Temporal's persistence fault injection (ExecuteAndTimeout).
import { GcsUnavailableError, GcsWriteUnknownError } from '../../runtime/common/errors.ts'
import type { Storage } from '../../runtime/gcs/storage.ts'
import type { Draw } from './draw.ts'
import type { Probes } from './probes.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

export interface StorageQuality {
  /** Mean of a call, there and back. */
  readonly latencyMs: number
  /** Share of calls that fail; 1 in an outage. */
  failChance: number
}

const UNKNOWN_SHARE = 1 / 2
const EXECUTED_SHARE = 2 / 3
const LATE_SHARE = 1 / 3
/** How much later than its writer was told, at most: servers end what their client has given up. */
const LATE_MS_MAX = 3000

interface Failing {
  readonly error: Error
  readonly executed: 'no' | 'in time' | 'late'
}

const EXECUTION_PROBES = {
  no: 'a storage call is lost',
  'in time': 'a storage call is executed and fails',
  late: 'a storage call is executed after it failed',
} as const

export function simStorage(
  process: SimProcess,
  storage: Storage,
  parts: {
    readonly scheduler: Pick<Scheduler, 'at' | 'nowMs' | 'fail'>
    readonly draw: Draw
    readonly probes: Probes
    readonly quality: StorageQuality
  },
): Storage {
  const { scheduler, draw, probes, quality } = parts
  const lateness = draw.fork('late')
  const failureOf = (name: string, writes: boolean): Failing | undefined => {
    if (!draw.chance(quality.failChance)) return undefined
    if (!writes || !draw.chance(UNKNOWN_SHARE)) {
      probes.hit('a storage call fails')
      return { error: new GcsUnavailableError(`${name} failed (simulated)`), executed: 'no' }
    }
    const isExecuted = draw.chance(EXECUTED_SHARE)
    const executed = !isExecuted ? 'no' : lateness.chance(LATE_SHARE) ? 'late' : 'in time'
    probes.hit(EXECUTION_PROBES[executed])
    const error = new GcsWriteUnknownError(`${name} may have been written (simulated)`)
    return { error, executed }
  }
  /** An event of the world: its writer may have ended by then, and nobody hears what comes of it. */
  const executeLate = (name: string, answerMs: number, run: () => Promise<unknown>): void => {
    const atMs = scheduler.nowMs + answerMs + lateness.between(0, LATE_MS_MAX)
    scheduler.at(atMs, undefined, `storage ${name}, late`, () => {
      run().catch((error: unknown) => {
        scheduler.fail(`a late ${name} threw`, error)
      })
    })
  }
  const call = <T>(name: string, run: () => Promise<T>, writes = true): Promise<T> =>
    new Promise((resolve, reject) => {
      const failing = failureOf(name, writes)
      const ms = -Math.log(1 - draw.next()) * quality.latencyMs
      const answer = (tell: () => void): void => {
        process.later(ms / 2, `storage answers ${name}`, tell)
      }
      process.later(ms / 2, `storage ${name}`, () => {
        if (failing !== undefined && failing.executed !== 'in time') {
          answer(() => {
            reject(failing.error)
          })
          if (failing.executed === 'late') executeLate(name, ms / 2, run)
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
