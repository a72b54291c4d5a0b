// Groups that other nodes coordinate, as processes of this one come upon them by a handle: found by
// the row, then told of by the coordinator, until they are removed.
//   used here ──► row read ──► its coordinator asked ──► told of each change ──► removed
//      ▲   no row yet, or │            │ it is dead: taken over by one node, then read again
//      └── none any more ─┘            └──► which is this one, or another that must hear of it
// Invariants:
//   GK1. A group without a row for LOOKUP_MISSES_MAX reads in a row was removed: whoever waits for
//        it hears so. Reads that fail do not count. One that this node knows to be removed: after
//        one read.
//   GK2. What is told replaces only what is older, by term and version.
//   GK3. A group that is not detached ends everywhere with its coordinator; a detached one is taken
//        over by the node that rendezvous hashing names, once the GCS says the coordinator is dead.
import { fromWire } from '../../common/error-wire.ts'
import type { VirgaError } from '../../common/errors.ts'
import type { Coordinator, GroupRow } from '../../gcs/groups.ts'
import { rendezvous } from '../../gcs/rendezvous.ts'
import { dropHere, removeCoordinated } from './group-coordinator.ts'
import { refuseUnplaceable, refuseUsers } from './group-end.ts'
import type { GroupTold } from './group-messages.ts'
import { ownId } from './group-notices.ts'
import { owe } from './group-outbox.ts'
import { rememberRemoved, type ClusterGroups, type Lookup, type Member } from './group-state.ts'
import { newGroup, type Group } from './group.ts'
import { groupIsGone } from '../placement.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, refuse, wakeBy, type Turn } from '../turn.ts'

/** Some two seconds in all: the row of a group is written when it is made, not before. */
const LOOKUP_MISSES_MAX = 6
const LOOKUP_MS_MIN = 50
const LOOKUP_MS_MAX = 1_000

/** May be repeated. @returns the one that goes on. */
export function lookUp(turn: Turn, groups: ClusterGroups, groupId: string): Lookup {
  const { lookups, removed } = groups
  const known = lookups.get(groupId)
  if (known !== undefined) return known
  const misses = removed.has(groupId) ? LOOKUP_MISSES_MAX - 1 : 0
  const made: Lookup = { awaiting: [], removing: [], misses, atMs: undefined }
  lookups.set(groupId, made)
  turn.effects.push({ kind: 'readGroup', groupId })
  return made
}

/** On a tick. */
export function readAgain(turn: Turn, { lookups }: ClusterGroups): void {
  for (const [groupId, lookup] of lookups) {
    if (lookup.atMs === undefined) continue
    if (lookup.atMs > turn.nowMs) {
      wakeBy(turn, lookup.atMs)
      continue
    }
    lookup.atMs = undefined
    turn.effects.push({ kind: 'readGroup', groupId })
  }
}

export function groupRead(
  turn: Turn,
  cluster: ClusterState,
  event: {
    readonly groupId: string
    readonly row: GroupRow | undefined
    readonly error?: VirgaError
  },
): void {
  const { groups } = cluster
  const { groupId, row, error } = event
  const lookup = groups.lookups.get(groupId)
  if (lookup === undefined) return
  if (error !== undefined) notFound(turn, groups, groupId, error)
  else if (row === undefined) missed(turn, groups, groupId)
  else if (row.nodeId === ownId(turn)) foundHere(turn, cluster, row)
  else if (isAlive(groups, row)) {
    owe(turn, groups, {
      ...{ nodeId: row.nodeId, type: 'watchGroup', message: { groupId }, subject: groupId },
    })
  } else orphaned(turn, groups, row)
}

const isAlive = ({ members }: ClusterGroups, { nodeId, epoch }: Coordinator): boolean =>
  members.get(nodeId)?.epoch === epoch

/** This node coordinates it, or has just removed it. */
function foundHere(turn: Turn, cluster: ClusterState, row: GroupRow): void {
  const { groups } = cluster
  const group = groups.coordinated.get(row.groupId)?.group
  if (group === undefined || row.epoch !== turn.state.config.epoch) {
    missed(turn, groups, row.groupId)
  } else resolve(turn, cluster, group)
}

/** GK3. */
function orphaned(turn: Turn, groups: ClusterGroups, row: GroupRow): void {
  const { groupId, detached } = row
  if (!detached) {
    missed(turn, groups, groupId)
    return
  }
  const named = namedFor(turn, groups, groupId)
  if (named === ownId(turn)) turn.effects.push({ kind: 'claimGroup', row })
  else {
    owe(turn, groups, { nodeId: named, type: 'adoptGroup', message: { groupId }, subject: groupId })
    again(turn, groups, groupId)
  }
}

/** The node that is to take it over. */
function namedFor(turn: Turn, { members }: ClusterGroups, groupId: string): string {
  const own = ownId(turn)
  const living = [...members].filter(([, { isDraining }]) => !isDraining).map(([id]) => id)
  return rendezvous(groupId, [own, ...living], 1)[0] ?? own
}

/** GK1. Also when its coordinator says that it does not know it. */
export function missed(turn: Turn, groups: ClusterGroups, groupId: string): void {
  const lookup = groups.lookups.get(groupId)
  if (lookup === undefined) return
  lookup.misses += 1
  if (lookup.misses >= LOOKUP_MISSES_MAX) notFound(turn, groups, groupId)
  else again(turn, groups, groupId)
}

export function again(turn: Turn, { lookups }: ClusterGroups, groupId: string): void {
  const lookup = lookups.get(groupId)
  if (lookup === undefined) return
  lookup.atMs = turn.nowMs + Math.min(LOOKUP_MS_MAX, LOOKUP_MS_MIN * 2 ** lookup.misses)
  wakeBy(turn, lookup.atMs)
}

function notFound(turn: Turn, groups: ClusterGroups, groupId: string, error?: VirgaError): void {
  const lookup = groups.lookups.get(groupId)
  groups.lookups.delete(groupId)
  const group = turn.state.groups.get(groupId)
  const why = error ?? groupIsGone(group?.spec.name ?? groupId, groupId)
  if (group !== undefined) dropHere(turn, groups, group, why)
  else refuseUsers(turn, groupId)
  for (const request of lookup?.awaiting ?? []) refuse(turn, request, why)
  for (const request of lookup?.removing ?? []) answer(turn, request, undefined)
}

/** GK2. By its coordinator; news of a group that nothing here asks for is kept as well. */
export function groupTold(
  turn: Turn,
  cluster: ClusterState,
  { from, told }: { readonly from: string; readonly told: GroupTold },
): void {
  const { groups } = cluster
  const { state } = turn
  const { spec, places, term, version } = told
  const { groupId } = spec
  if (groups.coordinated.has(groupId)) return // from before it was taken over
  const error = told.error && fromWire(told.error)
  if (told.state === 'REMOVED') {
    rememberRemoved(groups, groupId)
    if (state.groups.has(groupId) || groups.lookups.has(groupId)) {
      notFound(turn, groups, groupId, error)
    }
    return
  }
  const group = state.groups.get(groupId) ?? newGroup(turn, spec, from)
  state.groups.set(groupId, group)
  if (isNews(group, told)) {
    group.state = told.state
    group.across = { coordinator: from, term, version, places, error }
    if (error !== undefined) refuseUnplaceable(turn, groupId)
  }
  resolve(turn, cluster, group)
}

const isNews = ({ across }: Group, { term, version }: GroupTold): boolean =>
  across === undefined || (term === across.term ? version > across.version : term > across.term)

/** Whoever waited for the lookup now waits for the group. */
export function resolve(turn: Turn, cluster: ClusterState, group: Group): void {
  const { groupId } = group.spec
  const lookup = cluster.groups.lookups.get(groupId)
  cluster.groups.lookups.delete(groupId)
  group.awaiting.push(...(lookup?.awaiting ?? []))
  if (group.state === 'CREATED') {
    for (const request of group.awaiting.splice(0)) answer(turn, request, undefined)
  } else if (group.across?.error !== undefined) {
    for (const request of group.awaiting.splice(0)) refuse(turn, request, group.across.error)
  }
  for (const request of lookup?.removing ?? []) removeKnown(turn, cluster, { group, request })
}

/** By whoever coordinates it; answered when it is removed. */
export function removeKnown(
  turn: Turn,
  cluster: ClusterState,
  { group, request }: { readonly group: Group; readonly request: number },
): void {
  const { groupId } = group.spec
  const own = cluster.groups.coordinated.get(groupId)
  if (own !== undefined) {
    removeCoordinated(turn, cluster, own)
    answer(turn, request, undefined)
    return
  }
  const lookup = cluster.groups.lookups.get(groupId)
  if (lookup !== undefined) {
    lookup.removing.push(request) // its coordinator is gone: whoever takes it over is told
    return
  }
  owe(turn, cluster.groups, {
    ...{ nodeId: group.across?.coordinator ?? '', type: 'removeGroup', subject: groupId },
    ...{ message: { groupId }, request },
  })
}

/** GK3. @param gone  nodes that are dead, with their epochs. */
export function coordinatorsGone(
  turn: Turn,
  groups: ClusterGroups,
  gone: ReadonlyMap<string, Member>,
): void {
  for (const group of [...turn.state.groups.values()]) {
    const { spec, across } = group
    const member = across && gone.get(across.coordinator)
    if (across === undefined || member === undefined) continue
    const { groupId, detached } = spec
    if (detached) {
      lookUp(turn, groups, groupId)
      continue
    }
    const isNamed = namedFor(turn, groups, groupId) === ownId(turn)
    const coordinator = { nodeId: across.coordinator, epoch: member.epoch }
    if (isNamed) turn.effects.push({ kind: 'removeGroupRow', groupId, coordinator })
    dropHere(turn, groups, group)
  }
}
