// DynamoStorage keeps the contract of the port: on MiniStack, on moto, and on DynamoDB Local, which
// is AWS's own.
import { afterAll, describe } from 'vitest'
import { makeStorage } from '../../support/dynamo-storage.ts'
import { startCloud } from '../../support/emulator.ts'
import { storageContract } from './storage-contract.ts'

for (const engine of ['ministack', 'moto', 'dynamodb-local'] as const) {
  const cloud = await startCloud(engine)
  describe.skipIf(cloud === undefined)(engine, () => {
    if (cloud === undefined) return
    const { storage } = makeStorage(cloud)
    storageContract(`DynamoStorage on ${engine}`, () => storage)
    afterAll(async () => {
      storage.close()
      await cloud.stop()
    })
  })
}
