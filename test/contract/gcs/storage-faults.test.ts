// The whole contract of Storage, through a proxy that makes every fault in turn: callers see none
// of them. Each sixth call of an operation is hit, which the retry budget can bear.
import { afterAll, beforeAll } from 'vitest'
import type { DynamoStorage } from '../../../runtime/gcs/storage-dynamodb.ts'
import { makeStorage } from '../../support/dynamo-storage.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { FAULTS, startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts'
import { storageContract } from './storage-contract.ts'

const SEED = 42
const EVERY = 6
/** Each call into the black hole takes this long. */
const REQUEST_TIMEOUT_MS = 700

const cloud = await startCloud()
afterAll(() => cloud?.stop())

for (const fault of FAULTS) {
  describeOn(cloud, fault, (cloud) => {
    let proxy: FaultProxy
    let storage: DynamoStorage
    beforeAll(async () => {
      proxy = await startFaultProxy(cloud.endpoint, SEED)
      proxy.set([{ fault, when: { every: EVERY } }])
      const options = { endpoint: proxy.endpoint, requestTimeoutMs: REQUEST_TIMEOUT_MS }
      storage = makeStorage(cloud, options).storage
    })
    afterAll(async () => {
      storage.close()
      await proxy.stop()
    })
    storageContract(`DynamoStorage through ${fault}`, () => storage, { doubts: true })
  })
}
