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

/** The SDK throws a bare Error with this message. */
const NO_REGION = 'Region is missing'

const ADVICE: Readonly<Record<string, string>> = {
  ResourceNotFoundException: 'the table does not exist: is the cluster deployed in this region?',
  NoSuchBucket: 'the bucket does not exist: is the cluster deployed in this region?',
  AccessDeniedException: 'the role lacks a right on the cluster: add it to its policy',
  AccessDenied: 'the role lacks a right on the cluster: add it to its policy',
  CredentialsProviderError:
    'no AWS credentials were found (environment, profile, container, instance): ' +
    'set a profile or a role',
  UnrecognizedClientException: 'the AWS credentials are not valid: renew them',
  InvalidAccessKeyId: 'the AWS credentials are not valid: renew them',
  ExpiredTokenException: 'the AWS credentials have expired: renew them',
  ExpiredToken: 'the AWS credentials have expired: renew them',
  InvalidSignatureException:
    "AWS refused the signature: check the secret key and this node's clock",
  RequestTimeTooSkewed: 'the clock of this node is wrong: set it',
  [NO_REGION]: 'no AWS region was found: set AWS_REGION, or the region of the profile',
}

export function explainAws(thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  if (error instanceof VirgaError || error instanceof RangeError) return { kind: 'FINAL', error }
  const { code, CancellationReasons } = error as AwsError
  const name = nameOf(error)
  if (NOT_DONE.has(name) || NOT_DONE.has(code ?? '')) return { kind: 'NOT_DONE', error }
  // A cancelled transaction whose conditions held was in conflict with another, or throttled.
  if (CancellationReasons !== undefined) return { kind: 'NOT_DONE', error }
  return isRefusal(error) ? { kind: 'FINAL', error: refused(error) } : { kind: 'MAYBE_DONE', error }
}

const nameOf = ({ name, message }: AwsError): string => (message === NO_REGION ? NO_REGION : name)

/** A broken answer is no refusal, whatever its status: it says nothing of what was done. */
function isRefusal(error: AwsError): boolean {
  const status = error.$metadata?.httpStatusCode ?? 0
  return ADVICE[nameOf(error)] !== undefined || (status >= 400 && status < 500)
}

/** Our time, 20261126T204500Z, and in brackets the service's. Source: SigV4's "expired". */
const TIMES = /(\d{8}T\d{6})Z.*\((\d{8}T\d{6})Z/

/** F25: by how much this node's clock is ahead, where the service says it. */
function skewSeconds(message: string): number | undefined {
  const [, ours, theirs] = TIMES.exec(message) ?? []
  if (ours === undefined || theirs === undefined) return undefined
  return secondsOf(ours) - secondsOf(theirs)
}

/** Between two of them, the seconds that passed. */
function secondsOf(time: string): number {
  const part = (from: number, to: number): number => Number(time.slice(from, to))
  // A year begins in March, so that its last day is the one that may be missing.
  const january = part(4, 6) < 3 ? 1 : 0
  const [year, month] = [part(0, 4) - january, part(4, 6) + 12 * january]
  const leapDays = Math.floor(year / 4) - Math.floor(year / 100) + Math.floor(year / 400)
  const days = 365 * year + leapDays + Math.floor((153 * (month - 3) + 2) / 5) + part(6, 8)
  return ((days * 24 + part(9, 11)) * 60 + part(11, 13)) * 60 + part(13, 15)
}

function refused(error: AwsError): UsageError {
  const { message, $metadata } = error
  const name = nameOf(error)
  const skew = skewSeconds(message)
  const advice =
    skew === undefined
      ? (ADVICE[name] ?? 'this is a bug of Virga, please report it')
      : `the clock of this node is ${skew > 0 ? `${skew} s fast` : `${-skew} s slow`}: set it`
  return new UsageError(`AWS refused a call to the GCS (${name}: ${message}); ${advice}`, {
    cause: error,
    data: { name, status: $metadata?.httpStatusCode ?? 0 },
  })
}
