// Nodes that do not get the time they need (pure): tasks that go there make those wait who read
// what comes of them. A slow node says so with its load; others place their work where it is well
// (place.ts), and it asks its guests back what they can have elsewhere. It is a preference, so that
// a machine that is busy as a whole stops nothing:
//   nodes that are well ──none can ever hold it──► slow ones, as they are
//                       └─all busy, and it has nothing for SLOW_AFTER_MS─► one lease at a slow one
//   PC1. While a node is avoided, no guest gets a lease there but one that is bound to it, or whose
//        home knows that it is slow and has nowhere else. What its own processes want they get.
//   PC2. Where more than half of all nodes are slow, none is avoided (CV6).
// Source: faults.md F11; Gunawi et al., "Fail-slow at scale" (2018).
import { toHex } from '../../common/ids.ts'
import { heldBy, onTheWay } from '../class-wants.ts'
import { askBack } from '../reclaim.ts'
import type { Lease, RayletState, SchedulingClass } from '../state.ts'
import { wakeBy, type EventOf, type Turn } from '../turn.ts'
import type { ClusterState } from './cluster-state.ts'

/** In which those that are well may have room again: above the time of most tasks. */
export const SLOW_AFTER_MS = 5_000

export function paceChanged(turn: Turn, { isSlow }: EventOf<'pace'>): void {
  const { state } = turn
  state.isSlow = isSlow
  state.cluster?.view.saidSlow(toHex(state.config.nodeId), isSlow)
  reviewPace(turn)
}

/** To be called when this node, or what it knows of others, has changed. */
export function reviewPace(turn: Turn): void {
  const { state } = turn
  const isAvoided = state.cluster?.view.isAvoided(toHex(state.config.nodeId)) === true
  if (isAvoided === state.isAvoided) return
  state.isAvoided = isAvoided
  if (!isAvoided) return
  // Once: who has one here later has nowhere else.
  for (const lease of state.leases.values()) if (mayBeElsewhere(state, lease)) askBack(turn, lease)
}

/** Of a guest, which knows of it. */
function mayBeElsewhere({ clients }: RayletState, { class: held, worker, spec }: Lease): boolean {
  if (held === undefined || worker === undefined) return false
  const isGuest = clients.get(held.client)?.link !== undefined
  return isGuest && (spec.strategy.kind === 'DEFAULT' || spec.strategy.kind === 'SPREAD')
}

/** Whether what has waited since then for those that are well may go to a slow one. */
export function mayBeSlow(turn: Turn, { view }: ClusterState, sinceMs: number): boolean {
  const dueMs = sinceMs + SLOW_AFTER_MS
  if (!view.hasSlow) return false
  if (dueMs > turn.nowMs) wakeBy(turn, dueMs)
  return dueMs <= turn.nowMs
}

/** It has nothing, wherever, and nothing is on its way but what it waits for in some node's turn. */
export function hasNothingYet(each: SchedulingClass): boolean {
  const waiting = each.waitsAt === undefined ? 0 : 1
  return heldBy(each) + each.here + onTheWay(each) === waiting
}
