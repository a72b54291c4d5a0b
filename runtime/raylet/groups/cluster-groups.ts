// Placement groups over nodes, as the brain of one of them: what its processes ask, what other
// nodes ask and answer, and what the GCS says, given to the part that it is for:
// group-coordinator.ts (it coordinates), group-holder.ts (bundles lie here), group-lookups.ts (it
// uses another's).
import { fromWire, toWire } from '../../common/error-wire.ts'
import { reasonFor } from '../../common/reason.ts'
import { unreachable } from '../../common/assert.ts'
import type { JobId } from '../../common/ids.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import { demandOf, perform } from './group-actions.ts'
import {
  coordinate,
  coordinatedMembers,
  dropHere,
  groupWritten,
  removeCoordinated,
  takeOverGroup,
} from './group-coordinator.ts'
import { askersLost, commitHere, prepareHere, returnHere, tendHolds } from './group-holder.ts'
import { tendLine } from './group-line.ts'
import {
  again,
  coordinatorsGone,
  groupRead,
  groupTold,
  lookUp,
  missed,
  readAgain,
  removeKnown,
  resolve,
} from './group-lookups.ts'
import type { GroupCall, GroupCalls } from './group-messages.ts'
import { toldOf } from './group-notices.ts'
import { forgetOwed, owe, repeatOwed, settle } from './group-outbox.ts'
import { commitAnswered, prepareAnswered } from './group-reservation.ts'
import type { Member, Owed } from './group-state.ts'
import { newGroup } from './group.ts'
import { groupIsGone, nodeDrains } from '../placement.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, refuse, type EventOf, type Turn } from '../turn.ts'
import type { GroupEvent } from './group-events.ts'

/** GC1. */
export function createAcross(
  turn: Turn,
  cluster: ClusterState,
  { spec, request }: Pick<EventOf<'createGroup'>, 'spec' | 'request'>,
): void {
  const { groupId } = spec
  const drivenAt = turn.state.jobs.get(spec.jobId)?.drivenAt
  if (drivenAt === undefined || !cluster.groups.members.has(drivenAt)) {
    createHere(turn, cluster, { spec, request })
    return
  }
  if (!turn.state.groups.has(groupId)) {
    turn.state.groups.set(groupId, newGroup(turn, spec, drivenAt))
  }
  owe(turn, cluster.groups, {
    ...{ nodeId: drivenAt, type: 'createGroup', message: spec, subject: groupId, request },
  })
}

function createHere(
  turn: Turn,
  cluster: ClusterState,
  { spec, request }: Pick<EventOf<'createGroup'>, 'spec' | 'request'>,
): void {
  const error = coordinate(turn, cluster, spec)
  if (error === undefined) answer(turn, request, undefined)
  else refuse(turn, request, error)
}

export function awaitAcross(
  turn: Turn,
  { groups }: ClusterState,
  { groupId, request }: EventOf<'awaitGroup'>,
): void {
  const group = turn.state.groups.get(groupId)
  if (group === undefined) lookUp(turn, groups, groupId).awaiting.push(request)
  else if (group.state === 'CREATED') answer(turn, request, undefined)
  else if (group.across?.error !== undefined) refuse(turn, request, group.across.error)
  else group.awaiting.push(request)
}

export function removeAcross(
  turn: Turn,
  cluster: ClusterState,
  { groupId, request }: EventOf<'removeGroup'>,
): void {
  const group = turn.state.groups.get(groupId)
  if (group === undefined) lookUp(turn, cluster.groups, groupId).removing.push(request)
  else removeKnown(turn, cluster, { group, request })
}

/** Those of the job that this node coordinates. */
export function endCoordinatedOf(
  turn: Turn,
  cluster: ClusterState,
  jobId: JobId,
  goesOn: (spec: GroupSpec) => boolean,
): void {
  for (const each of [...cluster.groups.coordinated.values()]) {
    const { spec } = each.group
    if (spec.jobId === jobId && !goesOn(spec)) removeCoordinated(turn, cluster, each)
  }
}

/** This node is to leave: what it has not reserved yet, nobody will. */
export function refusePending(turn: Turn, cluster: ClusterState): void {
  for (const each of [...cluster.groups.coordinated.values()]) {
    if (each.wasWhole) continue
    removeCoordinated(turn, cluster, each, reasonFor(each.group.spec.name, nodeDrains()))
  }
}

export function applyAcross(
  turn: Turn,
  cluster: ClusterState,
  event: EventOf<GroupEvent['kind']>,
): void {
  const { groups } = cluster
  switch (event.kind) {
    case 'groupAsked':
      asked(turn, cluster, event)
      return
    case 'groupAnswered':
      answered(turn, cluster, event)
      return
    case 'groupLinkClosed':
      askersLost(turn, groups, event.link)
      return
    case 'groupRead':
      groupRead(turn, cluster, event)
      return
    case 'groupWritten':
      groupWritten(turn, cluster, event)
      return
    case 'groupClaimed':
      claimed(turn, cluster, event)
      return
    default:
      unreachable(event)
  }
}

/** What another node asks. */
function asked(turn: Turn, cluster: ClusterState, event: EventOf<'groupAsked'>): void {
  const value = replyTo(turn, cluster, event)
  if (value !== undefined) answer(turn, event.request, value)
}

/** @returns undefined: it is answered later. */
function replyTo(
  turn: Turn,
  cluster: ClusterState,
  { type, message, from, link, request }: EventOf<'groupAsked'>,
): object | undefined {
  const { groups } = cluster
  switch (type) {
    case 'createGroup':
      return createFor(turn, cluster, message as GroupCalls['createGroup'][0], from)
    case 'removeGroup': {
      const own = groups.coordinated.get((message as GroupCalls['removeGroup'][0]).groupId)
      if (own !== undefined) removeCoordinated(turn, cluster, own)
      return {}
    }
    case 'watchGroup': {
      const own = groups.coordinated.get((message as GroupCalls['watchGroup'][0]).groupId)
      own?.watchers.add(from)
      return own === undefined ? {} : { group: toldOf(own.group) }
    }
    case 'groupChanged':
      groupTold(turn, cluster, { from, told: message as GroupCalls['groupChanged'][0] })
      return {}
    case 'adoptGroup':
      lookUp(turn, groups, (message as GroupCalls['adoptGroup'][0]).groupId)
      return {}
    case 'prepareBundles': {
      const bundles = message as GroupCalls['prepareBundles'][0]
      const prepared = prepareHere(turn, cluster, { asked: bundles, link, request })
      return prepared === undefined ? undefined : { prepared }
    }
    case 'commitBundles': {
      const which = message as GroupCalls['commitBundles'][0]
      return { committed: commitHere(turn, groups, { ...which, from }) }
    }
    case 'returnBundles':
      returnHere(turn, groups, message as GroupCalls['returnBundles'][0])
      return {}
  }
}

/** A process of that node has made it, of a job that is driven here. */
function createFor(
  turn: Turn,
  cluster: ClusterState,
  spec: GroupCalls['createGroup'][0],
  from: string,
): GroupCalls['createGroup'][1] {
  const { state } = turn
  const job = state.jobs.get(spec.jobId)
  if (job === undefined || job.endedAtMs !== undefined) return { isElsewhere: true }
  const error = state.draining
    ? reasonFor(spec.name, nodeDrains())
    : coordinate(turn, cluster, spec)
  if (error !== undefined) return { error: toWire(error), isElsewhere: false }
  cluster.groups.coordinated.get(spec.groupId)?.watchers.add(from)
  return { isElsewhere: false }
}

/** What another node has answered, or not. */
function answered(turn: Turn, cluster: ClusterState, event: EventOf<'groupAnswered'>): void {
  const { nodeId, type, message, answer: reply, key } = event
  const { groups, view } = cluster
  if (type === 'prepareBundles') {
    const { spec, attempt, indices } = message as GroupCalls['prepareBundles'][0]
    const demand = demandOf(spec, indices)
    const { prepared = false, load } = (reply ?? {}) as Partial<GroupCalls['prepareBundles'][1]>
    view.answered(nodeId, demand, 1)
    if (load === undefined) view.giveBack(nodeId, demand)
    else view.learn(load)
    const each = groups.coordinated.get(spec.groupId)
    if (each === undefined) return
    perform(turn, cluster, each, prepareAnswered(each.reservation, { nodeId, attempt, prepared }))
    return
  }
  if (reply !== undefined && 'load' in reply) view.learn(reply.load)
  const paid = settle(turn, groups, { key, answered: reply !== undefined })
  if (paid !== undefined && reply !== undefined) paidBy(turn, cluster, { paid, nodeId, reply })
}

function paidBy(
  turn: Turn,
  cluster: ClusterState,
  { paid, nodeId, reply }: { paid: Owed; nodeId: string; reply: GroupCalls[GroupCall][1] },
): void {
  const { groups } = cluster
  const { type, message, request } = paid
  switch (type) {
    case 'commitBundles': {
      const { groupId, attempt } = message as GroupCalls['commitBundles'][0]
      const { committed } = reply as GroupCalls['commitBundles'][1]
      const each = groups.coordinated.get(groupId)
      if (each === undefined) return
      const answer = { nodeId, attempt, committed }
      perform(turn, cluster, each, commitAnswered(each.reservation, answer))
      return
    }
    case 'watchGroup': {
      const { group: told } = reply as GroupCalls['watchGroup'][1]
      if (told !== undefined) groupTold(turn, cluster, { from: nodeId, told })
      else missed(turn, groups, (message as GroupCalls['watchGroup'][0]).groupId)
      return
    }
    case 'createGroup':
      createdBy(turn, cluster, {
        ...{ spec: message as GroupCalls['createGroup'][0], request: request ?? 0 },
        reply: reply as GroupCalls['createGroup'][1],
      })
      return
    case 'removeGroup':
      if (request !== undefined) answer(turn, request, undefined)
      return
    case 'groupChanged':
    case 'adoptGroup':
    case 'prepareBundles':
    case 'returnBundles':
  }
}

function createdBy(
  turn: Turn,
  cluster: ClusterState,
  {
    spec,
    request,
    reply,
  }: {
    readonly spec: GroupCalls['createGroup'][0]
    readonly request: number
    readonly reply: GroupCalls['createGroup'][1]
  },
): void {
  const { error, isElsewhere } = reply
  if (isElsewhere) {
    createHere(turn, cluster, { spec, request }) // its driver has ended: a detached actor goes on
    return
  }
  if (error === undefined) {
    answer(turn, request, undefined)
    return
  }
  const why = fromWire(error)
  refuse(turn, request, why)
  const group = turn.state.groups.get(spec.groupId)
  if (group !== undefined) dropHere(turn, cluster.groups, group, why)
}

function claimed(turn: Turn, cluster: ClusterState, event: EventOf<'groupClaimed'>): void {
  const { groupId, row } = event
  if (row === undefined) {
    again(turn, cluster.groups, groupId)
    return
  }
  takeOverGroup(turn, cluster, row)
  const group = turn.state.groups.get(groupId)
  if (group !== undefined) resolve(turn, cluster, group)
}

/** Other nodes have come, drain, or are gone. */
export function membersOfGroups(
  turn: Turn,
  cluster: ClusterState,
  members: ReadonlyMap<string, Member>,
): void {
  const { groups } = cluster
  const before = groups.members
  groups.members = members
  const gone = new Map<string, Member>()
  const unusable: string[] = []
  for (const [nodeId, member] of before) {
    const now = members.get(nodeId)
    if (now?.epoch !== member.epoch) gone.set(nodeId, member)
    if (now?.epoch !== member.epoch || (now.isDraining && !member.isDraining)) {
      unusable.push(nodeId)
    }
  }
  for (const nodeId of gone.keys()) {
    for (const lost of forgetOwed(groups, nodeId)) unpaid(turn, cluster, lost)
  }
  coordinatedMembers(turn, cluster, unusable)
  if (gone.size > 0) coordinatorsGone(turn, groups, gone)
}

/** The node that was to answer is gone. */
function unpaid(turn: Turn, { groups }: ClusterState, { type, message, request }: Owed): void {
  if (type === 'watchGroup') {
    again(turn, groups, (message as GroupCalls['watchGroup'][0]).groupId)
  } else if (request !== undefined && type === 'removeGroup') {
    const { groupId } = message as GroupCalls['removeGroup'][0]
    lookUp(turn, groups, groupId).removing.push(request)
  } else if (request !== undefined && type === 'createGroup') {
    const { groupId, name } = message as GroupCalls['createGroup'][0]
    refuse(turn, request, groupIsGone(name, groupId))
  }
}

/** On a tick. */
export function tendGroups(turn: Turn, cluster: ClusterState): void {
  const { groups } = cluster
  tendLine(turn, cluster)
  tendHolds(turn, groups)
  repeatOwed(turn, groups)
  readAgain(turn, groups)
}
