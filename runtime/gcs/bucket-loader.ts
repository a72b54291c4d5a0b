// A bucket of S3 by its address, for composition roots.
import type { Bucket } from '../common/bucket.ts'
import { UsageError } from '../common/errors.ts'
import type { ClientDeps } from './attempts.ts'
import type { AwsOptions } from './aws-client-system.ts'
import { makeAtEmulator, withAwsSdk } from './aws-loader.ts'
import { RetryBudget } from './retry-budget.ts'

/**
 * @param url  `s3://bucket`, `s3://bucket/prefix`.
 * @param options  where an endpoint is given, an emulator's, the bucket is made if it is missing.
 * @throws UsageError for another address, when the AWS SDK is not installed, or AWS refuses;
 *   GcsUnavailableError when nobody answers at the endpoint.
 */
export async function loadBucket(
  deps: ClientDeps,
  url: string,
  options: AwsOptions,
): Promise<Bucket> {
  const [, bucket, path = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? []
  if (bucket === undefined) {
    throw new UsageError(`${url} is no address of a bucket: give s3://bucket or s3://bucket/prefix`)
  }
  const { S3Bucket, createBucket } = await withAwsSdk(
    'spilling to S3',
    () => import('./bucket-s3.ts'),
  )
  await makeAtEmulator(options, `the bucket ${bucket}`, () => createBucket({ ...options, bucket }))
  const prefix = path === '' || path.endsWith('/') ? path : `${path}/`
  const budget = new RetryBudget(deps.clock.monotonicMs())
  return new S3Bucket({ ...deps, budget }, { ...options, bucket, prefix })
}
