// Where objects are, as an owner asks that misses some: every living node says which it has.
// Invariant:
//   LO1. What no node has, and no silent one could have, has no copy: a free that this node told
//        others before is heard by them before this question.
import type { Clock } from '../../common/clock.ts'
import type { ObjectId } from '../../common/ids.ts'
import type { ObjectStore } from '../../objects/store.ts'
import type { RayletCalls } from '../../protocol/messages.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { ClusterPlaces } from './cluster-places.ts'
import type { SilentWaits } from './silent-waits.ts'

type Located = RayletCalls['locateObjects'][1]
type ObjectIds = RayletCalls['locateObjects'][0]['objectIds']

export interface PlacesDeps {
  readonly store: ObjectStore
  readonly member: Pick<ClusterMember, 'askEach' | 'left'>
  readonly places: Pick<ClusterPlaces, 'kept'>
  readonly silent: SilentWaits
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/** Where there is one node: what its store has. */
export function locateHere(store: ObjectStore, objectIds: ObjectIds): Located {
  const held = objectIds.filter((objectId) => store.sizeOf(objectId) !== undefined)
  return { held, silent: [], left: [] }
}

/**
 * Asks the other nodes for what is not here, and the GCS for what none of them has.
 * @throws GcsUnavailableError
 */
export async function locate(
  { store, member, places, silent, clock }: PlacesDeps,
  { objectIds, unread }: RayletCalls['locateObjects'][0],
): Promise<Located> {
  const held = new Set(locateHere(store, objectIds).held)
  const isMissing = (objectId: ObjectId): boolean => !held.has(objectId)
  const asked = objectIds.filter(isMissing)
  if (asked.length === 0) {
    silent.answered('nodes', objectIds)
    return { held: objectIds, silent: [], left: [] }
  }
  const askedAtMs = clock.monotonicMs()
  const { answers, silent: nodeIds } = await member.askEach('holds', { objectIds: asked })
  const heldThere = new Set(
    answers.flatMap((answer) => answer.held.map(({ objectId }) => objectId)),
  )
  for (const objectId of asked) if (heldThere.has(objectId)) held.add(objectId)
  const left = member.left()
  const missing = asked.filter(isMissing)
  if (nodeIds.length > 0) silent.unanswered({ who: 'nodes', nodeIds }, missing, askedAtMs)
  const kept = await silent.ofGcs(missing, () => places.kept(missing, unread))
  for (const objectId of kept) held.add(objectId)
  silent.answered('nodes', nodeIds.length === 0 ? objectIds : held)
  return { held: [...held], silent: nodeIds, left }
}
