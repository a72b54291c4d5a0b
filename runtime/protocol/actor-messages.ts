// What processes tell each other of actors: how one is made, what it is doing, and what a handle of
// it needs to be one. The messages that bring these are in messages.ts.
import type { WireError } from '../common/error-wire.ts'
import type { ActorId, JobId, NodeId, WorkerId } from '../common/ids.ts'
import type { ClassSpec, WorkerExit } from './messages.ts'

export interface ActorSpec {
  readonly actorId: ActorId
  readonly jobId: JobId
  readonly name: string | undefined
  readonly namespace: string
  readonly className: string
  readonly detached: boolean
  /** A detached actor made it, or what works for one: it outlives its driver. */
  readonly ofDetached?: boolean
  readonly getIfExists: boolean
  readonly maxRestarts: number
  readonly maxTaskRetries: number
  readonly maxConcurrency: number
  readonly concurrencyGroups: Readonly<Record<string, number>>
  readonly maxPendingCalls: number
  readonly methods: Readonly<Record<string, MethodSpec>>
  readonly scheduling: ClassSpec
  /** True when the CPUs of the demand are needed to place it, and given back once it lives. */
  readonly defaultResources: boolean
  readonly fn: FunctionIdentity
  /** Encoded constructor arguments: one record of task-frames.ts. */
  readonly args: Uint8Array
  /** Why they are none: it is dead at once, and whoever holds a handle hears that. */
  readonly failed?: WireError
  readonly owner: WorkerId
}

/** Whether an actor, or a group, goes on without the driver of its job. */
export const outlivesDriver = ({
  detached,
  ofDetached,
}: Pick<ActorSpec, 'detached' | 'ofDetached'>): boolean => detached || ofDetached === true

export interface MethodSpec {
  readonly kind: 'value' | 'stream'
  readonly numReturns?: number
  readonly concurrencyGroup?: string
  readonly maxTaskRetries?: number
  readonly retryExceptions?: boolean | readonly string[]
}

export interface FunctionIdentity {
  readonly home: string
  readonly ordinal: number
  readonly hash: string
  readonly name: string
}

export type ActorPhase =
  | 'DEPENDENCIES_UNREADY'
  | 'PENDING_CREATION'
  | 'ALIVE'
  | 'RESTARTING'
  | 'DEAD'

export interface ActorView {
  readonly actorId: ActorId
  readonly phase: ActorPhase
  readonly incarnation: number
  readonly address: string
  readonly workerId: WorkerId | undefined
  /** Why it is dead or unavailable. */
  readonly error?: WireError
  readonly exit?: WorkerExit
  /** It was not made: getIfExists found this one. */
  readonly foundInstead?: FoundInstead
}

export interface FoundInstead {
  readonly actorId: ActorId
  /** The node, in hex, of who made it. */
  readonly homeId: string
  readonly maxTaskRetries: number
}

/** What everybody needs to make a handle of an actor. */
export interface ActorInfo {
  readonly actorId: ActorId
  readonly className: string
  readonly methods: Readonly<Record<string, MethodSpec>>
  readonly owner: WorkerId | undefined
  readonly ownerAddress: string | undefined
  /** Of who made it. */
  readonly nodeId: NodeId
  readonly maxPendingCalls: number
  readonly maxTaskRetries: number
}
