// Where objects are, as an owner asks that misses some: every living node says which it has.
// Invariant:
//   LO1. What no node has, and no silent one could have, has no copy: a free that this node told
//        others before is heard by them before this question.
import type { ObjectStore } from '../../objects/store.ts'
import type { RayletCalls } from '../../protocol/messages.ts'
import type { ClusterMember } from './cluster-member.ts'

type Located = RayletCalls['locateObjects'][1]
type ObjectIds = RayletCalls['locateObjects'][0]['objectIds']

/** Asks the others for what is not here. */
export async function locate(
  store: ObjectStore,
  member: Pick<ClusterMember, 'askEach' | 'left'> | undefined,
  objectIds: ObjectIds,
): Promise<Located> {
  const held = new Set(objectIds.filter((objectId) => store.sizeOf(objectId) !== undefined))
  const missing = objectIds.filter((objectId) => !held.has(objectId))
  if (missing.length === 0 || member === undefined) return { held: [...held], silent: [], left: [] }
  const { answers, silent } = await member.askEach('holds', { objectIds: missing })
  const heldThere = new Set(
    answers.flatMap((answer) => answer.held.map(({ objectId }) => objectId)),
  )
  for (const objectId of missing) if (heldThere.has(objectId)) held.add(objectId)
  return { held: [...held], silent, left: member.left() }
}
