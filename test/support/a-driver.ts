// What the driver of a test brings to its raylet: a job that is no program, and ears for nothing.
import type { ExtraNotices } from '../../runtime/core-worker/start.ts'
import type { JobSpec } from '../../runtime/protocol/messages.ts'
import { NO_JOB } from '../../runtime/raylet/welcome.ts'

/** A job that no module was started for; what its workers print goes nowhere. */
export function aJob(named: Pick<JobSpec, 'jobId' | 'name' | 'namespace'>): JobSpec {
  return { ...NO_JOB, ...named }
}

export const deafNotices: ExtraNotices = {
  startActor: () => undefined,
  exit: () => undefined,
  output: () => undefined,
}
