// What an error of the AWS SDK means, told once, here: nothing above sees its names.
//   throttled, in conflict, never connected   nothing was done
//   time-out, broken answer, 5xx, half a batch  it may have been done
//   no right, no table, bad request            repeating it cannot help
// Source: DynamoDB "Error handling"; S3 "Error responses"; Node's system errors.
import { UsageError, VirgaError } from '../common/errors.ts'
import type { Failure } from './attempts.ts'

/** What the SDK's errors have, as far as we read it. */
interface AwsError extends Error {
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly CancellationReasons?: readonly { readonly Code?: string }[]
}

/** The answer came, but not whole or not as it was sent. */
export class BrokenAnswerError extends Error {
  override readonly name = 'BrokenAnswerError'
}

/** Part of a batch was left undone; the rest is written. */
export class UnprocessedError extends Error {
  override readonly name = 'UnprocessedError'
}

const NOT_DONE = new Set([
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'RequestLimitExceeded',
  'LimitExceededException',
  'SlowDown',
  'TransactionConflictException',
  'TransactionInProgressException',
  'OperationAborted', // S3: another PUT of that key is in progress
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
])

const ADVICE: Readonly<Record<string, string>> = {
  ResourceNotFoundException: 'the table does not exist: is the cluster deployed in this region?',
  NoSuchBucket: 'the bucket does not exist: is the cluster deployed in this region?',
  AccessDeniedException: 'the role lacks a right on the cluster: add it to its policy',
  AccessDenied: 'the role lacks a right on the cluster: add it to its policy',
  CredentialsProviderError: 'no AWS credentials were found: set a profile or a role',
  UnrecognizedClientException: 'the AWS credentials are not valid: renew them',
  InvalidAccessKeyId: 'the AWS credentials are not valid: renew them',
  ExpiredTokenException: 'the AWS credentials have expired: renew them',
  ExpiredToken: 'the AWS credentials have expired: renew them',
  InvalidSignatureException:
    "AWS refused the signature: check the secret key and this node's clock",
  RequestTimeTooSkewed: 'the clock of this node is wrong: set it',
}

export function explainAws(thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  if (error instanceof VirgaError || error instanceof RangeError) return { kind: 'FINAL', error }
  const { name, code, CancellationReasons } = error as AwsError
  if (NOT_DONE.has(name) || NOT_DONE.has(code ?? '')) return { kind: 'NOT_DONE', error }
  // A cancelled transaction whose conditions held was in conflict with another, or throttled.
  if (CancellationReasons !== undefined) return { kind: 'NOT_DONE', error }
  return isRefusal(error) ? { kind: 'FINAL', error: refused(error) } : { kind: 'MAYBE_DONE', error }
}

/** A broken answer is no refusal, whatever its status: it says nothing of what was done. */
function isRefusal({ name, $metadata }: AwsError): boolean {
  const status = $metadata?.httpStatusCode ?? 0
  return ADVICE[name] !== undefined || (status >= 400 && status < 500)
}

function refused(error: AwsError): UsageError {
  const { name, message, $metadata } = error
  const advice = ADVICE[name] ?? 'this is a bug of Virga, please report it'
  return new UsageError(`AWS refused a call to the GCS (${name}: ${message}); ${advice}`, {
    cause: error,
    data: { name, status: $metadata?.httpStatusCode ?? 0 },
  })
}
