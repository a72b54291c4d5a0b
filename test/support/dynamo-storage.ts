// A DynamoStorage towards an emulator, as a composition root would build it.
import { systemClock } from '../../runtime/common/clock-system.ts'
import { silentLog } from '../../runtime/common/log.ts'
import { systemHash, systemRandom } from '../../runtime/common/random-system.ts'
import type { AttemptsDeps } from '../../runtime/gcs/attempts.ts'
import type { BodyStore } from '../../runtime/gcs/body-store.ts'
import { MemoryBodyStore } from '../../runtime/gcs/body-store-memory.ts'
import { S3Bucket } from '../../runtime/gcs/bucket-s3.ts'
import { UnitTotals } from '../../runtime/gcs/meter.ts'
import { RetryBudget } from '../../runtime/gcs/retry-budget.ts'
import { DynamoStorage } from '../../runtime/gcs/storage-dynamodb.ts'
import { BUCKET, CLUSTER, REGION, type TestCloud } from './emulator.ts'

export const ATTEMPTS = { clock: systemClock, random: systemRandom, log: silentLog }

export const clientDeps = (): AttemptsDeps => ({
  ...ATTEMPTS,
  budget: new RetryBudget(systemClock.monotonicMs()),
})

export interface MadeStorage {
  readonly storage: DynamoStorage
  readonly bodies: BodyStore
  readonly meter: UnitTotals
}

export interface MadeOptions {
  /** Default: the engine's own. */
  readonly endpoint?: string
  readonly requestTimeoutMs?: number
  readonly deadlineMs?: number
}

/** DynamoDB Local has no S3: its bodies are in memory. */
export function makeStorage(cloud: TestCloud, options: MadeOptions = {}): MadeStorage {
  const endpoint = options.endpoint ?? cloud.endpoint
  const client = clientDeps()
  const bodies =
    cloud.engine === 'dynamodb-local'
      ? new MemoryBodyStore(systemClock)
      : new S3Bucket(client, {
          ...options,
          bucket: BUCKET,
          prefix: 'gcs/',
          endpoint,
          region: REGION,
        })
  const meter = new UnitTotals()
  const storage = new DynamoStorage(
    { ...client, meter, bodies: { store: bodies, hash: systemHash } },
    { ...options, cluster: CLUSTER, endpoint, region: REGION },
  )
  return { storage, bodies, meter }
}
