// Which actors of a job go on without its driver: detached ones, and what those have made, as far
// as it lives, themselves or by tasks that they have run.
// Source: Ray, root_detached_actor_id (node_manager.cc, HandleJobFinished).
import type { WorkerId } from '../../common/ids.ts'
import type { RayletState } from '../state.ts'
import type { Actor } from './actor-state.ts'

export const outlivesDriver = (state: RayletState, { spec }: Actor): boolean =>
  spec.detached || (spec.owner !== undefined && worksForDetached(state, spec.owner))

/** What it runs now, if anything, and for whom. */
function worksForDetached(state: RayletState, client: WorkerId): boolean {
  // Its own node knows for whom it works, and ends it if that is nobody.
  if (state.clients.get(client)?.link !== undefined) return true
  const lease = state.workers.get(client)?.lease
  if (lease?.actor !== undefined) return outlivesDriver(state, lease.actor)
  return lease?.class !== undefined && worksForDetached(state, lease.class.client)
}
