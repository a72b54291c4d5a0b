// Bundles that lie on this node, as its brain has them: what bundle-holds.ts holds is taken from
// the node's ledger, and can be drawn from once it is committed.
// Invariants:
//   HB1. A draining node, one that leaves, and one whose lease is over prepare nothing.
//   HB2. Who finds no room counts as waiting here until it has asked again, so that leases are
//        asked back for it.
//   HB3. Its answer waits for room as well, in turn (group-turns.ts), where leases could make it,
//        or groups that overtook it (GT2): not for long, as other nodes hold their bundles
//        meanwhile. Of more than LINE_MAX at once, later ones are refused at once.
import { NO_RESOURCES, addResources, type ResourceSet } from '../../common/resources.ts'
import { ResourceLedger } from '../../common/resource-ledger.ts'
import * as holding from './bundle-holds.ts'
import type { Hold } from './bundle-holds.ts'
import { endBundles, forgetGroup } from './group-end.ts'
import type { ClusterGroups, WaitingPrepare, WantedHere } from './group-state.ts'
import {
  ANSWER_WAITS_MS_MAX,
  REST_MS_MAX,
  fitsBeside,
  keptFor,
  lineOf,
  overtaking,
} from './group-turns.ts'
import { newGroup, type Bundle, type Group } from './group.ts'
import { groupRemoved } from '../placement.ts'
import { mayComeFree } from '../reclaim.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, wakeBy, type Turn } from '../turn.ts'

/** Longer than a coordinator waits before it asks again. */
const WANTED_MS = REST_MS_MAX + 500
/** The longest time for which an answer waits; the shortest is half of that: of two groups each of
 *  which holds what the other waits for, one gives way first. */
const WAIT_MS = 200
/** Where groups are in its way: who has waited for long waits for long ones, too. */
const WAITED_PER_WAIT = 4
const LINE_MAX = 100

export type Preparing = Omit<WaitingPrepare, 'answerByMs'>

/** @returns whether it is held; undefined: that is answered later (HB3). */
export function prepareHere(
  turn: Turn,
  { groups, random }: Pick<ClusterState, 'groups' | 'random'>,
  preparing: Preparing,
): boolean | undefined {
  const { state, nowMs } = turn
  if (state.leaving || state.draining || nowMs >= state.leaseUntilMs) return false // HB1
  const { spec, indices, waitedMs } = preparing.asked
  const known = groups.wantedHere.get(spec.groupId)
  if (known !== undefined) giveUp(turn, known)
  const demands = indices.map((index) => spec.bundles[index] ?? NO_RESOURCES)
  const demand = demands.reduce(addResources, NO_RESOURCES)
  const sinceMs = nowMs - waitedMs
  const line = lineOf(groups)
  const before = line.filter((other) => other.sinceMs <= sinceMs)
  const kept = before.map(keptFor).reduce(addResources, NO_RESOURCES)
  if (tryToPrepare(turn, groups, preparing, { demand, kept })) return true
  const { waitMs, isOvertaken } = waitOf(turn, groups, { demand, sinceMs })
  const answerByMs = nowMs + waitMs * (0.5 + random.next() / 2)
  const mayWait = waitMs > 0 && line.length < LINE_MAX
  const waiting = mayWait ? { ...preparing, answerByMs } : undefined
  const untilMs = answerByMs + WANTED_MS
  groups.wantedHere.set(spec.groupId, { demand, sinceMs, isOvertaken, untilMs, waiting })
  wakeBy(turn, waiting === undefined ? untilMs : answerByMs)
  return waiting === undefined ? false : undefined
}

/** HB3. @returns `waitMs` 0: what could come free would not be enough. */
function waitOf(
  { state, nowMs }: Turn,
  { holds }: ClusterGroups,
  { demand, sinceMs }: Pick<WantedHere, 'demand' | 'sinceMs'>,
): { readonly waitMs: number; readonly isOvertaken: boolean } {
  if (mayComeFree(state, demand, NO_RESOURCES)) return { waitMs: WAIT_MS, isOvertaken: false }
  const { held } = overtaking(holding.allHolds(holds), { sinceMs, nowMs })
  if (!mayComeFree(state, demand, held)) return { waitMs: 0, isOvertaken: false }
  const longerMs = Math.min(ANSWER_WAITS_MS_MAX, (nowMs - sinceMs) / WAITED_PER_WAIT)
  return { waitMs: Math.max(WAIT_MS, longerMs), isOvertaken: true }
}

/** @param kept  for those before it (GT1). @returns whether all of it is held now. */
export function tryToPrepare(
  turn: Turn,
  groups: ClusterGroups,
  { asked, link }: Pick<Preparing, 'asked' | 'link'>,
  { demand, kept }: { readonly demand: ResourceSet; readonly kept: ResourceSet },
): boolean {
  const { state, nowMs } = turn
  const { groupId } = asked.spec
  // What it holds by an earlier attempt counts as free for it (BH2).
  const held = groups.holds.groups.get(groupId)?.bundles
  const holdsSome = asked.indices.some((index) => held?.has(index))
  if (!holdsSome && !fitsBeside(kept, demand, state.ledger.free)) return false
  const { prepared, replaced } = holding.prepare(groups.holds, { ...asked, link, nowMs })
  const group = state.groups.get(groupId)
  if (group !== undefined) endBundles(turn, group, bundlesOfHolds(group, replaced), undefined)
  if (!prepared) return false
  groups.wantedHere.delete(groupId)
  wakeBy(turn, holding.expire(groups.holds, nowMs))
  return true
}

/** Nobody waits for that answer any more: a coordinator that is this node hears nothing. */
function giveUp(turn: Turn, wanted: WantedHere): void {
  const request = wanted.waiting?.request
  wanted.waiting = undefined
  if (request !== undefined) answer(turn, request, { prepared: false })
}

/** The connection by which some were asked for has closed (BH3). */
export function askersLost(turn: Turn, groups: ClusterGroups, link: number): void {
  holding.linkClosed(groups.holds, link)
  for (const wanted of groups.wantedHere.values()) {
    if (wanted.waiting?.link === link) giveUp(turn, wanted)
  }
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

function bundleOf(group: Group, { index, allocation, heldSinceMs }: Hold): Bundle {
  const resources = group.spec.bundles[index] ?? NO_RESOURCES
  const ledger = ResourceLedger.within(allocation)
  return { group, index, resources, allocation, ledger, heldSinceMs }
}

/** @param attempt  undefined: all of it, for the group was removed. */
export function returnHere(
  turn: Turn,
  groups: ClusterGroups,
  { groupId, attempt }: { readonly groupId: string; readonly attempt?: number | undefined },
): void {
  const released = holding.giveBack(groups.holds, { groupId, attempt })
  const wanted = groups.wantedHere.get(groupId)
  const isIts = attempt === undefined || wanted?.waiting?.asked.attempt === attempt
  if (wanted !== undefined && isIts) giveUp(turn, wanted)
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
