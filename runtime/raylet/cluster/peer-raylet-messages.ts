// What raylets say to each other, as types, and what each message must look like (pure). The other
// end has proved which node it is; what it says is checked all the same: a node of another version
// must not leave this one half changed.
import { ProtocolError } from '../../common/errors.ts'
import type { ActorId, JobId, WorkerId } from '../../common/ids.ts'
import {
  count,
  flag,
  listOf,
  misfit,
  number,
  object,
  oneOf,
  optional,
  recordOf,
  shape,
  text,
  type Fields,
  type Shape,
} from '../../common/shape.ts'
import { showValue } from '../../common/show-value.ts'
import type { Announcement } from '../../gcs/membership-changes.ts'
import type { Seen } from '../../gcs/membership-view.ts'
import { nodeRow, type NodeDeath, type NodeRow } from '../../gcs/nodes.ts'
import type { StorageCalls } from '../../gcs/storage-messages.ts'
import type { Suspicion } from '../../gcs/watcher.ts'
import type { ActorView } from '../../protocol/actor-messages.ts'
import type { ClassSpec, JobSpec, RayletCalls, Role } from '../../protocol/messages.ts'
import type { NodeLoad } from '../../scheduling/cluster-view.ts'
import type { GossipMessage } from '../../scheduling/gossip.ts'
import { WAIT_CALLS, type WaitCalls } from '../deadlocks/wait-messages.ts'
import { LIMITER_CALLS, type LimiterCalls } from '../limiters/limiter-messages.ts'
import { GROUP_CALLS, type GroupCalls } from '../groups/group-messages.ts'
import type {
  ActorCall,
  ActorOffer,
  GoneActor,
  LeftActor,
  OfferAnswer,
} from '../actors/actor-events.ts'
import { actorShape, classShape, jobShape } from '../message-schema.ts'

/** A scheduling class of a core-worker of the sender's node. */
export interface GuestClass {
  readonly client: WorkerId
  readonly classId: number
  readonly spec: ClassSpec
  /** Told with the first of each client on a connection. */
  readonly owner?: {
    readonly role: Role
    /** Where other processes reach it. */
    readonly address: string
    readonly job: JobSpec
    readonly driver: WorkerId
    /** The node of the driver, in hex: not the sender's where tasks of tasks go on. */
    readonly drivenAt: string
  }
}

export interface LeasesAsked extends GuestClass {
  readonly count: number
  /** Leases of the class at the node asked that the sender knows of, had or on their way (GU4). */
  readonly known: number
  /** How many nodes it will have been asked of, this one included. */
  readonly hops: number
  /** The sender knows that the node is slow, and has nowhere else to ask. */
  readonly isSlowFine?: boolean
}

export interface LeasesAnswer {
  /** Each is granted later, or lapses. */
  readonly accepted: number
  /** Who had better be asked for the rest, in hex. */
  readonly retryAt?: string
  /** What that node has free now. */
  readonly load: NodeLoad
}

/** Requests: [message, reply]. */
export interface PeerRayletCalls extends StorageCalls, GroupCalls, WaitCalls, LimiterCalls {
  /** By one that has just joined: its row, which the receiver need not read. */
  ping: [{ newcomer?: NodeRow }, undefined]
  /** Answered when everybody can read it in the membership row. */
  announce: [Announcement, undefined]
  /** An epoch of a node has ended. Answered when word is on its way to the receiver's processes. */
  nodeDied: [NodeDeath, undefined]
  /** What that node has seen of all. */
  members: [object, Seen]
  /** Rows of that node alone. */
  state: RayletCalls['state']
  /** The whole cluster ends. Answered before that node does. */
  stopCluster: [object, undefined]
  askLeases: [LeasesAsked, LeasesAnswer]
  offerActor: [ActorOffer, OfferAnswer]
  /** By a node that drains. Answers whether that node, or another before it, has. */
  adoptActor: [LeftActor, boolean]
  /** Its view, and every change after that, when it is there; `isUnmade`: it has no row yet. */
  watchActor: [{ actorId: ActorId; isUnmade: boolean }, ActorView | undefined]
  callActor: [{ call: ActorCall; isUnmade: boolean }, { isHere: boolean }]
  /** Answered when the driver of the job, at the sender, was told what is printed there by now. */
  drainOutput: [{ jobId: JobId }, undefined]
  /** Whether a process of that node lives, by its address. */
  isAlive: [{ address: string }, boolean]
  /** Of which something lives on that node. */
  liveJobs: [object, { jobIds: readonly JobId[] }]
  /** Of these, who is connected to that node, whose driver is, and to what a process there refers. */
  refersTo: [RefersAsked, RefersAsked]
  /** Of the actors that node knows to be dead, the last one of that name. */
  goneActor: [{ name: string; namespace: string }, GoneActor | undefined]
  /** Whether that node was a member together with one in that epoch of its life. */
  hasMet: [{ nodeId: string; epoch: number }, { hasMet: boolean }]
  /** The segment of a spec that the receiver has written and still knows of. */
  findSegment: [{ owner: string; sequence: number }, number | undefined]
  /** Which of these that node can read, whole, in its store. */
  holds: [
    { objectIds: readonly string[] },
    {
      nodeId: string
      held: readonly { objectId: string; sizeBytes: number; isPrimary: boolean }[]
    },
  ]
  /** Which of these the receiver could read from nodes that the sender does not reach. */
  reaches: [
    { beyond: readonly string[]; objectIds: readonly string[] },
    { reached: readonly string[] },
  ]
  /** Of a node that holds it: whom to read it from, but for those that have failed to give it. */
  joinReaders: [
    { objectId: string; failed: readonly string[] },
    { sizeBytes: number; source: string } | undefined,
  ]
  /** Of a node that stays, by one that leaves: whether it keeps its copy from now on. */
  keepObject: [{ objectId: string }, boolean]
  /** The receiver may not have heard that nobody refers to these any more, since so long. */
  freeMissed: [{ objectIds: readonly string[]; agesMs: readonly number[] }, undefined]
  /** Of a node that may reach its holders: its size, once it is on its way to that node. */
  relayObject: [{ objectId: string; hints: readonly string[] }, number | undefined]
}

interface RefersAsked {
  readonly owners: readonly string[]
  readonly jobIds: readonly string[]
  readonly objectIds: readonly string[]
}

export interface PeerRayletNotices {
  /** What one that suspects a node says to those who watch it. */
  suspicion: Suspicion
  gossip: GossipMessage
  /** Nobody refers to these any more. */
  freeObjects: { objectIds: readonly string[] }
  /** To whom it had asked where to read it: the sender has its copy now, or wants none any more. */
  copyIs: { objectId: string; isThere: boolean }
  /** How many leases the class wants in all; it is bound to the receiver's node. */
  guestWants: GuestClass & { readonly count: number }
  returnLease: { client: WorkerId; leaseId: number; retire: boolean }
  killLease: { client: WorkerId; leaseId: number; isCut?: boolean }
  guestLeft: { client: WorkerId }
  /** To the home of a guest, or of a driver, for it; lease numbers are the sender's. */
  toClient: { client: WorkerId; type: ToClient; message: object }
  /** An accepted lease will not be granted. */
  leaseLapsed: { client: WorkerId; classId: number }
  /** To who watches it; in order with the answer to watchActor. */
  actorChanged: { view: ActorView }
  /** Ask anew where it is. */
  actorMoved: { actorId: ActorId }
}

const TO_CLIENT = [
  ...(['leaseGranted', 'reclaimLease', 'leaseBroken', 'classRefused'] as const),
  ...(['collectHandles', 'output'] as const),
] as const

/** What a guest, or a driver, may be told by a raylet that is not its home. */
export type ToClient = (typeof TO_CLIENT)[number]

const method = oneOf('get', 'query', 'putIf', 'update', 'delete', 'append', 'transact')

const isList: Shape = (value) => Array.isArray(value)
const load = shape({
  ...{ nodeId: text, epoch: count, version: count, free: recordOf(number) },
  isSlow: optional(flag),
})
const owner = shape({
  ...{ role: oneOf('driver', 'worker'), address: text, job: jobShape },
  ...{ driver: text, drivenAt: text },
})
const origin = shape({
  ...{ homeId: text, ownerAddress: text, job: jobShape, driver: text, drivenAt: text },
})
const actorView = shape({
  ...{ actorId: text, incarnation: count, address: text, workerId: optional(text) },
  phase: oneOf(...['DEPENDENCIES_UNREADY', 'PENDING_CREATION', 'ALIVE', 'RESTARTING', 'DEAD']),
  ...{ error: optional(object), exit: optional(object) },
  foundInstead: optional(shape({ actorId: text, homeId: text, maxTaskRetries: number })),
})
const actorCall = shape({
  ...{ type: oneOf('killActor', 'releaseActor'), actorId: text },
  ...{ noRestart: optional(flag), why: optional(oneOf('HANDLES', 'OWNER', 'JOB')) },
})
const guestClass: Fields = {
  ...{ client: text, classId: count, spec: classShape, owner: optional(owner) },
}

const CALLS: Readonly<Record<keyof PeerRayletCalls, Fields>> = {
  ping: { newcomer: optional(nodeRow) },
  nodeDied: { nodeId: text, epoch: count, death: text },
  members: {},
  announce: {
    ...{ nodeId: text, epoch: count, left: optional(flag) },
    state: oneOf('ALIVE', 'DRAINING', 'DEAD'),
  },
  state: { kind: text, limit: optional(count) },
  stopCluster: {},
  askLeases: { ...guestClass, count, known: count, hops: count, isSlowFine: optional(flag) },
  offerActor: {
    ...{ spec: actorShape, origin, incarnation: count, lived: flag, hops: count, isBound: flag },
    ...{ holder: shape({ nodeId: text, epoch: count }), exit: optional(object) },
  },
  adoptActor: {
    ...{ actorId: text, incarnation: count, exit: optional(object) },
    unbegunAt: optional(shape({ nodeId: text, epoch: count })),
  },
  watchActor: { actorId: text, isUnmade: flag },
  callActor: { call: actorCall, isUnmade: flag },
  drainOutput: { jobId: text },
  holds: { objectIds: listOf(text) },
  reaches: { beyond: listOf(text), objectIds: listOf(text) },
  isAlive: { address: text },
  liveJobs: {},
  refersTo: { owners: listOf(text), jobIds: listOf(text), objectIds: listOf(text) },
  goneActor: { name: text, namespace: text },
  hasMet: { nodeId: text, epoch: count },
  findSegment: { owner: text, sequence: count },
  ...GROUP_CALLS,
  ...WAIT_CALLS,
  ...LIMITER_CALLS,
  freeMissed: { objectIds: listOf(text), agesMs: listOf(number) },
  keepObject: { objectId: text },
  joinReaders: { objectId: text, failed: listOf(text) },
  relayObject: { objectId: text, hints: listOf(text) },
  storage: {
    ...{ client: text, sequence: count, endedBelow: count },
    call: (call) => object(call) && method(call['kind']) && Array.isArray(call['args']),
  },
}

const NOTICES: Readonly<Record<keyof PeerRayletNotices, Fields>> = {
  suspicion: { nodeId: text, epoch: count, gone: flag, blind: flag, stoodAt: optional(count) },
  gossip: {
    kind: oneOf('loads', 'digest'),
    loads: optional(listOf(load)),
    known: optional(isList),
  },
  freeObjects: { objectIds: listOf(text) },
  copyIs: { objectId: text, isThere: flag },
  guestWants: { ...guestClass, count },
  returnLease: { client: text, leaseId: count, retire: flag },
  killLease: { client: text, leaseId: count, isCut: optional(flag) },
  guestLeft: { client: text },
  toClient: {
    ...{ client: text, message: object },
    type: oneOf(...TO_CLIENT),
  },
  leaseLapsed: { client: text, classId: count },
  actorChanged: { view: actorView },
  actorMoved: { actorId: text },
}

/** A message of another node. */
export interface PeerMessage {
  /** Hex. */
  readonly from: string
  readonly type: string
  readonly message: object
  /** The connection by which it came. */
  readonly link: PeerLink
}

/** One connection, and the way back on it. */
export interface PeerLink {
  /** Never used again. */
  readonly id: number
  notify<K extends keyof PeerRayletNotices>(type: K, message: PeerRayletNotices[K]): void
}

/** @throws ProtocolError that names the node and what it sent. */
export function checkPeerMessage(
  what: 'call' | 'notice',
  { from, type, message }: Omit<PeerMessage, 'link'>,
): void {
  const all: Readonly<Record<string, Fields>> = what === 'call' ? CALLS : NOTICES
  const fields = Object.hasOwn(all, type) ? all[type] : undefined
  const field = fields === undefined ? undefined : misfit(fields, message)
  if (fields !== undefined && field === undefined) return
  const wrong =
    field === undefined
      ? 'which is not known here'
      : `whose ${field} cannot be ${showValue((message as Record<string, unknown>)[field])}`
  throw new ProtocolError(
    `node ${from} sent the ${what} '${type}', ${wrong}. Use the same version of virga on all nodes.`,
    { data: { from, type, field } },
  )
}
