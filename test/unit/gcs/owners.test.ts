// Who follows an adopter that has ended, while the row of that one goes (AO3).
import { expect, test } from 'vitest'
import { adopt, disown, readAdoption } from '../../../runtime/gcs/owners.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { changedStorage } from '../../support/changed-storage.ts'

const OWNER = 'owner'
const by = (adopter: string) => ({ adopter, address: `tcp://${adopter}` })

test('AO1 the row of the adopter before goes as it is followed: of two who follow, one adopts', async () => {
  const storage = new MemoryStorage()
  const first = await adopt(storage, OWNER, by('w1'), undefined)
  const asItGoes = changedStorage(storage, {
    putIf: async (...args) => {
      await disown(storage, { owner: OWNER, adopter: 'w1' })
      return await storage.putIf(...args)
    },
  })
  const second = await adopt(asItGoes, OWNER, by('w2'), first)
  expect(second).toEqual({ ...by('w2'), epoch: 2 })
  expect(await readAdoption(storage, OWNER)).toEqual(second)
  expect(await adopt(storage, OWNER, by('w3'), first)).toEqual(second)
})
