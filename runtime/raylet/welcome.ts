// Who may join this raylet, and for which job (pure).
import { ProtocolError, UsageError } from '../common/errors.ts'
import { newJobId } from '../common/ids.ts'
import type { Random } from '../common/random.ts'
import type { Hello, JobSpec } from '../protocol/messages.ts'
import type { RayletState } from './state.ts'

/** A job of no program, which the cli has in place of one: no module, no output. */
export const NO_JOB: Omit<JobSpec, 'jobId'> = {
  name: '',
  namespace: '',
  entry: undefined,
  argv: [],
  execArgv: [],
  env: {},
  cwd: '/',
  modules: [],
  logToDriver: false,
}

/**
 * A worker serves the job it was started for; a driver brings its own, with an id of ours unless
 * it has one that is free; the cli has none.
 * @throws ProtocolError when nobody may join, or this worker was not started here; UsageError for a
 *   durable job where nothing outlives this node.
 */
export function jobOfHello(state: RayletState, hello: Hello, random: Random): JobSpec {
  if (state.leaving || (state.draining && hello.role === 'driver'))
    throw new ProtocolError('this cluster is stopping; start a new one')
  if (hello.role === 'worker') {
    const worker = state.workers.get(hello.workerId)
    const job = worker && state.jobs.get(worker.jobId)
    if (job === undefined) throw new ProtocolError('no worker of that id was started here')
    return job.spec
  }
  if (hello.job === undefined) return { ...NO_JOB, jobId: newJobId(random) }
  if (hello.job.durable === true && state.cluster === undefined) throw new UsageError(NOT_DURABLE)
  const { jobId } = hello.job
  const taken = jobId.length === 0 || state.jobs.has(jobId)
  return taken ? { ...hello.job, jobId: newJobId(random) } : hello.job
}

const NOT_DURABLE =
  'durable: true keeps lineage in the tables of the GCS, and a cluster of this one node has none ' +
  'that outlive it: start one with `virga start --gcs dynamodb` or `virga start --nodes 3`, or ' +
  'leave durable out'
