// Bundles that lie on this node, as its brain has them: what bundle-holds.ts holds is taken from
// the node's ledger, and can be drawn from once it is committed.
// Invariants:
//   HB1. A draining node, one that leaves, and one whose lease is over prepare nothing.
//   HB2. Who was refused for want of room counts as waiting here until it has asked again, so that
//        leases are asked back for it.
import { NO_RESOURCES, addResources } from '../../common/resources.ts'
import { ResourceLedger } from '../../common/resource-ledger.ts'
import * as holding from './bundle-holds.ts'
import type { Hold } from './bundle-holds.ts'
import { endBundles, forgetGroup } from './group-end.ts'
import type { BundlesAsked } from './group-messages.ts'
import type { ClusterGroups } from './group-state.ts'
import { newGroup, type Bundle, type Group } from './group.ts'
import { groupRemoved } from '../placement.ts'
import { wakeBy, type Turn } from '../turn.ts'

/** Twice as long as a coordinator waits before it asks again. */
const WANTED_MS = 2_000

/** @param link  of the coordinator; undefined: it is this node. @returns whether it is held. */
export function prepareHere(
  turn: Turn,
  groups: ClusterGroups,
  { spec, attempt, indices, link }: BundlesAsked & { readonly link: number | undefined },
): boolean {
  const { state, nowMs } = turn
  if (state.leaving || state.draining || nowMs >= state.leaseUntilMs) return false // HB1
  const asked = { spec, attempt, indices, link, nowMs }
  const { prepared, replaced } = holding.prepare(groups.holds, asked)
  const group = state.groups.get(spec.groupId)
  if (group !== undefined) endBundles(turn, group, bundlesOfHolds(group, replaced), undefined)
  if (prepared) {
    groups.wantedHere.delete(spec.groupId)
    wakeBy(turn, holding.expire(groups.holds, nowMs))
  } else {
    const demands = indices.map((index) => spec.bundles[index] ?? NO_RESOURCES)
    const sinceMs = groups.wantedHere.get(spec.groupId)?.sinceMs ?? nowMs
    groups.wantedHere.set(spec.groupId, {
      ...{ demand: demands.reduce(addResources, NO_RESOURCES), sinceMs },
      untilMs: nowMs + WANTED_MS,
    })
    wakeBy(turn, nowMs + WANTED_MS)
  }
  return prepared
}

/** @param from  the node that coordinates it, in hex. @returns whether anything of it is held. */
export function commitHere(
  turn: Turn,
  groups: ClusterGroups,
  { groupId, attempt, from }: { groupId: string; attempt: number; from: string },
): boolean {
  const committed = holding.commit(groups.holds, { groupId, attempt })
  if (committed === undefined) return false
  const { spec, fresh } = committed
  const group = turn.state.groups.get(groupId) ?? newGroup(turn, spec, from)
  turn.state.groups.set(groupId, group)
  if (group.across !== undefined) group.across = { ...group.across, coordinator: from }
  group.bundles = [...group.bundles, ...fresh.map((hold) => bundleOf(group, hold))].sort(
    (a, b) => a.index - b.index,
  )
  return true
}

function bundleOf(group: Group, { index, allocation }: Hold): Bundle {
  const resources = group.spec.bundles[index] ?? NO_RESOURCES
  return { group, index, resources, allocation, ledger: ResourceLedger.within(allocation) }
}

/** @param attempt  undefined: all of it, for the group was removed. */
export function returnHere(
  turn: Turn,
  groups: ClusterGroups,
  { groupId, attempt }: { readonly groupId: string; readonly attempt?: number | undefined },
): void {
  const released = holding.giveBack(groups.holds, { groupId, attempt })
  if (attempt === undefined) groups.wantedHere.delete(groupId)
  const group = turn.state.groups.get(groupId)
  if (group === undefined) return
  if (attempt === undefined) forgetGroup(turn, group)
  else endBundles(turn, group, bundlesOfHolds(group, released), groupRemoved(groupId))
}

const bundlesOfHolds = (group: Group, holds: readonly Hold[]): Bundle[] =>
  group.bundles.filter(({ allocation }) => holds.some((hold) => hold.allocation === allocation))

/** On a tick: BH3, HB2. */
export function tendHolds(turn: Turn, { holds, wantedHere }: ClusterGroups): void {
  wakeBy(turn, holding.expire(holds, turn.nowMs))
  for (const [groupId, { untilMs }] of wantedHere) {
    if (untilMs <= turn.nowMs) wantedHere.delete(groupId)
    else wakeBy(turn, untilMs)
  }
}
