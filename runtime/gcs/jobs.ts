// Jobs in the GCS: submitted from anywhere under an id that the client made, claimed once, ended
// once. A pending job has a second row, so that whoever looks for work reads only those.
//
//   --1--> PENDING --2--> RUNNING --3--> SUCCEEDED | FAILED | STOPPED
//             '-------------------4------------------> STOPPED
// Invariants:
//   JB1. One row per submission id, however often it is sent (B39).
//   JB2. Of many who claim a job one wins; only its attempt may end it. A job that has ended stays
//       so.
import { amount, count, object, oneOf, text } from '../common/shape.ts'
import { isOutage } from './attempts.ts'
import { decideDelete, decideTogether, decideUpdate } from './decide.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, Storage } from './storage.ts'
import { JOBS, PENDING_JOBS, jobKey, pendingJobKey } from './tables.ts'

export type JobState = 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED'
export type JobEnd = 'STOPPED' | 'SUCCEEDED' | 'FAILED'

export interface JobRow {
  readonly submissionId: string
  readonly state: JobState
  /** What to run: package, entry, arguments; for the jobs folder alone to understand. */
  readonly request: Readonly<Record<string, unknown>>
  readonly submittedAtMs: number
  /** 0 until it is claimed; one more with each driver that runs it. */
  readonly attempt: number
  /** Who runs it: node id, or a Lambda request. */
  readonly runner: string
  readonly message: string
}

const JOB: FieldsOf<JobRow> = {
  ...{ submissionId: text, state: oneOf('PENDING', 'RUNNING', 'STOPPED', 'SUCCEEDED', 'FAILED') },
  ...{ request: object, submittedAtMs: amount, attempt: count, runner: text, message: text },
}

/** Arrow 1. @returns the job as it stands: of a repeated submission, the first one. */
export async function submitJob(
  storage: Storage,
  job: Pick<JobRow, 'submissionId' | 'request' | 'submittedAtMs'>,
): Promise<JobRow> {
  const { submissionId } = job
  const key = jobKey(submissionId)
  const value: JobRow = { ...job, state: 'PENDING', attempt: 0, runner: '', message: '' }
  const outcome = await decideTogether(storage, {
    key,
    items: [
      { kind: 'putIf', key, value: { ...value }, expected: 'ABSENT' },
      { kind: 'putIf', key: pendingJobKey(submissionId), value: {}, expected: 'ABSENT' },
    ],
    isOurs: () => false,
  })
  const row = outcome.won ? outcome.row : outcome.current
  return row === undefined ? value : asJob(row)
}

/**
 * Arrow 2, or the next attempt after `seen` was lost.
 * @param seen  the job as the claimer read it.
 * @returns the attempt to run, or undefined: somebody else has it, or it has ended.
 */
export async function claimJob(
  storage: Storage,
  seen: JobRow,
  runner: string,
): Promise<JobRow | undefined> {
  const { submissionId, attempt, state } = seen
  if (isEnded(seen)) return undefined
  const outcome = await decideUpdate(storage, {
    key: jobKey(submissionId),
    fields: { state: 'RUNNING', attempt: attempt + 1, runner },
    expected: { fields: { attempt, state } },
    isOurs: (value) => value['attempt'] === attempt + 1 && value['runner'] === runner,
  })
  await forgetPending(storage, submissionId)
  if (!outcome.won) return undefined
  return asJob(outcome.row)
}

/**
 * Arrow 3, by the attempt that ran it; or 4, by whoever stops a job that nobody runs.
 * @returns the job as it has ended, maybe otherwise and before; undefined when another attempt
 *   runs.
 */
export async function endJob(
  storage: Storage,
  { submissionId, attempt }: Pick<JobRow, 'submissionId' | 'attempt'>,
  end: { readonly state: JobEnd; readonly message: string },
): Promise<JobRow | undefined> {
  const now = await readJob(storage, submissionId)
  if (now === undefined || now.attempt !== attempt) return undefined
  if (isEnded(now)) return now
  const outcome = await decideUpdate(storage, {
    key: jobKey(submissionId),
    fields: { ...end },
    expected: { fields: { attempt, state: now.state } },
    isOurs: (value) => value['attempt'] === attempt && value['state'] === end.state,
  })
  await forgetPending(storage, submissionId)
  const row = outcome.won ? outcome.row : outcome.current
  const job = row && asJob(row)
  return job !== undefined && isEnded(job) ? job : undefined
}

export async function readJob(storage: Storage, submissionId: string): Promise<JobRow | undefined> {
  const row = await storage.get(jobKey(submissionId))
  return row && asJob(row)
}

/** A page of submitted jobs, by their ids. */
export async function readJobs(
  storage: Storage,
  options: { readonly after?: string; readonly limit: number },
): Promise<readonly JobRow[]> {
  const rows = await storage.query('cluster', JOBS, { ...options, stale: true })
  return rows.map((row) => asJob(row))
}

/** Jobs that wait for a runner. One that was claimed a moment ago may still be among them. */
export async function pendingJobs(storage: Storage, limit: number): Promise<readonly string[]> {
  const rows = await storage.query('cluster', PENDING_JOBS, { limit })
  return rows.map((row) => row.key.sk)
}

/** The row is a hint: who finds it although the job runs loses the claim. */
async function forgetPending(storage: Storage, submissionId: string): Promise<void> {
  const key = pendingJobKey(submissionId)
  try {
    const row = await storage.get(key)
    if (row !== undefined) await decideDelete(storage, key, row.version)
  } catch (error) {
    // What was decided stands; whoever meets the hint next takes it away.
    if (!isOutage(error)) throw error
  }
}

const isEnded = ({ state }: JobRow): boolean => state !== 'PENDING' && state !== 'RUNNING'
const asJob = (row: Row): JobRow => readRow(row, JOB)
