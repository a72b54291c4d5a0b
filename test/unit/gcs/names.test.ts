// Names are claimed once, whoever races.
import { describe, expect, test } from 'vitest'
import { claimName, findName, releaseName } from '../../../runtime/gcs/names.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'

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
})
