// Names are claimed once, whoever races.
import { describe, expect, test } from 'vitest'
import { GcsWriteUnknownError } from '../../../runtime/common/errors.ts'
import {
  claimName,
  findName,
  isFree,
  releaseDoubtedName,
  releaseName,
} from '../../../runtime/gcs/names.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { nameKey } from '../../../runtime/gcs/tables.ts'
import { changedStorage } from '../../support/changed-storage.ts'

const NAME = { namespace: 'default', name: 'counter' }
const row = (actorId: string) => ({ actorId, owner: '0a', sinceMs: 5, nodeId: 'n1', epoch: 1 })

describe('names', () => {
  test('the first claim wins, the second gets the holder', async () => {
    const storage = new MemoryStorage()
    expect(await claimName(storage, NAME, row('a1'))).toBeUndefined()
    expect(await claimName(storage, NAME, row('b2'))).toEqual(row('a1'))
    expect(await findName(storage, NAME)).toEqual(row('a1'))
  })

  test('claiming again, because the answer was lost, finds our own row', async () => {
    const storage = new MemoryStorage()
    await claimName(storage, NAME, row('a1'))
    expect(await claimName(storage, NAME, row('a1'))).toBeUndefined()
  })

  test('names of other namespaces are others', async () => {
    const storage = new MemoryStorage()
    await claimName(storage, NAME, row('a1'))
    expect(await claimName(storage, { ...NAME, namespace: 'other' }, row('b2'))).toBeUndefined()
  })

  test('only its holder releases a name', async () => {
    const storage = new MemoryStorage()
    await claimName(storage, NAME, row('a1'))
    await releaseName(storage, NAME, 'b2')
    expect(await findName(storage, NAME)).toEqual(row('a1'))
    await releaseName(storage, NAME, 'a1')
    expect(await findName(storage, NAME)).toBeUndefined()
    await releaseName(storage, NAME, 'a1')
  })

  test('NM1: a claim that is executed after its actor has released the name is refused', async () => {
    const memory = new MemoryStorage()
    let executeLate = (): unknown => undefined
    const storage = changedStorage(memory, {
      putIf: (...args) => {
        if (args[2] !== 'ABSENT' || isDoubted) return memory.putIf(...args)
        executeLate = () => memory.putIf(...args)
        return Promise.reject(new GcsWriteUnknownError('it is still under way'))
      },
    } satisfies Partial<Storage>)
    let isDoubted = false
    const inDoubt = (): void => {
      isDoubted = true
    }
    expect(await claimName(storage, NAME, row('a1'), inDoubt)).toBeUndefined()
    expect(isDoubted).toBe(true)
    await releaseDoubtedName(storage, NAME, { actorId: 'b2', nowMs: 5 }) // it has it not
    expect(await findName(storage, NAME)).toEqual(row('a1'))
    await releaseDoubtedName(storage, NAME, { actorId: 'a1', nowMs: 5 })
    await executeLate()
    expect(await findName(storage, NAME)).toBeUndefined()
    const left = await storage.get(nameKey(NAME.namespace, NAME.name))
    expect(left && isFree(left)).toBe(true)
    expect(await claimName(storage, NAME, row('b2'))).toBeUndefined()
    expect(await claimName(storage, NAME, row('c3'))).toEqual(row('b2'))
    await executeLate()
    expect(await findName(storage, NAME)).toEqual(row('b2'))
  })
})
