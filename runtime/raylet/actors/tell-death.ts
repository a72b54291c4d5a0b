// All nodes hear that one is dead before its actors begin their next lives: its processes may go on
// where only its raylet stands still, and who has not heard yet would still call them.
// Invariants:
//   TD1. It is over when every other living node has answered, or counts as gone; after
//        TELL_MS_MAX at the latest, when all that can have read it in the GCS, but where a crowd
//        joins: there a node that cannot be reached may read it later (MV1).
import { delay, type Clock } from '../../common/clock.ts'
import { HEARTBEAT_MS } from '../../gcs/lease-terms.ts'
import type { NodeDeath } from '../../gcs/nodes.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'

/** Two heartbeats, with which each node looks who is a member, and what a busy machine adds. */
const TELL_MS_MAX = 2 * HEARTBEAT_MS + 2_000
const ASK_LIMIT_MS = 1_000
const AGAIN_MS = 250

export async function tellDeath(
  member: Pick<ClusterMember, 'ask' | 'others' | 'isSuspected'>,
  clock: Clock,
  death: NodeDeath,
): Promise<void> {
  const endMs = clock.monotonicMs() + TELL_MS_MAX
  const heard = new Set<string>()
  const tell = (nodeId: string): Promise<unknown> =>
    member.ask(nodeId, 'nodeDied', death, ASK_LIMIT_MS).then(
      () => heard.add(nodeId),
      () => undefined, // it is told again, as long as it counts as living
    )
  for (;;) {
    const ids = member.others().map(({ nodeId }) => nodeId)
    const missing = ids.filter((id) => !heard.has(id) && !member.isSuspected(id))
    if (missing.length === 0 || clock.monotonicMs() >= endMs) return // TD1
    await Promise.all(missing.map(tell))
    if (missing.some((id) => !heard.has(id))) await delay(clock, AGAIN_MS)
  }
}
