// Who takes a detached group over when its coordinator dies: somebody must know of it, also where
// all of its bundles lay on that node and nobody uses it now.
// Invariant:
//   DG1. Of a detached group HEIRS other nodes are told, while there are so many that stay: those
//        that are asked first to take it over (GK3).
import { rendezvous } from '../../gcs/rendezvous.ts'
import { publish } from './group-notices.ts'
import type { ClusterGroups, Coordinated } from './group-state.ts'
import type { Turn } from '../turn.ts'

/** Two that die with the coordinator, within a lease, are as bad as the loss of the GCS. */
const HEIRS = 2

/** To be called when this node begins to coordinate it, and when others have come or gone. */
export function tellHeirs(
  turn: Turn,
  groups: ClusterGroups,
  { group, watchers }: Pick<Coordinated, 'group' | 'watchers'>,
): void {
  const { detached, groupId } = group.spec
  if (!detached) return
  const staying = [...groups.members].flatMap(([id, { isDraining }]) => (isDraining ? [] : [id]))
  const heirs = rendezvous(groupId, staying, HEIRS).filter((id) => !watchers.has(id))
  if (heirs.length === 0) return
  for (const id of heirs) watchers.add(id)
  publish(turn, groups, { group, watchers }, { error: group.across?.error })
}
