// The GCS on DynamoDB and S3, for composition roots.
import { GcsUnavailableError } from '../common/errors.ts'
import type { Hash } from '../common/random.ts'
import type { ClientDeps } from './attempts.ts'
import type { AwsOptions } from './aws-client-system.ts'
import { explainAws } from './aws-failure.ts'
import { withAwsSdk } from './aws-loader.ts'
import type { BodyStore } from './body-store.ts'
import { UnitTotals } from './meter.ts'
import { RetryBudget } from './retry-budget.ts'
import type { Storage } from './storage.ts'

/** Of bodies in the bucket. */
const GCS_PREFIX = 'gcs/'

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

/**
 * @throws UsageError when the AWS SDK is not installed, or AWS refuses; GcsUnavailableError when
 *   nobody answers at the endpoint.
 */
export async function loadDynamoGcs(
  deps: ClientDeps & { readonly hash: Hash },
  options: DynamoGcsOptions,
): Promise<DynamoGcs> {
  const adapters = await loadAdapters()
  const { DynamoStorage, S3Bucket } = adapters
  if (options.endpoint !== undefined) await createPlaces(adapters, options, options.endpoint)
  const client = { ...deps, budget: new RetryBudget(deps.clock.monotonicMs()) }
  const bodies = new S3Bucket(client, { ...options, prefix: GCS_PREFIX })
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

async function createPlaces(
  { createTables, createBucket }: Awaited<ReturnType<typeof loadAdapters>>,
  options: DynamoGcsOptions,
  endpoint: string,
): Promise<void> {
  try {
    await Promise.all([createTables(options.cluster, options), createBucket(options)])
  } catch (thrown) {
    const { kind, error } = explainAws(thrown)
    if (kind === 'FINAL') throw error
    throw new GcsUnavailableError(
      `the tables of the cluster cannot be made at ${endpoint} (${error.message}): is it up?`,
      { cause: error, data: { endpoint } },
    )
  }
}

function loadAdapters() {
  return withAwsSdk('the GCS on DynamoDB', async () => {
    const [storage, bodies, client] = await Promise.all([
      import('./storage-dynamodb.ts'),
      import('./bucket-s3.ts'),
      import('./client-dynamodb.ts'),
    ])
    return { ...storage, ...bodies, ...client }
  })
}
