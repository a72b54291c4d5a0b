// What a scheduling class still wants (pure): leases here and on other nodes count alike.
import type { RayletState, SchedulingClass } from './state.ts'

/** Leases that it has, wherever. */
export const heldBy = ({ leases, remote }: SchedulingClass): number => leases.size + remote.size

/** Zero or less: it has what it wants. */
export const missingFor = (each: SchedulingClass): number => each.wanted - heldBy(each)

/** Asked of other nodes, and not granted yet. */
export function onTheWay({ asked }: SchedulingClass): number {
  let sum = 0
  for (const count of asked.values()) sum += count
  return sum
}

/** What it lacks even when all comes that is asked of other nodes. */
export const unaskedFor = (each: SchedulingClass): number => missingFor(each) - onTheWay(each)

/** Nobody waits for it, and nothing of it is anywhere: it is forgotten (R10). */
export const isUnused = (each: SchedulingClass): boolean =>
  each.wanted === 0 && heldBy(each) === 0 && each.asked.size === 0

/**
 * How many leases it may be granted here now: what placement left to this node, where there are
 * others; what it wants, where there are none, or where it is bound to a group of this node.
 */
export function grantableHere({ cluster }: RayletState, each: SchedulingClass): number {
  const missing = missingFor(each)
  const isPlaced = cluster === undefined || each.spec.strategy.kind === 'PLACEMENT_GROUP'
  return isPlaced ? missing : Math.min(missing, each.here)
}

/** R10. Its owner sends the spec again when it wants something once more. */
export function forgetIfUnused(state: RayletState, unused: SchedulingClass): void {
  if (!isUnused(unused)) return
  const classes = state.clients.get(unused.client)?.classes
  if (classes?.get(unused.classId) === unused) classes.delete(unused.classId)
  state.jobs.get(unused.jobId)?.turns.delete(unused)
}
