// Loads what needs the AWS SDK, an optional peer of the package, when somebody asks for it; its
// absence is told with the command that helps.
import { UsageError } from '../common/errors.ts'

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
