// Whether the actors of a node that is dead may be started again: a living node that has met it
// does so (AH2). One that does not say may be the one that has (AW3).
import { GcsUnavailableError } from '../../common/errors.ts'
import type { Holder } from '../../gcs/actors.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'

/** @throws GcsUnavailableError while a node that may have met it is silent: to be asked again. */
export async function haveOthersMet(
  member: Pick<ClusterMember, 'askEach'>,
  { nodeId, epoch }: Holder,
): Promise<boolean> {
  const { answers, silent } = await member.askEach('hasMet', { nodeId, epoch })
  if (answers.some(({ hasMet }) => hasMet)) return true
  if (silent.length === 0) return false
  throw new GcsUnavailableError(
    `node ${nodeId} is dead, and whether its actors are started again nodes ` +
      `${silent.join()} have not said: they are asked anew`,
  )
}
