// What the raylet writes into the GCS, as others read it.
import { expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { GcsWriteUnknownError } from '../../../runtime/common/errors.ts'
import { fromHex, type ActorId } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { nameKey } from '../../../runtime/gcs/tables.ts'
import { GcsWriter } from '../../../runtime/raylet/gcs-writer.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { until } from '../../support/waiting.ts'

test('GW4: of many names that were in doubt the one doubted last is kept, though it was the first, too', async () => {
  const memory = new MemoryStorage()
  const storage = changedStorage(memory, {
    putIf: async (...args) => {
      const outcome = await memory.putIf(...args)
      if (outcome.won) throw new GcsWriteUnknownError('the answer is lost')
      return outcome
    },
  })
  let told = 0
  const writer = new GcsWriter({ storage, clock: systemClock, log: silentLog }, () => (told += 1))
  const actorId = fromHex('a1'.repeat(12)) as ActorId
  const holder = { actorId, owner: 'dd', sinceMs: 0, nodeId: 'n1', epoch: 1 }
  const of = (name: string) => ({ name, namespace: 'n' })
  const claim = (name: string): void => {
    writer.perform({ kind: 'claimName', ...of(name), holder })
  }
  const release = (name: string): void => {
    writer.perform({ kind: 'releaseName', ...of(name), actorId })
  }
  claim('first')
  for (let other = 1; other < 10_000; other += 1) claim(String(other))
  release('first')
  claim('first')
  claim('10000')
  release('first')
  writer.perform({ kind: 'findName', request: 1, ...of('first') })
  await until(() => told === 10_003)
  expect((await memory.get(nameKey('n', 'first')))?.value['actorId']).toBe('')
})
