// The end of a placement group, or of some of its bundles, on one node: what drew from them ends.
// Source: Ray placement_group_resource_manager.h (return).
import type { VirgaError } from '../../common/errors.ts'
import { reasonFor } from '../../common/reason.ts'
import { endActor } from '../actors/actor-end.ts'
import { heldBy } from '../class-wants.ts'
import { endLease, refuseClass } from '../leases.ts'
import { groupIsGone, groupRemoved, judge } from '../placement.ts'
import type { Lease } from '../state.ts'
import type { Bundle, Group } from './group.ts'
import { refuse, type Turn } from '../turn.ts'
import { kill } from '../workers.ts'

/**
 * G2. What it has reserved must have been given back, or is by the caller.
 * @param error  what who waits for it hears. Default: that it was removed.
 */
export function forgetGroup(turn: Turn, group: Group, error?: VirgaError): void {
  const { groupId, name } = group.spec
  turn.state.groups.delete(groupId)
  // Classes hear before their leases break, so that their tasks are not tried again.
  refuseUsers(turn, groupId)
  endActorsIn(turn, groupId)
  endBundles(turn, group, group.bundles, groupRemoved(groupId))
  group.state = 'REMOVED'
  const why = error ?? groupIsGone(name, groupId)
  for (const request of group.awaiting.splice(0)) refuse(turn, request, why)
}

/** Classes get nothing of it any more: their queued tasks fail. */
export function refuseUsers(turn: Turn, groupId: string): void {
  for (const client of turn.state.clients.values()) {
    for (const each of client.classes.values()) {
      if (each.wanted === 0 && heldBy(each) === 0) continue
      if (drawsFrom(each.spec.strategy, groupId)) refuseClass(turn, each, groupRemoved(groupId))
    }
  }
}

/** Those that only bundles could hold which are lost for good. */
export function refuseUnplaceable(turn: Turn, groupId: string): void {
  for (const client of turn.state.clients.values()) {
    for (const each of client.classes.values()) {
      if (each.wanted === 0 || !drawsFrom(each.spec.strategy, groupId)) continue
      const reason = judge(turn.state, each.spec, 'task')
      if (reason !== undefined) refuseClass(turn, each, reason)
    }
  }
}

function endActorsIn(turn: Turn, groupId: string): void {
  for (const actor of [...turn.state.actors.values()]) {
    if (actor.phase === 'DEAD' || !drawsFrom(actor.spec.scheduling.strategy, groupId)) continue
    endActor(turn, actor, reasonFor(actor.spec.className, groupRemoved(groupId)))
  }
}

/**
 * They lie here no more.
 * @param error  what running tasks fail with; undefined: they are tried again, as after a crash.
 */
export function endBundles(
  turn: Turn,
  group: Group,
  bundles: readonly Bundle[],
  error: VirgaError | undefined,
): void {
  group.bundles = group.bundles.filter((bundle) => !bundles.includes(bundle))
  for (const lease of [...turn.state.leases.values()]) {
    if (lease.bundle !== undefined && bundles.includes(lease.bundle)) endUser(turn, lease, error)
  }
}

function endUser(turn: Turn, lease: Lease, error: VirgaError | undefined): void {
  lease.endsWith = error ?? lease.endsWith
  if (lease.worker === undefined) endLease(turn, lease)
  else kill(turn, lease.worker, 'KILLED')
}

function drawsFrom(
  strategy: { readonly kind: string; readonly groupId?: string },
  groupId: string,
): boolean {
  return strategy.kind === 'PLACEMENT_GROUP' && strategy.groupId === groupId
}
