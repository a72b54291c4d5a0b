// Which actors of a job live here: the dead ones, of which thousands are kept, are looked at by
// nobody who asks for those.
import type { JobId } from '../../common/ids.ts'
import type { RayletState } from '../state.ts'
import type { Actor } from './actor-state.ts'

type Living = Pick<RayletState, 'livingActors'>

/** One that is not DEAD has come among the actors of this node. */
export function livesHere({ livingActors }: Living, actor: Actor): void {
  const { jobId } = actor.spec
  const known = livingActors.get(jobId)
  if (known === undefined) livingActors.set(jobId, new Set([actor]))
  else known.add(actor)
}

/** It is DEAD, or another node has it. */
export function livesNoMore({ livingActors }: Living, actor: Actor): void {
  const { jobId } = actor.spec
  const known = livingActors.get(jobId)
  known?.delete(actor)
  if (known?.size === 0) livingActors.delete(jobId)
}

/** In the order in which they came; whoever ends some of them copies it. */
export const livingActorsOf = ({ livingActors }: Living, jobId: JobId): Iterable<Actor> =>
  livingActors.get(jobId) ?? []
