// What a raylet of several knows of placement groups beside state.groups: what it coordinates, what
// it holds for others, whom it has yet to tell. Plain data, changed by group-*.ts alone.
import type { VirgaError } from '../../common/errors.ts'
import type { ResourceLedger } from '../../common/resource-ledger.ts'
import type { ResourceSet } from '../../common/resources.ts'
import { createHolds, type Holds } from './bundle-holds.ts'
import type { BundlesAsked, GroupCall, GroupCalls } from './group-messages.ts'
import type { Reservation } from './group-reservation.ts'
import type { Group } from './group.ts'

/** GC3: until a group that waits is tried again, at first.
 *  Source: Ray gcs_create_placement_group_retry_min_interval_ms. */
export const RETRY_MS_MIN = 100

/** A group of which bundles may lie on several nodes, as was told last. */
export interface GroupAcross {
  /** The node that coordinates it, in hex. */
  readonly coordinator: string
  readonly term: number
  readonly version: number
  /** By index; null: it lies nowhere now. */
  readonly places: readonly (string | null)[]
  /** Why it can never be whole as the nodes are. */
  readonly error: VirgaError | undefined
}

/** One that this node coordinates. */
export interface Coordinated {
  readonly group: Group
  readonly reservation: Reservation
  /** Nodes that are told of changes. */
  readonly watchers: Set<string>
  wasWhole: boolean
  /** While it waits: when it is tried again. */
  retryAtMs: number
  /** When it was tried last. */
  triedAtMs: number
  backoffMs: number
  /** Where it was asked for although nothing was free, and how often. */
  sought: { readonly nodeIds: ReadonlyMap<number, string>; tries: number } | undefined
}

/** A group that processes of this node use or ask for, and whose coordinator is not known. */
export interface Lookup {
  /** Requests to answer when it is reserved, and when it is removed. */
  readonly awaiting: number[]
  readonly removing: number[]
  /** How often it was not to be found. */
  misses: number
  /** When it is read again; undefined: it is being read, or its coordinator asked. */
  atMs: number | undefined
}

/** A message that is repeated until it is answered, or its node is gone. */
export interface Owed {
  readonly key: string
  readonly nodeId: string
  readonly type: GroupCall
  message: GroupCalls[GroupCall][0]
  /** On its way now; `changed` meanwhile: it goes once more. */
  asked: boolean
  changed: boolean
  atMs: number
  /** A request of a process of this node that its answer answers. */
  readonly request: number | undefined
}

/** Bundles for which this node had no room. */
export interface WantedHere {
  readonly demand: ResourceSet
  /** When its group was first asked for, of whichever node. */
  readonly sinceMs: number
  /** What comes free is kept for it while its answer waits (GT1). */
  readonly isOvertaken: boolean
  /** Until then it counts as waiting (HB2). */
  readonly untilMs: number
  /** Who asked last, as long as its answer waits for room (HB3). */
  waiting: WaitingPrepare | undefined
}

export interface WaitingPrepare {
  readonly asked: BundlesAsked
  /** The connection of the coordinator, and what it waits for; undefined: it is this node. */
  readonly link: number | undefined
  readonly request: number | undefined
  readonly answerByMs: number
}

export interface ClusterGroups {
  readonly holds: Holds
  readonly coordinated: Map<string, Coordinated>
  readonly lookups: Map<string, Lookup>
  /** The latest that this node knows to be removed, the oldest first. */
  readonly removed: Set<string>
  readonly owed: Map<string, Owed>
  /** Groups that found no room here, by their ids. */
  readonly wantedHere: Map<string, WantedHere>
  /** Groups of which a holder was refusing work, and when it is told anew what is wanted. */
  readonly retellAtMs: Map<string, number>
  /** The other nodes that live, with their epochs; those that drain too. */
  members: ReadonlyMap<string, Member>
}

export interface Member {
  readonly epoch: number
  readonly isDraining: boolean
}

/** Whoever is late for one of them is told at once; for an older one only after some reads. */
const REMOVED_KEPT_MAX = 1_000

export function rememberRemoved({ removed }: ClusterGroups, groupId: string): void {
  removed.add(groupId)
  if (removed.size <= REMOVED_KEPT_MAX) return
  for (const oldest of removed) {
    removed.delete(oldest)
    break
  }
}

export const createClusterGroups = (ledger: ResourceLedger): ClusterGroups => ({
  holds: createHolds(ledger),
  ...{ coordinated: new Map(), lookups: new Map(), removed: new Set(), owed: new Map() },
  ...{ wantedHere: new Map(), retellAtMs: new Map(), members: new Map() },
})
