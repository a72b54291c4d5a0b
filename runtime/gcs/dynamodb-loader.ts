// The GCS on DynamoDB and S3, for composition roots. The AWS SDK is an optional peer of the
// package: it is loaded here, when somebody asks for it, and its absence is told with the command
// that helps.
import { UsageError } from '../common/errors.ts'
import type { Hash } from '../common/random.ts'
import type { ClientDeps } from './attempts.ts'
import type { AwsOptions } from './aws-client-system.ts'
import type { BodyStore } from './body-store.ts'
import { UnitTotals } from './meter.ts'
import { RetryBudget } from './retry-budget.ts'
import type { Storage } from './storage.ts'

/** Where an endpoint is given, its tables and bucket are made if they are missing. */
export interface DynamoGcsOptions extends AwsOptions {
  /** The cluster's name: part of the names of its tables. */
  readonly cluster: string
  /** For what is too large for a row. */
  readonly bucket: string
}

export interface DynamoGcs {
  readonly storage: Storage
  readonly bodies: BodyStore
  /** What the tables have cost this process. */
  readonly units: UnitTotals
  close(): void
}

/** @throws UsageError when the AWS SDK is not installed, or AWS refuses. */
export async function loadDynamoGcs(
  deps: ClientDeps & { readonly hash: Hash },
  options: DynamoGcsOptions,
): Promise<DynamoGcs> {
  const { DynamoStorage, S3BodyStore, createTables, createBucket } = await loadAdapters()
  const { endpoint } = options
  if (endpoint !== undefined) {
    await Promise.all([
      createTables(options.cluster, { ...options, endpoint }),
      createBucket({ ...options, endpoint }),
    ])
  }
  const client = { ...deps, budget: new RetryBudget(deps.clock.monotonicMs()) }
  const bodies = new S3BodyStore(client, options)
  const units = new UnitTotals()
  const storage = new DynamoStorage(
    { ...client, meter: units, bodies: { store: bodies, hash: deps.hash } },
    options,
  )
  return {
    storage,
    bodies,
    units,
    close: () => {
      storage.close()
      bodies.close()
    },
  }
}

async function loadAdapters() {
  try {
    const [storage, bodies, client] = await Promise.all([
      import('./storage-dynamodb.ts'),
      import('./body-store-s3.ts'),
      import('./client-dynamodb.ts'),
    ])
    return { ...storage, ...bodies, ...client }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError(
      'the GCS on DynamoDB needs the AWS SDK, which is not installed: ' +
        'npm install @aws-sdk/client-dynamodb @aws-sdk/client-s3',
      { cause: error },
    )
  }
}
