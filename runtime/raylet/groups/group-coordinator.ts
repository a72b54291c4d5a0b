// Placement groups that this node coordinates, as its brain does it: from when on, where their
// bundles go, when that is tried again, and how they end. In which order nodes are asked decides
// group-reservation.ts; group-actions.ts does it, group-notices.ts tells of it.
// Invariants:
//   GC1. A group is coordinated by the node that drives its job, and ends with the job unless it is
//        detached. A detached one is taken over when that node is dead.
//   GC2. Whoever watches a group, or holds bundles of it, is told of each change until it has
//        heard.
//   GC3. A group that waits is tried again after a random while, longer each time; one that has
//        lost bundles before one that never was whole.
//   GC4. Where nothing is free it is asked for at the same nodes for a while, which keep for it
//        what comes free there; then at others.
import { InfeasibleError, type VirgaError } from '../../common/errors.ts'
import { fromHex, toHex, type JobId } from '../../common/ids.ts'
import { toResources } from '../../common/resources.ts'
import type { Coordinator, GroupRow } from '../../gcs/groups.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import { perform } from './group-actions.ts'
import { forgetGroup, refuseUnplaceable } from './group-end.ts'
import { returnHere } from './group-holder.ts'
import { tellHeirs } from './group-heirs.ts'
import { ownId, publish, tellWatchers, toldOf } from './group-notices.ts'
import { mayBeSlow } from '../cluster/slow-node.ts'
import { planAnyway, planGroup, type Placing } from './group-plan.ts'
import * as reserving from './group-reservation.ts'
import {
  rememberRemoved,
  RETRY_MS_MIN,
  type ClusterGroups,
  type Coordinated,
} from './group-state.ts'
import { newGroup, type Group } from './group.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { refuse, wakeBy, type Turn } from '../turn.ts'

/** Source: Ray gcs_create_placement_group_retry_max_interval_ms, _multiplier. */
const RETRY_MS_MAX = 1_000
const RETRY_GROWTH = 1.5
/** GC4: about a second each. */
const SOUGHT_TRIES = 8

const ownCoordinator = ({ state: { config } }: Turn): Coordinator => ({
  nodeId: toHex(config.nodeId),
  epoch: config.epoch,
})

/** @returns why it can never be reserved; undefined: it will be, and its row is written. */
export function coordinate(
  turn: Turn,
  cluster: ClusterState,
  spec: GroupSpec,
): VirgaError | undefined {
  const { state } = turn
  if (cluster.groups.coordinated.has(spec.groupId)) return undefined
  const missing = spec.bundles.map((_, index) => index)
  const plan = planGroup(state, cluster, { spec, missing, occupied: new Set() })
  if (plan.kind === 'INFEASIBLE') return neverReserved(spec, plan.reason)
  const group = newGroup(turn, spec, ownId(turn))
  // Who waits for it already, where the node that drove its job was to coordinate it.
  group.awaiting.push(...(state.groups.get(spec.groupId)?.awaiting.splice(0) ?? []))
  const { groups } = cluster
  const reservation = reserving.createReservation(spec.groupId, missing.length)
  tellHeirs(turn, groups, take(turn, groups, group, reservation))
  turn.effects.push({ kind: 'registerGroup', row: rowOf(turn, group) })
  return undefined
}

export function neverReserved({ name, bundles }: GroupSpec, reason: string): VirgaError {
  const message = `placement group ${name} can never be reserved: ${reason}`
  return new InfeasibleError(message, { data: { requested: bundles.map(toResources) } })
}

function take(
  turn: Turn,
  { coordinated }: ClusterGroups,
  group: Group,
  reservation: reserving.Reservation,
): Coordinated {
  const { groupId } = group.spec
  turn.state.groups.set(groupId, group)
  const each: Coordinated = {
    ...{ group, reservation, watchers: new Set(), wasWhole: false },
    ...{ retryAtMs: turn.nowMs, triedAtMs: turn.nowMs, backoffMs: RETRY_MS_MIN, sought: undefined },
  }
  coordinated.set(groupId, each)
  return each
}

function rowOf(turn: Turn, { spec }: Group): GroupRow {
  const { jobId, bundles, ...rest } = spec
  return {
    ...{ ...rest, jobId: toHex(jobId), bundles, state: 'PENDING', ...ownCoordinator(turn) },
    ...{ term: 0, attempt: 0, places: bundles.map(() => null) },
  }
}

const specOf = ({ jobId, groupId, name, detached, strategy, bundles }: GroupRow): GroupSpec => ({
  groupId,
  jobId: fromHex(jobId) as JobId,
  name,
  detached,
  strategy,
  bundles,
})

/** Its row says that it is this node's now; who coordinated it is dead. */
export function takeOverGroup(turn: Turn, cluster: ClusterState, row: GroupRow): void {
  const { groups } = cluster
  const { groupId, attempt, places, term, state } = row
  const spec = specOf(row)
  const group = turn.state.groups.get(groupId) ?? newGroup(turn, spec, ownId(turn))
  const isAlive = (nodeId: string): boolean => nodeId === ownId(turn) || groups.members.has(nodeId)
  const living = places.map((place) => (place && isAlive(place.nodeId) ? place : undefined))
  const { reservation, actions } = reserving.takeOver(groupId, attempt, living)
  const each = take(turn, groups, group, reservation)
  each.wasWhole = state !== 'PENDING'
  group.across = {
    ...{ coordinator: ownId(turn), term, version: 0, error: undefined },
    places: living.map((place) => place?.nodeId ?? null),
  }
  tellHeirs(turn, groups, each)
  perform(turn, cluster, each, actions)
}

/** Try those that wait, when their time has come (GC3). */
export function reserveDue(turn: Turn, cluster: ClusterState): void {
  const { coordinated } = cluster.groups
  if (coordinated.size === 0) return
  for (const first of [true, false]) {
    for (const each of coordinated.values()) {
      if (each.reservation.phase !== 'WAITING' || each.wasWhole !== first) continue
      if (each.retryAtMs <= turn.nowMs) tryToReserve(turn, cluster, each)
      if (each.retryAtMs > turn.nowMs) wakeBy(turn, each.retryAtMs)
    }
  }
}

function tryToReserve(turn: Turn, cluster: ClusterState, each: Coordinated): void {
  const { reservation, group } = each
  const missing = reserving.missingOf(reservation)
  const occupied = new Set(reservation.parts.map(({ nodeId }) => nodeId).filter((id) => id !== ''))
  const isDue = mayBeSlow(turn, cluster, group.waitingSinceMs)
  const placing: Placing = { spec: group.spec, missing, occupied, mayBeSlow: isDue }
  const plan = planGroup(turn.state, cluster, placing)
  if (plan.kind === 'INFEASIBLE') {
    each.retryAtMs = Infinity // until there are other nodes
    neverWhole(turn, cluster, each, neverReserved(group.spec, plan.reason))
    return
  }
  later(turn, cluster, each)
  if (plan.kind === 'PLACE') each.sought = undefined
  const nodeIds =
    plan.kind === 'PLACE' ? byIndex(missing, plan) : seek(turn, cluster, each, placing)
  if (nodeIds === undefined) return
  perform(turn, cluster, each, reserving.begin(reservation, nodeIds))
}

const byIndex = (
  missing: readonly number[],
  { nodeIds }: { readonly nodeIds: readonly string[] },
): ReadonlyMap<number, string> => new Map(missing.map((index, at) => [index, nodeIds[at] ?? '']))

/** GC4. */
function seek(
  turn: Turn,
  { view, random, shunned }: ClusterState,
  each: Coordinated,
  placing: Placing,
): ReadonlyMap<number, string> | undefined {
  const { missing } = placing
  const { sought } = each
  const mayHold = (index: number): boolean => {
    const nodeId = sought?.nodeIds.get(index)
    return nodeId !== undefined && view.get(nodeId) !== undefined && !shunned.has(nodeId)
  }
  const isSame = sought?.nodeIds.size === missing.length && missing.every(mayHold)
  if (sought !== undefined && isSame && sought.tries < SOUGHT_TRIES) {
    sought.tries += 1
    return sought.nodeIds
  }
  const chosen = planAnyway(turn.state, { view, random, shunned }, placing)
  if (chosen.kind !== 'PLACE') return undefined
  each.sought = { nodeIds: byIndex(missing, chosen), tries: 1 }
  return each.sought.nodeIds
}

/** GC3. */
function later(turn: Turn, { random }: ClusterState, each: Coordinated): void {
  each.triedAtMs = turn.nowMs
  each.retryAtMs = turn.nowMs + each.backoffMs * (0.5 + random.next() / 2)
  each.backoffMs = Math.min(RETRY_MS_MAX, each.backoffMs * RETRY_GROWTH)
  wakeBy(turn, each.retryAtMs)
}

/** As the nodes are; one that was whole keeps what it has. */
function neverWhole(
  turn: Turn,
  { groups }: ClusterState,
  { group, watchers }: Coordinated,
  error: VirgaError,
): void {
  for (const request of group.awaiting.splice(0)) refuse(turn, request, error)
  publish(turn, groups, { group, watchers }, { error })
  refuseUnplaceable(turn, group.spec.groupId)
}

/** GR4, G2. @param error  what who waits for it hears. Default: that it was removed. */
export function removeCoordinated(
  turn: Turn,
  cluster: ClusterState,
  each: Coordinated,
  error?: VirgaError,
): void {
  const { groups } = cluster
  const { group, reservation, watchers } = each
  const { groupId } = group.spec
  // Between two tries it counts as waiting where it is sought (HB2).
  const sought = new Set(each.sought?.nodeIds.values())
  const asked = [...sought].map(
    (nodeId) => ({ kind: 'giveBack', nodeId, attempt: undefined }) as const,
  )
  perform(turn, cluster, each, [...reserving.remove(reservation), ...asked])
  groups.coordinated.delete(groupId)
  rememberRemoved(groups, groupId)
  dropHere(turn, groups, group, error)
  turn.effects.push({ kind: 'removeGroupRow', groupId, coordinator: ownCoordinator(turn) })
  const across = group.across && { ...group.across, version: group.across.version + 1 }
  tellWatchers(turn, groups, { watchers, told: toldOf({ ...group, across }, error) })
}

/** It exists no more, and this node keeps nothing of it. */
export function dropHere(
  turn: Turn,
  groups: ClusterGroups,
  group: Group,
  error?: VirgaError,
): void {
  forgetGroup(turn, group, error)
  returnHere(turn, groups, { groupId: group.spec.groupId })
}

/** The row was written, or is another node's by now: that one goes on with it. */
export function groupWritten(
  turn: Turn,
  cluster: ClusterState,
  { groupId, attempt, won }: { groupId: string; attempt: number; won: boolean },
): void {
  const each = cluster.groups.coordinated.get(groupId)
  if (each === undefined) return
  if (won) {
    perform(turn, cluster, each, reserving.decided(each.reservation, attempt))
    return
  }
  cluster.groups.coordinated.delete(groupId)
  dropHere(turn, cluster.groups, each.group)
}

/** Other nodes have come; those are gone, or drain and are no place for bundles any more. */
export function coordinatedMembers(
  turn: Turn,
  cluster: ClusterState,
  unusable: readonly string[],
): void {
  for (const each of cluster.groups.coordinated.values()) {
    for (const nodeId of unusable) {
      if (!cluster.groups.members.has(nodeId)) each.watchers.delete(nodeId)
      perform(turn, cluster, each, reserving.nodeGone(each.reservation, nodeId))
      if (each.group.across?.places.includes(nodeId) === true) {
        publish(turn, cluster.groups, each, { error: each.group.across.error })
      }
    }
    tellHeirs(turn, cluster.groups, each)
    if (each.retryAtMs === Infinity) each.retryAtMs = turn.nowMs
  }
}
