// A storage of which every nth write is said to have failed, in doubt: nobody can tell what became
// of it. Rows that are appended are facts, which may be repeated: they never fail here.
//   APPLIED  its answer was lost
//   LOST     it never arrived
//   LATE     it arrives after the next write
import { GcsWriteUnknownError } from '../../runtime/common/errors.ts'
import type { Storage } from '../../runtime/gcs/storage.ts'
import { changedStorage } from './changed-storage.ts'

export type Fate = 'APPLIED' | 'LOST' | 'LATE'

/** @param fates  of the writes in doubt, in turn. */
export function lostAnswers(storage: Storage, every: number, fates: readonly Fate[]): Storage {
  let writes = 0
  let doubts = 0
  let late: (() => Promise<unknown>) | undefined
  const write = async <T>(run: () => Promise<T>): Promise<T> => {
    const earlier = late
    late = undefined
    writes += 1
    if (writes % every !== 0) {
      const value = await run()
      await earlier?.()
      return value
    }
    const fate = fates[doubts++ % fates.length]
    if (fate === 'APPLIED') await run()
    if (fate === 'LATE') late = run
    await earlier?.()
    throw new GcsWriteUnknownError('the answer is lost')
  }
  return changedStorage(storage, {
    putIf: (key, value, expected) => write(() => storage.putIf(key, value, expected)),
    update: (key, fields, expected) => write(() => storage.update(key, fields, expected)),
    delete: (key, expected) => write(() => storage.delete(key, expected)),
    transact: (items) => write(() => storage.transact(items)),
  })
}
