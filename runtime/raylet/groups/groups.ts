// Placement groups: bundles reserved together, all or none, and used through ledgers of their own.
//   createGroup ──► PENDING ──► CREATED ──► REMOVED
//                      └────────────────────►┘   removed, or its job ended (unless detached)
//   Reserving has two phases: prepare takes every bundle from the node's ledger, commit makes them
//   usable; a prepare that fails gives all back. Over several nodes it is cluster-groups.ts.
// Invariants:
//   G1. A group that is CREATED holds all of its bundles; any other holds none.
//   G2. A removed group ends the leases and actors that drew from it; their owners hear why.
// Source: Ray placement_group_resource_manager.h (prepare, commit, return).
import { ResourceLedger, type Allocation } from '../../common/resource-ledger.ts'
import type { VirgaError } from '../../common/errors.ts'
import type { JobId } from '../../common/ids.ts'
import { reasonFor } from '../../common/reason.ts'
import { NO_RESOURCES, addResources, type ResourceSet } from '../../common/resources.ts'
import type { GroupSpec } from '../../protocol/messages.ts'
import { placeBundles } from '../../scheduling/place-bundles.ts'
import {
  applyAcross,
  awaitAcross,
  createAcross,
  endCoordinatedOf,
  refusePending,
  removeAcross,
} from './cluster-groups.ts'
import { neverReserved, reserveDue } from './group-coordinator.ts'
import { prepareInLine } from './group-line.ts'
import { forgetGroup } from './group-end.ts'
import { fitsBeside, overtaking } from './group-turns.ts'
import { newGroup, type Bundle, type Group } from './group.ts'
import { clusterView, groupIsGone, nodeDrains } from '../placement.ts'
import { mayComeFree } from '../reclaim.ts'
import type { RayletState } from '../state.ts'
import { answer, refuse, wakeBy, type EventOf, type Turn } from '../turn.ts'
import type { GroupEvent } from './group-events.ts'

export function applyToGroups(
  turn: Turn,
  event: EventOf<'createGroup' | 'awaitGroup' | 'removeGroup'> | EventOf<GroupEvent['kind']>,
): void {
  switch (event.kind) {
    case 'createGroup':
      createGroup(turn, event)
      return
    case 'awaitGroup':
      awaitGroup(turn, event)
      return
    case 'removeGroup':
      removeGroup(turn, event)
      return
    default:
      if (turn.state.cluster !== undefined) applyAcross(turn, turn.state.cluster, event)
  }
}

function createGroup(turn: Turn, event: EventOf<'createGroup'>): void {
  const { spec, request } = event
  const { groups } = turn.state
  if (turn.state.draining) {
    refuse(turn, request, reasonFor(spec.name, nodeDrains()))
    return
  }
  if (turn.state.cluster !== undefined) {
    createAcross(turn, turn.state.cluster, { spec, request })
    return
  }
  const plan = placeBundles(spec.bundles, clusterView(turn.state), spec.strategy)
  if (plan.kind === 'INFEASIBLE') {
    refuse(turn, request, neverReserved(spec, plan.reason))
    return
  }
  if (!groups.has(spec.groupId)) {
    groups.set(spec.groupId, newGroup(turn, spec))
  }
  answer(turn, request, undefined)
}

/** Answered when the group is reserved; refused when it was removed. */
function awaitGroup(turn: Turn, event: EventOf<'awaitGroup'>): void {
  const { cluster } = turn.state
  if (cluster !== undefined) {
    awaitAcross(turn, cluster, event)
    return
  }
  const group = turn.state.groups.get(event.groupId)
  if (group === undefined) {
    refuse(turn, event.request, groupIsGone(event.groupId, event.groupId))
  } else if (group.state === 'CREATED') answer(turn, event.request, undefined)
  else group.awaiting.push(event.request)
}

function removeGroup(turn: Turn, event: EventOf<'removeGroup'>): void {
  const { cluster } = turn.state
  if (cluster !== undefined) {
    removeAcross(turn, cluster, event)
    return
  }
  const group = turn.state.groups.get(event.groupId)
  if (group !== undefined) endGroup(turn, group)
  answer(turn, event.request, undefined)
}

/** Reserve the groups that wait, first come first; those of one shape fit or do not. */
export function reserveGroups(turn: Turn): void {
  const { cluster } = turn.state
  if (cluster !== undefined) {
    prepareInLine(turn, cluster)
    reserveDue(turn, cluster)
    return
  }
  const { groups, ledger } = turn.state
  const tried = new Set<string>()
  let kept = NO_RESOURCES
  let held: readonly Bundle[] | undefined
  for (const group of groups.values()) {
    if (group.state !== 'PENDING' || tried.has(group.shape)) continue
    const mayHave = fitsBeside(kept, group.demand, ledger.free)
    const prepared = mayHave ? prepare(turn.state, group.spec.bundles) : undefined
    if (prepared !== undefined) {
      commit(turn, group, prepared)
      held = undefined
    } else {
      tried.add(group.shape)
      held ??= [...groups.values()].flatMap(({ bundles }) => bundles)
      kept = addResources(kept, keptBeside(turn, group, held))
    }
  }
}

/** GT1, GT2: what comes free is kept for it, where that will be enough. */
function keptBeside(
  turn: Turn,
  { demand, waitingSinceMs: sinceMs }: Group,
  bundles: readonly Bundle[],
): ResourceSet {
  const { held, untilMs } = overtaking(bundles, { sinceMs, nowMs: turn.nowMs })
  if (untilMs === Infinity || !mayComeFree(turn.state, demand, held)) return NO_RESOURCES
  wakeBy(turn, untilMs)
  return demand
}

/** Phase one: take every bundle, or none. */
function prepare(state: RayletState, bundles: readonly ResourceSet[]): Allocation[] | undefined {
  const taken: Allocation[] = []
  for (const demand of bundles) {
    const allocation = state.ledger.allocate(demand)
    if (allocation === undefined) {
      for (const each of taken) state.ledger.release(each)
      return undefined
    }
    taken.push(allocation)
  }
  return taken
}

/** Phase two: the bundles can be drawn from. */
function commit(turn: Turn, group: Group, prepared: readonly Allocation[]): void {
  group.state = 'CREATED'
  group.bundles = prepared.map((allocation, index): Bundle => {
    const resources = group.spec.bundles[index] ?? {}
    return {
      group,
      index,
      resources,
      allocation,
      ledger: ResourceLedger.within(allocation),
      heldSinceMs: turn.nowMs,
    }
  })
  for (const request of group.awaiting.splice(0)) answer(turn, request, undefined)
}

/** @param error  what who waits for it hears. Default: that it was removed. */
function endGroup(turn: Turn, group: Group, error?: VirgaError): void {
  const { bundles } = group
  forgetGroup(turn, group, error)
  for (const { allocation } of bundles) turn.state.ledger.release(allocation)
}

/** This node is to leave: what waits is refused. */
export function refuseWaitingGroups(turn: Turn): void {
  const { cluster, groups } = turn.state
  if (cluster !== undefined) {
    refusePending(turn, cluster)
    return
  }
  for (const group of [...groups.values()]) {
    if (group.state !== 'PENDING') continue
    endGroup(turn, group, reasonFor(group.spec.name, nodeDrains()))
  }
}

/** Those of a job that do not go on without it. */
export function endGroupsOf(turn: Turn, jobId: JobId, goesOn: (spec: GroupSpec) => boolean): void {
  const { cluster } = turn.state
  if (cluster !== undefined) {
    endCoordinatedOf(turn, cluster, jobId, goesOn)
    return
  }
  for (const group of [...turn.state.groups.values()]) {
    if (group.spec.jobId === jobId && !goesOn(group.spec)) endGroup(turn, group)
  }
}
