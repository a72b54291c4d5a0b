// Placement groups: bundles reserved together, all or none, and used through ledgers of their own.
//   createGroup ──► PENDING ──► CREATED ──► REMOVED
//                      └────────────────────►┘   removed, or its job ended (unless detached)
//   Reserving has two phases, so that it can span nodes: prepare takes every bundle from the node's
//   ledger, commit makes them usable; a prepare that fails gives all back.
// Invariants:
//   G1. A group that is CREATED holds all of its bundles; any other holds none.
//   G2. A removed group ends the leases and actors that drew from it; their owners hear why.
// Source: Ray placement_group_resource_manager.h (prepare, commit, return).
import { ResourceLedger, type Allocation } from '../common/resource-ledger.ts'
import { InfeasibleError, type VirgaError } from '../common/errors.ts'
import type { JobId } from '../common/ids.ts'
import { reasonFor } from '../common/reason.ts'
import { NO_RESOURCES, addResources, toResources, type ResourceSet } from '../common/resources.ts'
import { placeBundles } from '../scheduling/place-bundles.ts'
import { endActor } from './actor-end.ts'
import { endLease, refuseClass } from './leases.ts'
import { clusterView, groupRemoved, nodeDrains } from './placement.ts'
import type { Bundle, Group, RayletState } from './state.ts'
import { answer, refuse, type RayletEvent, type Turn } from './turn.ts'
import { kill } from './workers.ts'

type EventOf<K extends RayletEvent['kind']> = Extract<RayletEvent, { kind: K }>

export function createGroup(turn: Turn, event: EventOf<'createGroup'>): void {
  const { spec, request, client } = event
  const { groups } = turn.state
  if (turn.state.draining) {
    refuse(turn, request, reasonFor(spec.name, nodeDrains()))
    return
  }
  const plan = placeBundles(spec.bundles, clusterView(turn.state), spec.strategy)
  if (plan.kind === 'INFEASIBLE') {
    const message = `placement group ${spec.name} can never be reserved: ${plan.reason}`
    const requested = spec.bundles.map(toResources)
    refuse(turn, request, new InfeasibleError(message, { data: { requested } }))
    return
  }
  if (!groups.has(spec.groupId)) {
    groups.set(spec.groupId, {
      spec,
      demand: spec.bundles.reduce(addResources, NO_RESOURCES),
      shape: `group ${JSON.stringify(spec.bundles)}`,
      owner: client,
      state: 'PENDING',
      bundles: [],
      waitingSinceMs: turn.nowMs,
      awaiting: [],
    })
  }
  answer(turn, request, undefined)
}

/** Answered when the group is reserved; refused when it was removed. */
export function awaitGroup(turn: Turn, event: EventOf<'awaitGroup'>): void {
  const group = turn.state.groups.get(event.groupId)
  if (group === undefined) {
    refuse(turn, event.request, reasonFor('This', groupRemoved(event.groupId)))
  } else if (group.state === 'CREATED') answer(turn, event.request, undefined)
  else group.awaiting.push(event.request)
}

export function removeGroup(turn: Turn, event: EventOf<'removeGroup'>): void {
  const group = turn.state.groups.get(event.groupId)
  if (group !== undefined) endGroup(turn, group)
  answer(turn, event.request, undefined)
}

/** Reserve the groups that wait, first come first. */
export function reserveGroups(turn: Turn): void {
  const tried = new Set<string>()
  for (const group of turn.state.groups.values()) {
    if (group.state !== 'PENDING') continue
    if (tried.has(group.shape)) continue
    const prepared = prepare(turn.state, group.spec.bundles)
    if (prepared === undefined) tried.add(group.shape)
    else commit(turn, group, prepared)
  }
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
    return { group, index, resources, allocation, ledger: ResourceLedger.within(allocation) }
  })
  for (const request of group.awaiting.splice(0)) answer(turn, request, undefined)
}

/**
 * G2, then the reservation is given back.
 * @param error  what who waits for it hears. Default: that it was removed.
 */
export function endGroup(turn: Turn, group: Group, error?: VirgaError): void {
  const { state } = turn
  const { groupId, name } = group.spec
  const wasCreated = group.state === 'CREATED'
  state.groups.delete(groupId)
  // Classes hear before their leases break, so that their tasks are not tried again.
  refuseClasses(turn, groupId)
  endUsers(turn, groupId)
  group.state = 'REMOVED'
  if (wasCreated) for (const bundle of group.bundles) state.ledger.release(bundle.allocation)
  group.bundles = []
  const why = error ?? reasonFor(name, groupRemoved(groupId))
  for (const request of group.awaiting.splice(0)) refuse(turn, request, why)
}

function refuseClasses(turn: Turn, groupId: string): void {
  for (const client of turn.state.clients.values()) {
    for (const each of client.classes.values()) {
      if (each.wanted === 0 && each.leases.size === 0) continue
      if (drawsFrom(each.spec.strategy, groupId)) refuseClass(turn, each, groupRemoved(groupId))
    }
  }
}

function endUsers(turn: Turn, groupId: string): void {
  const { state } = turn
  for (const actor of [...state.actors.values()]) {
    if (actor.phase === 'DEAD' || !drawsFrom(actor.spec.scheduling.strategy, groupId)) continue
    endActor(turn, actor, reasonFor(actor.spec.className, groupRemoved(groupId)))
  }
  for (const lease of [...state.leases.values()]) {
    if (lease.bundle?.group.spec.groupId !== groupId) continue
    lease.endsWith = groupRemoved(groupId)
    if (lease.worker === undefined) endLease(turn, lease)
    else kill(turn, lease.worker, 'KILLED')
  }
}

function drawsFrom(
  strategy: { readonly kind: string; readonly groupId?: string },
  groupId: string,
): boolean {
  return strategy.kind === 'PLACEMENT_GROUP' && strategy.groupId === groupId
}

/** A group ends with its job, unless it is detached. */
export function endGroupsOf(turn: Turn, jobId: JobId): void {
  for (const group of [...turn.state.groups.values()]) {
    if (group.spec.jobId === jobId && !group.spec.detached) endGroup(turn, group)
  }
}
