// Which jobs live, on any node of the cluster: whose driver is there, or workers or actors of it;
// and which go on though they are on none.
import { VirgaError } from '../../common/errors.ts'
import { toHex, type JobId } from '../../common/ids.ts'
import { readActors } from '../../gcs/actors.ts'
import type { Storage } from '../../gcs/storage.ts'
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

const ASK_LIMIT_MS = 5_000

/** Those of one node, in hex; none where it is no member any more; undefined: it did not answer. */
export async function jobsOf(
  member: Pick<ClusterMember, 'ask' | 'others'>,
  nodeId: string,
): Promise<LiveJobs> {
  if (!member.others().some((other) => other.nodeId === nodeId)) return new Set()
  return await member.ask(nodeId, 'liveJobs', {}, ASK_LIMIT_MS).then(
    ({ jobIds }) => new Set(jobIds),
    () => undefined, // of ours, or of the system
  )
}

/**
 * Whether a detached actor of it lives or is to be started again, as their rows say: on its way to
 * its next life it may be on no node for as long as the GCS is away, or those that are to start it
 * die as well. Unread rows may say so.
 */
export async function hasDetachedActor(storage: Storage, jobId: JobId): Promise<boolean> {
  try {
    const rows = await readActors(storage, toHex(jobId), { stale: false })
    return rows.some(({ detached, state }) => detached && state !== 'DEAD')
  } catch (error) {
    if (!(error instanceof VirgaError)) throw error
    return true
  }
}
