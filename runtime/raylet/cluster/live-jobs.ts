// Which jobs live, on any node of the cluster: whose driver is there, or workers or actors of it.
import type { JobId } from '../../common/ids.ts'
import type { ClusterMember } from './cluster-member.ts'

/** All jobs that live; undefined where a node did not answer, which may have any. */
export type LiveJobs = ReadonlySet<JobId> | undefined

/** @param liveHere  those of this node, as they are when the others have answered. */
export async function findLiveJobs(
  member: Pick<ClusterMember, 'askEach'>,
  liveHere: () => readonly JobId[],
): Promise<LiveJobs> {
  const { answers, silent } = await member.askEach('liveJobs', {})
  if (silent.length > 0) return undefined
  return new Set([...answers.flatMap(({ jobIds }) => jobIds), ...liveHere()])
}
