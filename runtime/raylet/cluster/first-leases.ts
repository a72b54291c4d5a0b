// The first lease of a class that this node can never hold (pure). A node that is only asked says
// no as long as others keep it busy, however long; so a class that has nothing, and was told no for
// a while, waits at one node that could hold it, in that node's turn, for one lease. There those
// who hold more are asked for some of it, as they are for its own processes. See OL8 in
// node-asks.ts.
import { toHex } from '../../common/ids.ts'
import { isFeasible } from '../../scheduling/cluster-view.ts'
import { matchesAny } from '../../scheduling/labels.ts'
import { heldBy, onTheWay } from '../class-wants.ts'
import { guestClassOf, tellNode } from './node-notices.ts'
import type { SchedulingClass } from '../state.ts'
import type { ClusterState } from './cluster-state.ts'
import { wakeBy, type Turn } from '../turn.ts'

/** In which it may still be granted by whoever is asked. Above the time of a few short tasks. */
const ASKED_FIRST_MS = 200

/** To be called when placement has found nothing for what the class lacks. */
export function waitForFirst(turn: Turn, cluster: ClusterState, each: SchedulingClass): void {
  if (each.waitsAt !== undefined && cluster.view.get(each.waitsAt) === undefined) {
    forgetFirst(each, each.waitsAt)
  }
  if (each.waitsAt !== undefined || heldBy(each) > 0 || onTheWay(each) > 0) return
  const able = nodesFor(cluster, each)
  if (able.length === 0 || able.includes(toHex(turn.state.config.nodeId))) return
  const dueMs = each.waitingSinceMs + ASKED_FIRST_MS
  if (dueMs > turn.nowMs) {
    wakeBy(turn, dueMs)
    return
  }
  const nodeId = able[Math.floor(cluster.random.next() * able.length)]
  const guest = nodeId === undefined ? undefined : guestClassOf(turn, each, nodeId)
  if (nodeId === undefined || guest === undefined) return
  each.waitsAt = nodeId
  each.asked.set(nodeId, 1)
  tellNode(turn, nodeId, 'guestWants', { ...guest, count: 1 })
}

/** It has a lease, or wants none any more: it waits there no longer. */
export function endFirstWait(turn: Turn, each: SchedulingClass): void {
  const { waitsAt } = each
  if (waitsAt === undefined) return
  const guest = guestClassOf(turn, each, waitsAt)
  forgetFirst(each, waitsAt)
  if (guest !== undefined) tellNode(turn, waitsAt, 'guestWants', { ...guest, count: 0 })
}

/** That node is gone, or has refused it. */
export function forgetFirst(each: SchedulingClass, nodeId: string): void {
  if (each.waitsAt !== nodeId) return
  each.waitsAt = undefined
  each.asked.delete(nodeId)
}

/** Those that could hold it, free or not. One that is left alone for now is none of them, nor is a
 *  slow one where others could. */
function nodesFor({ view, shunned }: ClusterState, { spec }: SchedulingClass): string[] {
  const { demand, labelSelectors } = spec
  const able: string[] = []
  const slow: string[] = []
  for (const node of view.nodes()) {
    const isAble = isFeasible(node, demand) && matchesAny(node.labels, labelSelectors)
    if (!isAble || shunned.has(node.nodeId)) continue
    if (node.isSlow === true) slow.push(node.nodeId)
    else able.push(node.nodeId)
  }
  return able.length > 0 ? able : slow
}
