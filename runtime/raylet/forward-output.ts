// Whose lines of output they are, and to which driver they go: one of this node, or of another.
import type { JobId, WorkerId } from '../common/ids.ts'
import type { OutputLine } from '../protocol/messages.ts'
import type { ClientLinks } from './client-links.ts'
import type { ClusterSide } from './cluster/cluster-side.ts'
import type { RayletState } from './state.ts'

/** What a worker is for, as people know it. */
export function nameOfWorker({ workers }: RayletState, workerId: WorkerId): string {
  const lease = workers.get(workerId)?.lease
  return lease?.actor?.spec.className ?? lease?.spec.name ?? 'worker'
}

interface Ways {
  readonly state: RayletState
  readonly links: ClientLinks
  readonly cluster: ClusterSide | undefined
}

/**
 * Of a job's workers to its driver.
 * @param isLast  nothing comes after them: they are sent though the driver has not read the others.
 * @returns false when the driver does not take any now.
 */
export function forwardOutput(
  { state, links, cluster }: Ways,
  jobId: JobId,
  lines: readonly OutputLine[],
  isLast: boolean,
): boolean {
  const job = state.jobs.get(jobId)
  const link = job && links.get(job.driver)
  if (job?.spec.logToDriver !== true) return true
  const { driver, drivenAt } = job
  if (drivenAt !== undefined) {
    return cluster?.leases.tellOutput(drivenAt, driver, { lines, isLast }) === true
  }
  if (link === undefined || !(link.takesOutput || isLast)) return false
  link.notify('output', { lines })
  return true
}
