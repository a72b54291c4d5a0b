// What classes bound to placement groups want of the nodes that hold the bundles (pure). Each
// holder is told an absolute number, as the node is that a class is bound to (OL4); of several
// holders each is told all that is missing, and what comes too much goes back at once.
// Invariants:
//   HW1. A holder is told only when the number has changed, or when it may not know it any more.
//   HW2. Whoever is no holder any more, or was told of a class that wants nothing, is told 0.
import { toHex } from '../../common/ids.ts'
import { missingFor } from '../class-wants.ts'
import { lookUp } from './group-lookups.ts'
import { holdersFor } from './group-routing.ts'
import { guestClassOf, tellNode } from '../cluster/node-notices.ts'
import type { RayletState, SchedulingClass } from '../state.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { wakeBy, type Turn } from '../turn.ts'

/** After a holder has refused what by its coordinator's word it holds. */
const RETELL_MS = 500

/** To be called at the end of each step: what was granted here counts. */
export function tellGroupWants(turn: Turn, cluster: ClusterState): void {
  for (const job of turn.state.jobs.values()) {
    for (const actor of job.pendingActors) lookUpFor(turn, cluster, actor.spec.scheduling.strategy)
    for (const each of job.turns) {
      if (each === 'ACTORS' || each.spec.strategy.kind !== 'PLACEMENT_GROUP') continue
      if (each.wanted > 0) lookUpFor(turn, cluster, each.spec.strategy)
      // Of a guest, its home asks the others.
      if (turn.state.clients.get(each.client)?.link === undefined) tellHolders(turn, cluster, each)
    }
  }
}

function lookUpFor(
  turn: Turn,
  { groups }: ClusterState,
  strategy: { readonly kind: string; readonly groupId?: string },
): void {
  if (strategy.kind !== 'PLACEMENT_GROUP' || strategy.groupId === undefined) return
  if (!turn.state.groups.has(strategy.groupId)) lookUp(turn, groups, strategy.groupId)
}

/** HW1, HW2. */
function tellHolders(turn: Turn, { shunned }: ClusterState, each: SchedulingClass): void {
  const wanted = wantsByNode(turn.state, each)
  if (wanted.size === 0 && each.told === undefined) return
  const told = (each.told ??= new Map<string, number>())
  for (const [nodeId, count] of wanted) {
    if (shunned.has(nodeId) || (told.get(nodeId) ?? 0) === count) continue
    const guest = guestClassOf(turn, each, nodeId)
    if (guest === undefined) return
    if (count === 0) told.delete(nodeId)
    else told.set(nodeId, count)
    tellNode(turn, nodeId, 'guestWants', { ...guest, count })
  }
}

/** By other node: of the holders, what it has there and all that is missing; of others, nothing. */
function wantsByNode(state: RayletState, each: SchedulingClass): Map<string, number> {
  const holders = each.wanted === 0 ? [] : holdersFor(state, each.spec)
  const missing = Math.max(0, missingFor(each))
  const wants = new Map<string, number>([...(each.told?.keys() ?? [])].map((id) => [id, 0]))
  for (const nodeId of holders) wants.set(nodeId, heldAt(each, nodeId) + missing)
  wants.delete(toHex(state.config.nodeId))
  return wants
}

function heldAt({ remote }: SchedulingClass, nodeId: string): number {
  let held = 0
  for (const lease of remote) held += Number(lease.nodeId === nodeId)
  return held
}

/** That holder does not have the bundles (any more): it hears again when its coordinator has. */
export function holderRefused(turn: Turn, { groups }: ClusterState, groupId: string): void {
  groups.retellAtMs.set(groupId, turn.nowMs + RETELL_MS)
  wakeBy(turn, turn.nowMs + RETELL_MS)
}

/** On a tick. */
export function retellHolders(turn: Turn, { groups: { retellAtMs } }: ClusterState): void {
  for (const [groupId, atMs] of retellAtMs) {
    if (atMs > turn.nowMs) {
      wakeBy(turn, atMs)
      continue
    }
    retellAtMs.delete(groupId)
    for (const { classes } of turn.state.clients.values()) {
      for (const each of classes.values()) {
        const { strategy } = each.spec
        if (strategy.kind === 'PLACEMENT_GROUP' && strategy.groupId === groupId) each.told?.clear()
      }
    }
  }
}
