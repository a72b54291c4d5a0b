// What a reservation has decided (group-reservation.ts), done: nodes are asked to prepare, commit
// and give back, this node itself at once; the row is written; who waits and watches is told.
import { unreachable } from '../../common/assert.ts'
import { NO_RESOURCES, addResources, type ResourceSet } from '../../common/resources.ts'
import type { BundleRow } from '../../gcs/groups.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import { commitHere, prepareHere, returnHere } from './group-holder.ts'
import { ownId, publish } from './group-notices.ts'
import { owe } from './group-outbox.ts'
import * as reserving from './group-reservation.ts'
import type { ReservationAction } from './group-reservation.ts'
import { RETRY_MS_MIN, type ClusterGroups, type Coordinated } from './group-state.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { REST_MS_MAX } from './group-turns.ts'
import type { Group } from './group.ts'
import { answer, type Turn } from '../turn.ts'

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

/** @returns what this node answers; undefined: another was asked, or it answers later. */
function prepareAt(
  turn: Turn,
  cluster: ClusterState,
  { spec, waitingSinceMs }: Group,
  { nodeId, attempt, indices }: ActionOf<'prepare'>,
): boolean | undefined {
  const { view } = cluster
  const waitedMs = Math.round(turn.nowMs - waitingSinceMs)
  const message = { spec, attempt, indices, waitedMs }
  if (nodeId === ownId(turn)) {
    return prepareHere(turn, cluster, { asked: message, link: undefined, request: undefined })
  }
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
  each.sought = undefined
  group.state = 'CREATED'
  for (const request of group.awaiting.splice(0)) answer(turn, request, undefined)
  publish(turn, groups, each, { error: undefined })
}

/** It never was whole; or it has lost bundles, which is tried to mend at once. */
function waits(turn: Turn, groups: ClusterGroups, each: Coordinated): void {
  const { group, reservation } = each
  // While one node let it wait, others held its bundles, idle: twice as long nobody does now.
  const restMs = Math.min(REST_MS_MAX, 2 * (turn.nowMs - each.triedAtMs))
  each.retryAtMs = Math.max(each.retryAtMs, turn.nowMs + Math.max(each.backoffMs / 2, restMs))
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
