// The vocabulary of step(): events in, effects out, and the turn that collects them.
// Effects must be performed in their order; what they bring about comes back as a further event.
import type { VirgaError } from '../common/errors.ts'
import type { WireError } from '../common/error-wire.ts'
import type { ActorId, JobId, TaskId, WorkerId } from '../common/ids.ts'
import type {
  ActorSpec,
  ClassSpec,
  ClientNotices,
  GroupSpec,
  JobSpec,
  Role,
  Waiting,
  WireRuntimeEnv,
  WorkerExit,
} from '../protocol/messages.ts'
import type { NodeLoad, NodeView } from '../scheduling/cluster-view.ts'
import type { Coordinator, GroupDecision, GroupRow } from '../gcs/groups.ts'
import type { GroupCall, GroupCalls } from './groups/group-messages.ts'
import type { Member } from './groups/group-state.ts'
import type { ActorEventOfNodes, ActorEffectOfNodes } from './actors/actor-events.ts'
import type {
  LeasesAnswer,
  LeasesAsked,
  PeerRayletNotices,
} from './cluster/peer-raylet-messages.ts'
import type { Job, RayletState } from './state.ts'

/** A holder of a name, as its row in the GCS tells. */
export interface NameHolder {
  readonly actorId: ActorId
  readonly owner: string
  readonly sinceMs: number
  /** Where it lives; hex. */
  readonly nodeId: string
  readonly epoch: number
}

/** `request` numbers are the shell's own: it answers the one that an effect names. */
export type RayletEvent = { readonly nowMs: number } & (
  | {
      readonly kind: 'clientConnected'
      readonly client: WorkerId
      readonly role: Role
      readonly pid: number
      readonly address: string
      readonly job: JobSpec | undefined
    }
  | { readonly kind: 'clientClosed'; readonly client: WorkerId }
  | {
      readonly kind: 'wantLeases'
      readonly client: WorkerId
      readonly classId: number
      readonly count: number
      readonly spec: ClassSpec | undefined
    }
  | {
      readonly kind: 'returnLease'
      readonly client: WorkerId
      readonly leaseId: number
      readonly retire: boolean
    }
  | { readonly kind: 'killLease'; readonly client: WorkerId; readonly leaseId: number }
  | {
      readonly kind: 'takeTokens'
      readonly client: WorkerId
      readonly name: string
      readonly concurrency: number | undefined
      readonly perSecond: number | undefined
      readonly count: number
    }
  | {
      readonly kind: 'returnTokens'
      readonly client: WorkerId
      readonly name: string
      readonly count: number
      readonly unused: boolean
    }
  | {
      readonly kind: 'blocked'
      readonly client: WorkerId
      readonly waitId: number
      readonly taskId: TaskId
      readonly actorId: ActorId | undefined
      readonly limit: string | undefined
      readonly on: readonly Waiting[]
      readonly name: string
      readonly need?: number
      readonly group?: string
      readonly isDependency?: boolean
      readonly forReader?: boolean
    }
  | { readonly kind: 'unblocked'; readonly client: WorkerId; readonly waitId: number }
  | {
      readonly kind: 'createActor'
      readonly client: WorkerId
      readonly request: number
      readonly spec: ActorSpec
    }
  | {
      /** What came of the effect claimName: no holder means that the name is ours. */
      readonly kind: 'nameClaimed'
      readonly actorId: ActorId
      readonly holder: NameHolder | undefined
    }
  | {
      readonly kind: 'nameFound'
      readonly request: number
      readonly name: string
      readonly namespace: string
      readonly holder: NameHolder | undefined
    }
  /** The GCS refuses it, for good: such a name it cannot hold, or its row cannot be read. */
  | { readonly kind: 'claimRefused'; readonly actorId: ActorId; readonly error: VirgaError }
  | { readonly kind: 'findRefused'; readonly request: number; readonly error: VirgaError }
  | {
      readonly kind: 'findActor'
      readonly request: number
      readonly name: string
      readonly namespace: string
    }
  | {
      readonly kind: 'watchActor'
      readonly client: WorkerId
      readonly request: number
      readonly actorId: ActorId
      readonly homeId?: string
    }
  | {
      readonly kind: 'killActor'
      readonly request: number
      readonly actorId: ActorId
      readonly noRestart: boolean
      readonly homeId?: string
      /** No row of it is there. */
      readonly isUnmade?: boolean
    }
  | { readonly kind: 'actorHandlesGone'; readonly client: WorkerId; readonly actorId: ActorId }
  | {
      readonly kind: 'actorReady'
      readonly client: WorkerId
      readonly actorId: ActorId
      readonly incarnation: number
      readonly address: string
    }
  | {
      readonly kind: 'actorFailed'
      readonly client: WorkerId
      readonly actorId: ActorId
      readonly error: WireError
    }
  | {
      readonly kind: 'actorExiting'
      readonly client: WorkerId
      readonly actorId: ActorId
      readonly error: WireError | undefined
    }
  | {
      readonly kind: 'entryFirst'
      readonly client: WorkerId
      readonly actorId: ActorId | undefined
    }
  | { readonly kind: 'staying'; readonly client: WorkerId }
  | {
      readonly kind: 'createGroup'
      readonly client: WorkerId
      readonly request: number
      readonly spec: GroupSpec
    }
  | { readonly kind: 'awaitGroup'; readonly request: number; readonly groupId: string }
  | { readonly kind: 'removeGroup'; readonly request: number; readonly groupId: string }
  | { readonly kind: 'workerSpawned'; readonly worker: WorkerId; readonly pid: number }
  | {
      readonly kind: 'workerExited'
      readonly exit: Omit<WorkerExit, 'cause' | 'memory'>
      /** It could not be started, as the folder it was to work in is not there. */
      readonly missingDir?: string
    }
  | { readonly kind: 'memory'; readonly sample: MemorySample }
  | { readonly kind: 'tick' }
  | { readonly kind: 'drain'; readonly graceMs: number }
  /** What came of the effect askLeases; without an answer the node could not be asked. */
  | {
      readonly kind: 'leasesAnswered'
      readonly nodeId: string
      readonly message: LeasesAsked
      readonly answer: LeasesAnswer | undefined
    }
  | ({ readonly kind: 'heardForClient'; readonly nodeId: string } & PeerRayletNotices['toClient'])
  | ({ readonly kind: 'leaseLapsed'; readonly nodeId: string } & PeerRayletNotices['leaseLapsed'])
  /** The connection by which this node asked that one has closed. */
  | { readonly kind: 'nodeLost'; readonly nodeId: string }
  /** The other nodes that are alive, and those of them that do not answer this one now. */
  | {
      readonly kind: 'nodes'
      readonly nodes: readonly NodeView[]
      readonly suspected: ReadonlySet<string>
      /** With those that drain. */
      readonly members: ReadonlyMap<string, Member>
    }
  /** What other nodes have free, as gossip brought it. */
  | { readonly kind: 'loads'; readonly loads: readonly NodeLoad[] }
  | {
      readonly kind: 'leasesAsked'
      readonly link: number
      readonly request: number
      readonly message: LeasesAsked
    }
  | {
      readonly kind: 'guestWants'
      readonly link: number
      readonly message: PeerRayletNotices['guestWants']
    }
  | { readonly kind: 'guestLeft'; readonly link: number; readonly client: WorkerId }
  | { readonly kind: 'guestLinkClosed'; readonly link: number }
  | GroupEvent
  /** The GCS has confirmed this node as a member: see leaseUntilMs. */
  | { readonly kind: 'confirmed'; readonly untilMs: number }
  | { readonly kind: 'leave' }
  | ActorEventOfNodes
)

/** The event of that kind. */
export type EventOf<K extends RayletEvent['kind']> = Extract<RayletEvent, { kind: K }>

/** Of placement groups over nodes: cluster-groups.ts. */
export type GroupEvent =
  | {
      readonly kind: 'groupAsked'
      /** Hex. */
      readonly from: string
      readonly link: number
      readonly request: number
      readonly type: GroupCall
      readonly message: GroupCalls[GroupCall][0]
    }
  /** What came of the effect askGroup; without an answer the node could not be asked. */
  | {
      readonly kind: 'groupAnswered'
      readonly key: string
      readonly nodeId: string
      readonly type: GroupCall
      readonly message: GroupCalls[GroupCall][0]
      readonly answer: GroupCalls[GroupCall][1] | undefined
    }
  | { readonly kind: 'groupLinkClosed'; readonly link: number }
  /** What came of the effect readGroup; with an error: the row cannot be read, ever. */
  | {
      readonly kind: 'groupRead'
      readonly groupId: string
      readonly row: GroupRow | undefined
      readonly error?: VirgaError
    }
  /** What came of the effect writeGroup, or registerGroup: whether the row is this node's. */
  | {
      readonly kind: 'groupWritten'
      readonly groupId: string
      readonly attempt: number
      readonly won: boolean
    }
  /** What came of the effect claimGroup; undefined: another has it, or it was removed. */
  | {
      readonly kind: 'groupClaimed'
      readonly groupId: string
      readonly row: GroupRow | undefined
    }

export interface MemorySample {
  readonly usedBytes: number
  readonly totalBytes: number
  readonly rssBytes: ReadonlyMap<WorkerId, number>
}

/** A worker to be started; it will connect and say hello as `workerId`. */
export interface WorkerStart {
  readonly workerId: WorkerId
  readonly jobId: JobId
  readonly job: JobSpec
  readonly env: WireRuntimeEnv | undefined
  /** CPUs its native libraries may count on. */
  readonly cpus: number
  readonly inspect: boolean
  readonly name: string
  /** Set when it must import the entry before any other module. */
  readonly entryFirst?: true
}

export type NoticeEffect = {
  readonly [K in keyof ClientNotices]: {
    readonly kind: 'notify'
    readonly to: WorkerId
    readonly type: K
    readonly message: ClientNotices[K]
  }
}[keyof ClientNotices]

/** To the raylet of another node. */
export type NodeNoticeEffect = {
  readonly [K in 'guestWants' | 'returnLease' | 'killLease' | 'guestLeft']: {
    readonly kind: 'tellNode'
    readonly nodeId: string
    readonly type: K
    readonly message: PeerRayletNotices[K]
  }
}['guestWants' | 'returnLease' | 'killLease' | 'guestLeft']

/** Of placement groups over nodes; rows of one group are written in the order of the effects. */
export type GroupEffect =
  | {
      readonly kind: 'askGroup'
      readonly key: string
      readonly nodeId: string
      readonly type: GroupCall
      readonly message: GroupCalls[GroupCall][0]
    }
  | { readonly kind: 'registerGroup'; readonly row: GroupRow }
  | {
      readonly kind: 'writeGroup'
      readonly groupId: string
      readonly decision: GroupDecision
    }
  | { readonly kind: 'readGroup'; readonly groupId: string }
  | { readonly kind: 'claimGroup'; readonly row: GroupRow }
  /** The row that this node or, when it is dead, another has written. */
  | {
      readonly kind: 'removeGroupRow'
      readonly groupId: string
      readonly coordinator: Coordinator
    }

export type RayletEffect =
  | NoticeEffect
  | NodeNoticeEffect
  | { readonly kind: 'askLeases'; readonly nodeId: string; readonly message: LeasesAsked }
  /** To the home of a guest. */
  | { readonly kind: 'guestLeaseLapsed'; readonly client: WorkerId; readonly classId: number }
  | GroupEffect
  | { readonly kind: 'answer'; readonly request: number; readonly value: unknown }
  | { readonly kind: 'refuse'; readonly request: number; readonly error: VirgaError }
  | { readonly kind: 'spawn'; readonly start: WorkerStart }
  | {
      readonly kind: 'signal'
      readonly worker: WorkerId
      readonly signal: 'SIGTERM' | 'SIGKILL'
    }
  | {
      readonly kind: 'claimName'
      readonly name: string
      readonly namespace: string
      readonly holder: NameHolder
    }
  | {
      readonly kind: 'releaseName'
      readonly name: string
      readonly namespace: string
      readonly actorId: ActorId
    }
  | {
      readonly kind: 'findName'
      readonly request: number
      readonly name: string
      readonly namespace: string
    }
  /** It may be forgotten by then. */
  | { readonly kind: 'jobEnded'; readonly job: Job }
  /** Nothing of it is left: no driver, no worker. */
  | { readonly kind: 'jobForgotten'; readonly jobId: JobId; readonly isHome: boolean }
  /** Nobody needs this raylet any more. */
  | { readonly kind: 'leave' }
  | ActorEffectOfNodes

/** One call of step: where effects are collected, and what time it is. */
export interface Turn {
  readonly state: RayletState
  readonly nowMs: number
  readonly effects: RayletEffect[]
}

export function notify<K extends keyof ClientNotices>(
  turn: Turn,
  to: WorkerId,
  type: K,
  message: ClientNotices[K],
): void {
  // A client that is gone needs no word; its end is an event of its own.
  if (!turn.state.clients.has(to)) return
  turn.effects.push({ kind: 'notify', to, type, message } as NoticeEffect)
}

export function answer(turn: Turn, request: number, value: unknown): void {
  turn.effects.push({ kind: 'answer', request, value })
}

export function refuse(turn: Turn, request: number, error: VirgaError): void {
  turn.effects.push({ kind: 'refuse', request, error })
}

/** Ask for a tick at `atMs` or earlier. */
export function wakeBy(turn: Turn, atMs: number): void {
  if (atMs < turn.state.wakeAtMs) turn.state.wakeAtMs = atMs
}
