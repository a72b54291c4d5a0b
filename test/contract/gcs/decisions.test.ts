// The tables above the port: in memory, while answers are lost, and on DynamoDB.
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { LineageWriter, readSpec } from '../../../runtime/gcs/lineage.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { makeStorage } from '../../support/dynamo-storage.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { lostAnswers, type Fate } from '../../support/lost-answers.ts'
import { decisionsContract } from './decisions-contract.ts'

decisionsContract('MemoryStorage', () => new MemoryStorage())
const FATES: readonly (readonly Fate[])[] = [
  ['APPLIED'],
  ['LOST'],
  ['LATE'],
  ['LOST', 'APPLIED', 'LATE', 'LOST'],
]
for (const every of [2, 3, 5]) {
  for (const fates of FATES) {
    const name = `a storage that leaves each ${String(every)}th write in doubt: ${fates.join(', ')}`
    decisionsContract(name, () => lostAnswers(new MemoryStorage(), every, fates))
  }
}

const cloud = await startCloud()
describeOn(cloud, 'on MiniStack', (cloud) => {
  const { storage, meter } = makeStorage(cloud)
  afterAll(async () => {
    storage.close()
    await cloud.stop()
  })
  decisionsContract('DynamoStorage', () => storage)

  test('lineage: a large segment is one object of S3, and one write unit or two', async () => {
    const units = (): number =>
      meter.rows().find(({ table }) => table === 'lineage')?.writeUnits ?? 0
    const before = units()
    const options = { nodeId: 'ab', epoch: 1 }
    const writer = new LineageWriter({ storage, clock: systemClock, log: silentLog }, options)
    const bytes = (sequence: number): Buffer =>
      Buffer.from(`${'spec'.repeat(20)}${String(sequence)}`)
    for (let sequence = 0; sequence < 10_000; sequence++) {
      writer.add({ owner: 'aa', sequence, bytes: bytes(sequence) })
    }
    const place = await writer.committed('aa', 4711)
    const spec = await readSpec(storage, place, { owner: 'aa', sequence: 4711 })
    expect(Buffer.from(spec ?? []).equals(bytes(4711))).toBe(true)
    const row = { table: 'lineage', pk: 'ab#1', sk: '000000000000' } as const
    expect(await storage.pointersOf(row)).toHaveLength(1)
    expect(units() - before).toBeLessThanOrEqual(2)
  })
})
