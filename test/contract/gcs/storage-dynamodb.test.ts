// DynamoStorage keeps the contract of the port: on MiniStack, on moto, on DynamoDB Local, which is
// AWS's own, and on what an image holds.
import { afterAll } from 'vitest'
import { makeStorage } from '../../support/dynamo-storage.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { growthContract, storageContract } from './storage-contract.ts'

for (const engine of ['ministack', 'moto', 'dynamodb-local', 'image'] as const) {
  const cloud = await startCloud(engine)
  describeOn(cloud, engine, (cloud) => {
    // moto copies whole tables per transaction.
    const { storage } = makeStorage(cloud, { requestTimeoutMs: 20_000 })
    storageContract(`DynamoStorage on ${engine}`, () => storage)
    const wrong = engine === 'moto' ? 'Item size to update has exceeded' : undefined
    growthContract(`DynamoStorage on ${engine}`, () => storage, wrong)
    afterAll(async () => {
      storage.close()
      await cloud.stop()
    })
  })
}
