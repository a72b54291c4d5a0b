// DynamoStorage keeps the contract of the port: on MiniStack, on moto, and on DynamoDB Local, which
// is AWS's own.
import { afterAll } from 'vitest'
import { makeStorage } from '../../support/dynamo-storage.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { growthContract, storageContract } from './storage-contract.ts'

for (const engine of ['ministack', 'moto', 'dynamodb-local'] as const) {
  const cloud = await startCloud(engine)
  describeOn(cloud, engine, (cloud) => {
    // moto copies whole tables per transaction.
    const { storage } = makeStorage(cloud, { requestTimeoutMs: 20_000 })
    storageContract(`DynamoStorage on ${engine}`, () => storage)
    if (engine !== 'moto') growthContract(`DynamoStorage on ${engine}`, () => storage)
    afterAll(async () => {
      storage.close()
      await cloud.stop()
    })
  })
}
