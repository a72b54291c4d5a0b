// What the brain of one node of several knows of the others: plain data, changed by step() alone.
import type { LeaseId, WorkerId } from '../../common/ids.ts'
import type { Random } from '../../common/random.ts'
import type { ClusterView } from '../../scheduling/cluster-view.ts'
import type { ActorsOfNodes } from '../actors/actors-of-nodes.ts'
import type { WaitsOfNodes } from '../deadlocks/waits-of-nodes.ts'
import type { ClusterGroups } from '../groups/group-state.ts'
import type { LimitersOfNodes } from '../limiters/limiters-of-nodes.ts'
import type { SchedulingClass } from '../state.ts'

/** A lease that a process of this node holds on another: remote-leases.ts. */
export interface RemoteLease {
  /** As its owner knows it. */
  readonly leaseId: LeaseId
  /** Hex. */
  readonly nodeId: string
  /** As that node knows it. */
  readonly remoteId: number
  readonly workerId: WorkerId
  readonly class: SchedulingClass
}

/** What a raylet of several knows of the others. */
export interface ClusterState {
  /** With this node as the preferred one; the nodes that work may go to. */
  readonly view: ClusterView
  readonly random: Pick<Random, 'next'>
  /** Nodes that are set aside in the view, and until when; those suspected to be gone: Infinity. */
  readonly shunned: Map<string, number>
  /** Of what less than one is free here: own-room.ts. */
  shortOf: readonly string[]
  readonly groups: ClusterGroups
  readonly actors: ActorsOfNodes
  readonly waits: WaitsOfNodes
  readonly limiters: LimitersOfNodes
}

/** Whether others, or this node, take it for gone. */
export const isSuspected = ({ shunned }: Pick<ClusterState, 'shunned'>, nodeId: string): boolean =>
  shunned.get(nodeId) === Infinity

/** What a raylet of several begins with; the rest is the brain's own. */
export type ClusterParts = Pick<ClusterState, 'view' | 'random' | 'shunned'>
