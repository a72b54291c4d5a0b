// Whose turn it is among the groups that find no room at a node (pure): theirs that were asked for
// first. A large one would wait for ever for what small ones take as soon as it comes free.
// Invariants:
//   GT1. While one waits for others that have overtaken it, what comes free is kept for it: who was
//        asked for later gets what is left beside that.
//   GT2. For one that overtook it, it waits no longer than it had waited when that came, nor than
//        PATIENCE_MS_MAX; over several nodes by the time for which an answer waits more. What was
//        there before it, or is held for long, is no reason to keep a node idle.
import { NO_RESOURCES, addResources, unitsOf, type ResourceSet } from '../../common/resources.ts'
import type { Hold } from './bundle-holds.ts'
import type { ClusterGroups, WantedHere } from './group-state.ts'

const PATIENCE_MS_MAX = 5_000
/** The longest time for which an answer waits where groups are in its way (HB3). */
export const ANSWER_WAITS_MS_MAX = 1_000
/** Twice as long nobody keeps anything for it after that. */
export const REST_MS_MAX = 2 * ANSWER_WAITS_MS_MAX

/** In the order in which they were asked for, whichever node they asked first. */
export const lineOf = ({ wantedHere }: ClusterGroups): WantedHere[] =>
  wantedHere
    .values()
    .filter(({ waiting }) => waiting !== undefined)
    .toArray()
    .sort((a, b) => a.sinceMs - b.sinceMs)

/** GT1. */
export const keptFor = ({ demand, isOvertaken }: WantedHere): ResourceSet =>
  isOvertaken ? demand : NO_RESOURCES

/** @param kept  for those before it. */
export function fitsBeside(kept: ResourceSet, demand: ResourceSet, free: ResourceSet): boolean {
  for (const name in demand) {
    if (unitsOf(demand, name) + unitsOf(kept, name) > unitsOf(free, name)) return false
  }
  return true
}

/** GT2: what groups hold that overtook one which waits since then, and for how long it waits. */
export function overtaking(
  bundles: Iterable<Pick<Hold, 'allocation' | 'heldSinceMs'>>,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): { readonly held: ResourceSet; readonly untilMs: number } {
  let held = NO_RESOURCES
  let untilMs = Infinity
  for (const { allocation, heldSinceMs } of bundles) {
    const patientUntilMs = heldSinceMs + Math.min(heldSinceMs - sinceMs, PATIENCE_MS_MAX)
    if (patientUntilMs <= nowMs) continue
    held = addResources(held, allocation.demand)
    untilMs = Math.min(untilMs, patientUntilMs)
  }
  return { held, untilMs }
}
