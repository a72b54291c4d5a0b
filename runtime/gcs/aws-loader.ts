// Loads what needs the AWS SDK, an optional peer of the package, when somebody asks for it, and
// makes at an emulator what is deployed in AWS. What is absent is told with what helps.
import { GcsUnavailableError, UsageError } from '../common/errors.ts'
import type { AwsOptions } from './aws-client-system.ts'
import { explainAws } from './aws-failure.ts'

/** @param what  for the message: `the GCS on DynamoDB`. @throws UsageError without the SDK. */
export async function withAwsSdk<T>(what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new UsageError(
      `${what} needs the AWS SDK, which is not installed: ` +
        'npm install @aws-sdk/client-dynamodb @aws-sdk/client-s3',
      { cause: error },
    )
  }
}

/**
 * Makes tables or buckets where an endpoint is given; what is deployed in AWS is there already.
 * @param what  for the message: `the tables of the cluster`.
 * @throws UsageError when it is refused; GcsUnavailableError when nobody answers at the endpoint.
 */
export async function makeAtEmulator(
  { endpoint }: AwsOptions,
  what: string,
  make: () => Promise<unknown>,
): Promise<void> {
  if (endpoint === undefined) return
  try {
    await make()
  } catch (thrown) {
    const { kind, error } = explainAws(thrown)
    if (kind === 'FINAL') throw error
    throw new GcsUnavailableError(
      `${what} cannot be made at ${endpoint} (${error.message}): is it up?`,
      { cause: error, data: { endpoint } },
    )
  }
}
