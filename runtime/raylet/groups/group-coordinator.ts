// Placement groups that this node coordinates, as its brain does it: where their bundles go, what
// is asked of whom, what is written, and who is told. The order of it all is group-reservation.ts.
// Invariants:
//   GC1. A group is coordinated by the node that drives its job, and ends with the job unless it is
//        detached. A detached one is taken over when that node is dead.
//   GC2. Whoever watches a group, or holds bundles of it, is told of each change until it has
//        heard.
//   GC3. A group that waits is tried again after a random while, longer each time; one that has
//        lost bundles before one that never was whole.
import { assert, unreachable } from '../../common/assert.ts'
import { toWire } from '../../common/error-wire.ts'
import { InfeasibleError, type VirgaError } from '../../common/errors.ts'
import { fromHex, toHex, type JobId } from '../../common/ids.ts'
import {
  NO_RESOURCES,
  addResources,
  toResources,
  type ResourceSet,
} from '../../common/resources.ts'
import type { BundleRow, Coordinator, GroupRow } from '../../gcs/groups.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import { forgetGroup, refuseUnplaceable } from './group-end.ts'
import { commitHere, prepareHere, returnHere } from './group-holder.ts'
import type { GroupTold } from './group-messages.ts'
import { owe } from './group-outbox.ts'
import { planAnyway, planGroup, type Placing } from './group-plan.ts'
import * as reserving from './group-reservation.ts'
import type { ReservationAction } from './group-reservation.ts'
import type { ClusterGroups, Coordinated } from './group-state.ts'
import { newGroup } from './new-group.ts'
import type { ClusterState, Group } from '../state.ts'
import { answer, refuse, wakeBy, type Turn } from '../turn.ts'

/** Source: Ray gcs_create_placement_group_retry_min_interval_ms, _max_, _multiplier. */
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 1_000
const RETRY_GROWTH = 1.5

export const ownId = ({ state }: Turn): string => toHex(state.config.nodeId)

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
  take(turn, cluster.groups, group, reserving.createReservation(spec.groupId, missing.length))
  turn.effects.push({ kind: 'registerGroup', row: rowOf(turn, group) })
  return undefined
}

function neverReserved({ name, bundles }: GroupSpec, reason: string): VirgaError {
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
    ...{ retryAtMs: turn.nowMs, backoffMs: RETRY_MS_MIN },
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
  const placing: Placing = { spec: group.spec, missing, occupied }
  const plan = planGroup(turn.state, cluster, placing)
  if (plan.kind === 'INFEASIBLE') {
    each.retryAtMs = Infinity // until there are other nodes
    neverWhole(turn, cluster, each, neverReserved(group.spec, plan.reason))
    return
  }
  later(turn, cluster, each)
  const chosen = plan.kind === 'PLACE' ? plan : planAnyway(turn.state, cluster, placing)
  if (chosen.kind !== 'PLACE') return
  const nodeIds = new Map(missing.map((index, at) => [index, chosen.nodeIds[at] ?? '']))
  perform(turn, cluster, each, reserving.begin(reservation, nodeIds))
}

/** GC3. */
function later(turn: Turn, { random }: ClusterState, each: Coordinated): void {
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

/** In order: what this node itself answers comes after all that is asked of others. */
export function perform(
  turn: Turn,
  cluster: ClusterState,
  each: Coordinated,
  actions: readonly ReservationAction[],
): void {
  const { groups } = cluster
  const { reservation, group } = each
  const answers: (() => ReservationAction[])[] = []
  for (const action of actions) {
    switch (action.kind) {
      case 'prepare': {
        const { nodeId, attempt } = action
        const prepared = prepareAt(turn, cluster, group, action)
        if (prepared === undefined) break
        answers.push(() => reserving.prepareAnswered(reservation, { nodeId, attempt, prepared }))
        break
      }
      case 'commit': {
        const { nodeId, attempt } = action
        const committed = commitAt(turn, groups, group, action)
        if (committed === undefined) break
        answers.push(() => reserving.commitAnswered(reservation, { nodeId, attempt, committed }))
        break
      }
      case 'giveBack':
        giveBackAt(turn, groups, group, action)
        break
      case 'decide':
        turn.effects.push({
          ...{ kind: 'writeGroup', groupId: group.spec.groupId },
          decision: { state: 'CREATED', attempt: action.attempt, places: rowsOf(reservation) },
        })
        break
      case 'whole':
        whole(turn, groups, each)
        break
      case 'waits':
        waits(turn, groups, each)
        break
      default:
        unreachable(action)
    }
  }
  for (const run of answers) perform(turn, cluster, each, run())
}

type ActionOf<K extends ReservationAction['kind']> = Extract<ReservationAction, { kind: K }>

/** @returns what this node answers; undefined: another was asked. */
function prepareAt(
  turn: Turn,
  { groups, view }: ClusterState,
  { spec }: Group,
  { nodeId, attempt, indices }: ActionOf<'prepare'>,
): boolean | undefined {
  const message = { spec, attempt, indices }
  if (nodeId === ownId(turn)) return prepareHere(turn, groups, { ...message, link: undefined })
  const demand = demandOf(spec, indices)
  view.take(nodeId, demand)
  view.ask(nodeId, demand, 1)
  turn.effects.push({ kind: 'askGroup', key: '', nodeId, type: 'prepareBundles', message })
  return undefined
}

/** Of those bundles together. */
export const demandOf = ({ bundles }: GroupSpec, indices: readonly number[]): ResourceSet =>
  indices.map((index) => bundles[index] ?? NO_RESOURCES).reduce(addResources, NO_RESOURCES)

function commitAt(
  turn: Turn,
  groups: ClusterGroups,
  { spec: { groupId } }: Group,
  { nodeId, attempt }: ActionOf<'commit'>,
): boolean | undefined {
  const message = { groupId, attempt }
  if (nodeId === ownId(turn)) return commitHere(turn, groups, { ...message, from: nodeId })
  const subject = `${groupId} ${String(attempt)}`
  owe(turn, groups, { nodeId, type: 'commitBundles', message, subject })
  return undefined
}

function giveBackAt(
  turn: Turn,
  groups: ClusterGroups,
  { spec: { groupId } }: Group,
  { nodeId, attempt }: ActionOf<'giveBack'>,
): void {
  const message = attempt === undefined ? { groupId } : { groupId, attempt }
  if (nodeId === ownId(turn)) {
    // Of a removed one the users end with the group itself.
    if (attempt !== undefined) returnHere(turn, groups, message)
    return
  }
  const subject = `${groupId} ${String(attempt)}`
  owe(turn, groups, { nodeId, type: 'returnBundles', message, subject })
}

const rowsOf = ({ parts }: reserving.Reservation): (BundleRow | null)[] =>
  parts.map(({ state, nodeId, attempt }) => (state === 'NONE' ? null : { nodeId, attempt }))

function whole(turn: Turn, groups: ClusterGroups, each: Coordinated): void {
  const { group } = each
  each.wasWhole = true
  each.backoffMs = RETRY_MS_MIN
  group.state = 'CREATED'
  for (const request of group.awaiting.splice(0)) answer(turn, request, undefined)
  publish(turn, groups, each, { error: undefined })
}

/** It never was whole; or it has lost bundles, which is tried to mend at once. */
function waits(turn: Turn, groups: ClusterGroups, each: Coordinated): void {
  const { group, reservation } = each
  if (!each.wasWhole || group.state === 'RESCHEDULING') return
  group.state = 'RESCHEDULING'
  group.waitingSinceMs = turn.nowMs
  each.retryAtMs = turn.nowMs
  turn.effects.push({
    ...{ kind: 'writeGroup', groupId: group.spec.groupId },
    decision: {
      ...{ state: 'RESCHEDULING', attempt: reservation.attempt, places: rowsOf(reservation) },
    },
  })
  publish(turn, groups, each, { error: undefined })
}

/** GC2. */
function publish(
  turn: Turn,
  groups: ClusterGroups,
  { group, watchers }: Pick<Coordinated, 'group' | 'watchers'>,
  { error }: { readonly error: VirgaError | undefined },
): void {
  const { across } = group
  const each = groups.coordinated.get(group.spec.groupId)
  assert(across !== undefined && each !== undefined, 'GC2: a group that is not coordinated here')
  const places = each.reservation.parts.map(({ state, nodeId }) =>
    state === 'COMMITTED' ? nodeId : null,
  )
  group.across = { ...across, places, version: across.version + 1, error }
  for (const nodeId of places) {
    if (nodeId !== null && nodeId !== ownId(turn)) watchers.add(nodeId)
  }
  tellWatchers(turn, groups, { watchers, told: toldOf(group) })
}

function tellWatchers(
  turn: Turn,
  groups: ClusterGroups,
  { watchers, told }: { readonly watchers: ReadonlySet<string>; readonly told: GroupTold },
): void {
  const subject = told.spec.groupId
  for (const nodeId of watchers) {
    owe(turn, groups, { nodeId, type: 'groupChanged', message: told, subject })
  }
}

/** As others are told of it. */
export function toldOf({ spec, state, across }: Group, why?: VirgaError): GroupTold {
  assert(across !== undefined, 'a group of this node alone is told to nobody')
  const { places, term, version } = across
  const error = why ?? across.error
  return { spec, state, places, term, version, ...(error ? { error: toWire(error) } : {}) }
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
  perform(turn, cluster, each, reserving.remove(reservation))
  groups.coordinated.delete(groupId)
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
    if (each.retryAtMs === Infinity) each.retryAtMs = turn.nowMs
  }
}
