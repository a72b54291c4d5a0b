// The vocabulary of step(): events in, effects out, and the turn that collects them.
// Effects must be performed in their order; what they bring about comes back as a further event.
import type { VirgaError } from '../common/errors.ts'
import type { WireError } from '../common/error-wire.ts'
import type { ActorId, JobId, TaskId, WorkerId } from '../common/ids.ts'
import type { ActorSpec } from '../protocol/actor-messages.ts'
import type {
  ClassSpec,
  ClientNotices,
  GroupSpec,
  JobSpec,
  Role,
  Waiting,
  WireRuntimeEnv,
  WorkerExit,
} from '../protocol/messages.ts'
import type { ActorEventOfNodes, ActorEffectOfNodes } from './actors/actor-events.ts'
import type { JobWatched } from './cluster/ended-jobs.ts'
import type { NodeEffect, NodeEvent } from './cluster/node-events.ts'
import type { WaitEffect, WaitEvent } from './deadlocks/wait-events.ts'
import type { LimiterEffect, LimiterEvent } from './limiters/limiter-events.ts'
import type { GroupEffect, GroupEvent } from './groups/group-events.ts'
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
  | {
      readonly kind: 'killLease'
      readonly client: WorkerId
      readonly leaseId: number
      readonly isCut?: boolean | undefined
    }
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
      readonly check?: number
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
      readonly homeEpoch?: number
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
  | { readonly kind: 'owning'; readonly client: WorkerId; readonly isOwner: boolean }
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
  | NodeEvent
  | GroupEvent
  | WaitEvent
  | LimiterEvent
  | { readonly kind: 'leave' }
  | ActorEventOfNodes
)

/** The event of that kind. */
export type EventOf<K extends RayletEvent['kind']> = Extract<RayletEvent, { kind: K }>

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

export type RayletEffect =
  | NoticeEffect
  | NodeEffect
  | GroupEffect
  | WaitEffect
  | LimiterEffect
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
  /** What is here of it may be needed by a detached actor elsewhere, or a driver that is cut off. */
  | ({ readonly kind: 'watchJob' } & JobWatched)
  /** Nothing of it is left: no driver, no worker. */
  | {
      readonly kind: 'jobForgotten'
      readonly jobId: JobId
      readonly isHome: boolean
      /** OVER: nobody needs anything of it. ENDED: its driver has. GONE: it is only not here. */
      readonly end: 'OVER' | 'ENDED' | 'GONE'
    }
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
