// Bundles that wait here for room, at the node that is to hold them (HB3 of group-holder.ts): tried
// in each step, in turn (group-turns.ts), before leases are granted, and refused when their time is
// over.
import { NO_RESOURCES, addResources } from '../../common/resources.ts'
import { answer, wakeBy, type Turn } from '../turn.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { perform } from './group-actions.ts'
import { tryToPrepare } from './group-holder.ts'
import { ownId } from './group-notices.ts'
import { prepareAnswered } from './group-reservation.ts'
import type { WaitingPrepare } from './group-state.ts'
import { keptFor, lineOf } from './group-turns.ts'

/** GT1. */
export function prepareInLine(turn: Turn, cluster: ClusterState): void {
  const { groups } = cluster
  let kept = NO_RESOURCES
  for (const wanted of lineOf(groups)) {
    const { waiting } = wanted
    if (waiting === undefined) continue
    const { demand } = wanted
    const isHeld = tryToPrepare(turn, groups, waiting, { demand, kept })
    if (isHeld) settle(turn, cluster, waiting, true)
    else kept = addResources(kept, keptFor(wanted))
  }
}

/** On a tick. */
export function tendLine(turn: Turn, cluster: ClusterState): void {
  for (const wanted of cluster.groups.wantedHere.values()) {
    const { waiting } = wanted
    if (waiting === undefined) continue
    if (waiting.answerByMs > turn.nowMs) wakeBy(turn, waiting.answerByMs)
    else {
      wanted.waiting = undefined
      settle(turn, cluster, waiting, false)
    }
  }
}

function settle(
  turn: Turn,
  cluster: ClusterState,
  { asked: { spec, attempt }, request }: WaitingPrepare,
  prepared: boolean,
): void {
  if (request !== undefined) {
    answer(turn, request, { prepared })
    return
  }
  const each = cluster.groups.coordinated.get(spec.groupId)
  if (each === undefined) return
  const answered = { nodeId: ownId(turn), attempt, prepared }
  perform(turn, cluster, each, prepareAnswered(each.reservation, answered))
}
