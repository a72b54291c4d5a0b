// The GCS on DynamoDB and S3, for composition roots.
import { UsageError } from '../common/errors.ts'
import type { Hash } from '../common/random.ts'
import type { ClientDeps } from './attempts.ts'
import type { AwsOptions } from './aws-client-system.ts'
import { makeAtEmulator, withAwsSdk } from './aws-loader.ts'
import type { BodyStore } from './body-store.ts'
import { UnitTotals } from './meter.ts'
import { RetryBudget } from './retry-budget.ts'
import type { Storage } from './storage.ts'
import { membershipKey, tableNameOf } from './tables.ts'

/** Of bodies in the bucket. */
const GCS_PREFIX = 'gcs/'

/** With an endpoint tables and bucket are made if they are missing; in AWS they are deployed. */
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
  const { DynamoStorage, S3Bucket, createTables, createBucket, deployedClusters } =
    await loadAdapters()
  await makeAtEmulator(options, 'the tables of the cluster', () =>
    Promise.all([createTables(options.cluster, options), createBucket(options)]),
  )
  const client = { ...deps, budget: new RetryBudget(deps.clock.monotonicMs()) }
  const bodies = new S3Bucket(client, { ...options, prefix: GCS_PREFIX })
  const units = new UnitTotals()
  const storage = new DynamoStorage(
    { ...client, meter: units, bodies: { store: bodies, hash: deps.hash } },
    options,
  )
  if (options.endpoint === undefined) {
    await isDeployed(storage, options.cluster, () => deployedClusters(options))
  }
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

/** B42. One read says whether region, credentials and tables are what they must be. */
async function isDeployed(
  storage: Storage,
  cluster: string,
  list: () => Promise<{ readonly region: string; readonly clusters: readonly string[] }>,
): Promise<void> {
  try {
    await storage.get(membershipKey)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    if (error.data['name'] !== 'ResourceNotFoundException') throw error
    const { region, clusters } = await list()
    const found = clusters.length === 0 ? 'none' : clusters.join(', ')
    throw new UsageError(
      `there is no cluster '${cluster}' in ${region}: its table ` +
        `${tableNameOf(cluster, 'cluster')} does not exist; found: ${found}`,
      { cause: error, data: { cluster, region, clusters } },
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
