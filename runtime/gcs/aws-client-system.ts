// How clients of AWS are configured, all of them alike: no retries of their own, bounded waits, and
// what an emulator needs to be reached without an account.
const CONNECT_TIMEOUT_MS = 1_000
const SOCKETS_MAX = 64
/** Emulators take any. */
const EMULATOR = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
}

export interface AwsOptions {
  /** An emulator. Default: AWS. */
  readonly endpoint?: string
  /** Default: as the SDK finds it; for an emulator us-east-1. */
  readonly region?: string
  /** How long an attempt may take. Default: the client's own. */
  readonly requestTimeoutMs?: number
  /** Of the SDK, at one call. Default: one, as attempts.ts repeats. */
  readonly maxAttempts?: number
}

/** At what is made before there is anybody who repeats: with 30 % of them failing, 1 in 15,000. */
export const MAKING_ATTEMPTS = 8

interface AwsClientConfig {
  readonly endpoint?: string
  readonly region?: string
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly maxAttempts: number
  readonly requestHandler: {
    readonly connectionTimeout: number
    readonly requestTimeout: number
    readonly throwOnRequestTimeout: boolean
    readonly httpAgent: { readonly maxSockets: number }
    readonly httpsAgent: { readonly maxSockets: number }
  }
}

/** Nothing of the user's account is ever sent to an emulator. */
export function awsClientConfig(options: AwsOptions, requestTimeoutMs: number): AwsClientConfig {
  const { endpoint, region } = options
  return {
    ...(endpoint === undefined ? {} : { endpoint, ...EMULATOR }),
    ...(region === undefined ? {} : { region }),
    maxAttempts: options.maxAttempts ?? 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: options.requestTimeoutMs ?? requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: SOCKETS_MAX },
      httpsAgent: { maxSockets: SOCKETS_MAX },
    },
  }
}
