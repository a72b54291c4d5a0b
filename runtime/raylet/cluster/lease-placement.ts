// Of what is missing to the processes of this node, how much is granted here, and which nodes are
// asked for the rest (pure). node-asks.ts has the picture, and the invariants of what is asked.
// Invariants:
//   LP1. What is free is placed in the order in which it is granted (leases.ts): each job in turn,
//        and of its classes the one that has the least comes first, wherever it has it. A task that
//        waits for its children gets one before another gets its second: of a recursion, so few
//        workers wait at a time.
import { isAvailable } from '../../scheduling/cluster-view.ts'
import type { ClassSpec } from '../../protocol/messages.ts'
import { heldBy, onTheWay, unaskedFor } from '../class-wants.ts'
import { jobsByHoldings } from '../leases.ts'
import { seeOwnNode } from '../placement.ts'
import type { Job, RayletState, SchedulingClass } from '../state.ts'
import type { Turn } from '../turn.ts'
import type { ClusterState } from './cluster-state.ts'
import { waitForFirst } from './first-leases.ts'
import { askNode, boundNode, routeFor } from './node-asks.ts'
import { hasNothingYet, mayBeSlow } from './slow-node.ts'

/** OL7: more would lie there with nobody at work, until their owner has come to dial all of them. */
const ON_THE_WAY_MAX = 1_000
/** Not one by one, as they are granted: so many, or all that are missing. */
const PLACED_MIN = 125

/** What one class lacks, while places are found for it. */
interface Placing {
  readonly of: SchedulingClass
  left: number
  /** What it has, what is on its way, and what was placed now. */
  share: number
  /** By node, how many to ask it for. */
  readonly asks: Map<string, number>
}

/** Decide for what is missing how much of it is granted here, and ask other nodes for the rest. */
export function placeLeases(turn: Turn): void {
  const { state } = turn
  const { cluster } = state
  if (cluster === undefined) return
  seeOwnNode(state, cluster.view)
  const jobs = jobsByHoldings(state).map((job) => wantingOf(state, job))
  for (const each of jobs.flat()) {
    if (each.spec.holder === undefined) continue
    const placing = placingOf(state, each)
    while (hasRoom(cluster, each.spec.holder, each.spec) && placeOne(cluster, placing)); // OL9
    askAll(turn, placing)
  }
  const placings = jobs.map((classes) => classes.map((each) => placingOf(state, each)))
  placeInTurn(cluster, placings)
  for (const placing of placings.flat()) {
    askAll(turn, placing)
    waitElsewhere(turn, cluster, placing)
  }
}

/** Its classes that lack something, or wait for a node: this runs in each step. */
function wantingOf(state: RayletState, job: Job): SchedulingClass[] {
  const wanting: SchedulingClass[] = []
  for (const each of job.turns) {
    if (each === 'ACTORS') continue
    each.here = 0
    if (each.waitsAt !== undefined || countToPlace(state, each) > 0) wanting.push(each)
  }
  return wanting
}

const placingOf = (state: RayletState, of: SchedulingClass): Placing => ({
  of,
  left: countToPlace(state, of),
  share: heldBy(of) + onTheWay(of) + of.here,
  asks: new Map(),
})

/** LP1. */
function placeInTurn(cluster: ClusterState, jobs: readonly (readonly Placing[])[]): void {
  let open = jobs.map((placings) =>
    placings.filter(({ left }) => left > 0).sort((a, b) => a.share - b.share),
  )
  while (open.length > 0) open = open.filter((placings) => placeLeast(cluster, placings))
}

/** One for the first of them that finds a place. @returns whether any did. */
function placeLeast(cluster: ClusterState, placings: Placing[]): boolean {
  for (let least = placings.shift(); least !== undefined; least = placings.shift()) {
    if (!placeOne(cluster, least)) continue
    const { left, share } = least
    const at = placings.findIndex((other) => other.share > share)
    if (left > 0) placings.splice(at < 0 ? placings.length : at, 0, least)
    return true
  }
  return false
}

/** @returns false: none is missing, or no node that is well has room for one. */
function placeOne(cluster: ClusterState, placing: Placing): boolean {
  const { of, left, asks } = placing
  const route = left > 0 ? routeFor(cluster, of.spec, 0) : undefined
  if (route?.kind === 'GRANT') of.here += 1
  else if (route?.kind === 'FORWARD') asks.set(route.nodeId, (asks.get(route.nodeId) ?? 0) + 1)
  else return false
  placing.left -= 1
  placing.share += 1
  return true
}

function askAll(turn: Turn, { of, asks }: Placing): void {
  for (const [nodeId, count] of asks) askNode(turn, of, { nodeId, count, hops: 1 })
}

/** For what none that is well has room for now. */
function waitElsewhere(turn: Turn, cluster: ClusterState, { of, left }: Placing): void {
  if (left === 0 && of.waitsAt === undefined) return
  if (!askSlowNode(turn, cluster, of) && left > 0) waitForFirst(turn, cluster, of)
}

/**
 * One lease for who has waited long for nodes that are well; in whose turn it waits it goes on
 * waiting, until the slow one has granted it. @returns whether it was asked for.
 */
function askSlowNode(turn: Turn, cluster: ClusterState, each: SchedulingClass): boolean {
  if (!hasNothingYet(each) || !mayBeSlow(turn, cluster, each.waitingSinceMs)) return false
  const route = routeFor(cluster, { ...each.spec, mayBeSlow: true }, 0)
  if (route?.kind !== 'FORWARD') return false
  askNode(turn, each, { nodeId: route.nodeId, count: 1, hops: 1 })
  return true
}

function countToPlace(state: RayletState, each: SchedulingClass): number {
  const { spec } = each
  if (spec.strategy.kind === 'PLACEMENT_GROUP' || boundNode(state, spec) !== undefined) return 0
  const missing = unaskedFor(each) - each.here
  const room = ON_THE_WAY_MAX - onTheWay(each)
  return room < Math.min(missing, PLACED_MIN) ? 0 : Math.min(missing, room)
}

/** Whether the node that holds its arguments, and is well, can take one. */
function hasRoom({ view }: ClusterState, nodeId: string, { demand }: ClassSpec): boolean {
  const node = view.get(nodeId)
  return node !== undefined && node.isSlow !== true && isAvailable(node, demand)
}
