// Exit codes of the command line: 0 done, 1 the job failed, 2 wrong usage, 3 cluster not reachable.
// `run` alone has others: those of the program.
import { NodeDiedError, UsageError, VirgaError } from '../runtime/common/errors.ts'

export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2, UNREACHABLE: 3 } as const

/** No cluster answers where one was looked for. */
export class ClusterNotReachableError extends Error {
  readonly code = 'ERR_CLUSTER_NOT_REACHABLE'
  override readonly name = 'ClusterNotReachableError'
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof ClusterNotReachableError || error instanceof NodeDiedError) {
    return EXIT.UNREACHABLE
  }
  return error instanceof UsageError ? EXIT.USAGE : EXIT.FAILED
}

/** Stable keys, for `--json`. */
export function errorFields(error: unknown): { readonly code: string; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error)
  const known = error instanceof VirgaError || error instanceof ClusterNotReachableError
  return { code: known ? error.code : 'ERR_VIRGA', message }
}
