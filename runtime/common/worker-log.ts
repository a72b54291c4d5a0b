// The name of the file that keeps what a worker has written. It says whose worker that was: nobody
// else knows once the worker and its job have ended.
import { WORKER_NUMBER_BYTES, toHex, type JobId, type WorkerId } from './ids.ts'

const NUMBER_CHARS = 2 * WORKER_NUMBER_BYTES

/** Without `.log`: worker-00000001-06cfb93a. */
export const workerLogName = (workerId: WorkerId, jobId: JobId): string =>
  `worker-${toHex(workerId).slice(0, NUMBER_CHARS)}-${toHex(jobId)}`

/** What such a name says, in hex; undefined: it is of another log. */
export function workerOfLog(
  name: string,
): { readonly number: string; readonly job: string } | undefined {
  const [, number, job] = /^worker-([0-9a-f]+)-([0-9a-f]+)$/.exec(name) ?? []
  return number === undefined || job === undefined ? undefined : { number, job }
}
