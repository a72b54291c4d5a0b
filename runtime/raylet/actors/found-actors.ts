// Actors that getIfExists found in place of a new one (pure). Handles with the id of the one that
// was not made may have gone anywhere before that was known.
// Invariants:
//   FI1. Whoever watches that id, from whichever node, is told which actor was found: at once when
//        it is known, or when they ask later.
//   FI2. It is remembered while handles with that id live, and whoever asked for the actor.
import { toHex, type ActorId, type WorkerId } from '../../common/ids.ts'
import type { ActorInfo, ActorView, FoundInstead } from '../../protocol/actor-messages.ts'
import { notify, type Turn } from '../turn.ts'
import type { Actor } from './actor-state.ts'
import { tellLinks } from './actors-of-nodes.ts'

export interface FoundActor {
  /** Who asked for the actor. */
  readonly owner: WorkerId
  readonly instead: FoundInstead
}

/** FI1. */
export function foundInstead(turn: Turn, { spec }: Actor, found: ActorInfo): void {
  const { foundActors, watchers, cluster } = turn.state
  const { actorId, nodeId, maxTaskRetries } = found
  const instead = { actorId, homeId: toHex(nodeId), maxTaskRetries }
  foundActors.set(spec.actorId, { owner: spec.owner, instead })
  const view = foundView(spec.actorId, instead)
  for (const watcher of watchers.get(spec.actorId) ?? []) {
    notify(turn, watcher, 'actorChanged', view)
  }
  tellLinks(turn, view)
  watchers.delete(spec.actorId)
  cluster?.actors.links.delete(spec.actorId)
}

export const foundView = (actorId: ActorId, instead: FoundInstead): ActorView => ({
  ...{ actorId, phase: 'DEPENDENCIES_UNREADY', incarnation: 0, address: '', workerId: undefined },
  foundInstead: instead,
})

/** FI2: a process has ended. */
export function forgetFoundOf({ state }: Turn, owner: WorkerId): void {
  for (const [actorId, found] of state.foundActors) {
    if (found.owner === owner) state.foundActors.delete(actorId)
  }
}
