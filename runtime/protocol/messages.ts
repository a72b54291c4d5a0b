// The control messages between processes, as types. Requests map to [message, reply]; notices have
// no reply. Hot messages (push, reply) are segments of their own: see task-frames.ts.
//   core-worker → raylet: RayletCalls, RayletNotices     raylet → core-worker: ClientNotices
//   core-worker ↔ core-worker: peer-messages.ts
// What they tell of actors and of tasks that ended: actor-messages.ts, task-events.ts.
import type { MemoryUse } from '../common/memory-use.ts'
import type { WireError } from '../common/error-wire.ts'
import type { ActorId, JobId, LeaseId, NodeId, ObjectId, TaskId, WorkerId } from '../common/ids.ts'
import type { ResourceSet } from '../common/resources.ts'
import type { ActorInfo, ActorSpec, ActorView } from './actor-messages.ts'
import type { FunctionProgress, TaskEventRun } from './task-events.ts'

export const PROTOCOL_VERSION = 1

export type Role = 'driver' | 'worker' | 'cli'

export interface Hello {
  readonly magic: 'virga'
  readonly protocolMin: number
  readonly protocolMax: number
  readonly role: Role
  readonly workerId: WorkerId
  readonly pid: number
  /** Where this process's core-worker listens for peers. */
  readonly address: string
  readonly job?: JobSpec
}

/** What a driver tells about itself; workers of its job are started from it. */
export interface JobSpec {
  readonly jobId: JobId
  readonly name: string
  readonly namespace: string
  readonly entry: string | undefined
  readonly argv: readonly string[]
  readonly execArgv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly modules: readonly string[]
  readonly logToDriver: boolean
  /** Results are told, and puts done, once what makes them again is in the GCS. */
  readonly durable?: boolean
}

export interface Welcome {
  readonly nodeId: NodeId
  readonly epoch: number
  readonly jobId: JobId
  readonly namespace: string
  readonly sessionDir: string
  /**
   * The arena: how to reach it, and its size; empty path = none (inline mode shares it otherwise).
   */
  readonly arena: {
    readonly kind: 'shm' | 'file' | 'memory'
    readonly path: string
    readonly sizeBytes: number
  }
  readonly totals: ResourceSet
  readonly job: JobSpec
  /** Set where others can go on with what a dead process owned: the cluster has several nodes. */
  readonly keepsLineage?: boolean
  /** Set where it has a bucket, too: a durable job keeps what is `put` there. */
  readonly hasBucket?: boolean
}

/** Where work may run, on the wire. */
export type WireStrategy =
  | { readonly kind: 'DEFAULT' | 'SPREAD' }
  | { readonly kind: 'NODE_AFFINITY'; readonly nodeId: string; readonly soft: boolean }
  | {
      readonly kind: 'PLACEMENT_GROUP'
      readonly groupId: string
      readonly bundleIndex: number
      readonly captureChildTasks: boolean
    }

/** One scheduling class: what its leases must give. */
export interface ClassSpec {
  readonly demand: ResourceSet
  readonly strategy: WireStrategy
  readonly labelSelectors: readonly Readonly<Record<string, string>>[]
  /** The node, in hex, that holds most bytes of the tasks' large arguments. */
  readonly holder?: string
  readonly env: WireRuntimeEnv | undefined
  readonly name: string
  /** A worker of its own whose inspector is open. */
  readonly inspect: boolean
  /** Whether its tasks may be run again: the memory monitor picks those first. */
  readonly retriable: boolean
}

export interface WireRuntimeEnv {
  readonly envVars: Readonly<Record<string, string>>
  readonly workingDir?: string
}

/** How a worker ended, as the raylet saw it. */
export interface WorkerExit {
  readonly workerId: WorkerId
  readonly pid: number
  readonly code: number | null
  readonly signal: string | null
  readonly peakRssBytes: number
  readonly stderrTail: readonly string[]
  /** Why the raylet ended it, if it did. */
  readonly cause:
    | 'CRASHED'
    | 'MEMORY_LIMIT'
    | 'MEMORY_PRESSURE'
    | 'KILLED'
    | 'IDLE'
    | 'OVER'
    | 'ORPHANED'
    | 'DRAINED'
    | 'NODE_LOST'
  /** Who used the memory, where the raylet ended it for that. */
  readonly memory?: MemoryUse
}

export interface Waiting {
  readonly taskId: TaskId
  /** Set when the awaited task is a call of that actor, in that concurrency group. */
  readonly actorId?: ActorId
  /** Set when the awaited task needs a token of that limiter to run. */
  readonly limit?: string
  readonly group?: string
  readonly name: string
}

export interface StateRow {
  readonly [column: string]: unknown
}

/** Where the lineage of one object is, or will be, in the GCS. */
export interface LineagePlace {
  /** Of the raylet that writes it, in hex. */
  readonly nodeId: string
  readonly epoch: number
  /** WorkerId of the owner in hex, and the object's place among those that left it. */
  readonly owner: string
  readonly sequence: number
  /** Absent: not known to whoever asks. */
  readonly segment?: number
}

/** Object specs of one owner, in columns. */
export interface SpecBatch {
  readonly sequences: readonly number[]
  /** Bytes of each. */
  readonly sizes: readonly number[]
  /** One behind the other. */
  readonly specs: Uint8Array
  /** Whether somebody waits for the commit. */
  readonly urgent: boolean
}

export interface RayletCalls {
  hello: [Hello, Welcome]
  /** Answered when the GCS has them, or they were dropped (null), with their segments. */
  commitSpecs: [SpecBatch, { segments: readonly (number | null)[] }]
  /** The spec of an object; undefined: it is in no segment. */
  readSpec: [LineagePlace, Uint8Array | undefined]
  /** `address`: of the owner of that object, as the ref says. Answered once that process is known
   *  to be gone, with where its objects are to be asked for now: maybe at the sender itself.
   *  `leaves`: that process asks for it, and lives; answered at once. */
  adoptOwner: [
    { objectId: ObjectId; owner: string; address: string; leaves?: boolean },
    { address: string },
  ]
  /** Its size, where some node or the bucket of the cluster has it. `nodeId`: which node, in hex, or
   *  whose copy in the bucket that is; absent: this one. */
  findObject: [{ objectId: ObjectId }, { sizeBytes: number; nodeId?: string } | undefined]
  /** Answered when a copy of it is in the bucket of the cluster, and the GCS knows. */
  keepObject: [{ objectId: ObjectId }, undefined]
  /** Of one that leaves with its node: those of them that are where they outlive both. */
  handOn: [{ objectIds: readonly ObjectId[] }, { kept: readonly ObjectId[] }]
  createActor: [ActorSpec, ActorInfo]
  findActor: [{ name: string; namespace: string }, ActorInfo | undefined]
  /** `homeId`: the node, in hex, of who made it; `homeEpoch`: in which of its lives. */
  watchActor: [{ actorId: ActorId; homeId: string; homeEpoch?: number }, ActorView]
  killActor: [{ actorId: ActorId; noRestart: boolean; homeId: string }, undefined]
  /** `owner`: the process whose end is the end of the object; absent: who sends this. */
  storeCreate: [
    { objectId: ObjectId; sizeBytes: number; owner?: WorkerId },
    { offset: number; path?: string },
  ]
  storeSeal: [{ objectId: ObjectId }, undefined]
  /** As storeFree, for its own producer, who is to know that it is done before it is made again. */
  storeDrop: [{ objectIds: readonly ObjectId[] }, undefined]
  /** `nodeId`: whose store it was put into, in hex, where that is known. */
  storePin: [
    { objectId: ObjectId; nodeId?: string },
    { offset: number; sizeBytes: number; path?: string; checksum?: number },
  ]
  /** Which of these some living node has; which of those nodes, in hex, did not answer; and which
   *  have left because they were told to. `unread`: those that somebody tried to read, and could
   *  not; of these a copy in the bucket counts only once it was read from there. */
  locateObjects: [
    { objectIds: readonly ObjectId[]; unread: readonly ObjectId[] },
    { held: readonly ObjectId[]; silent: readonly string[]; left: readonly string[] },
  ]
  createGroup: [GroupSpec, undefined]
  awaitGroup: [{ groupId: string }, undefined]
  removeGroup: [{ groupId: string }, undefined]
  state: [{ kind: string; limit?: number; after?: string }, { rows: StateRow[]; dropped: number }]
  /** Answered when all that the sender's workers printed so far has been sent as `output`. */
  drainOutput: [object, undefined]
  stop: [object, undefined]
  /** Answered when the raylet stops: progress by function as it was in the end. */
  awaitStop: [object, { rows: StateRow[] }]
}

export interface GroupSpec {
  readonly groupId: string
  readonly jobId: JobId
  readonly name: string
  readonly detached: boolean
  /** As that of an actor. */
  readonly ofDetached?: boolean
  readonly strategy: 'PACK' | 'SPREAD' | 'STRICT_PACK' | 'STRICT_SPREAD'
  readonly bundles: readonly ResourceSet[]
}

export interface RayletNotices {
  /** The absolute number of leases of this class the sender could use now, held ones included. */
  wantLeases: { classId: number; count: number; spec?: ClassSpec }
  returnLease: { leaseId: LeaseId; retire?: boolean }
  /** `isCut`: the connection to its worker broke, which may live. */
  killLease: { leaseId: LeaseId; isCut?: boolean }
  actorHandlesGone: { actorId: ActorId }
  actorReady: { actorId: ActorId; incarnation: number; address: string }
  actorFailed: { actorId: ActorId; error: WireError }
  actorExiting: { actorId: ActorId; error?: WireError }
  /** This worker imported modules in an order in which one waits in init() before it is complete:
   *  it is of no use, and later ones must import the entry first. `actorId`: it was to be that. */
  entryFirst: { actorId?: ActorId }
  /** It was asked to leave because it is idle, and stays for the sake of what it owns. */
  staying: object
  /** This worker owns what others may hold, or nothing of that kind any more. */
  owning: { isOwner: boolean }
  blocked: {
    waitId: number
    taskId: TaskId
    actorId?: ActorId
    /** The limiter whose token the waiting task holds. */
    limit?: string
    group?: string
    on: readonly Waiting[]
    /** How many of those must end; absent: all. */
    need?: number
    name: string
    /** The task has not begun: it waits for its dependencies, and a wait of this process or of
     *  another for it. */
    isDependency?: boolean
    /** It gives a stream, and waits for who reads it to take items; it keeps its CPUs. */
    forReader?: boolean
    /** That of the checkWait that this answers. */
    check?: number
  }
  unblocked: { waitId: number; taskId: TaskId }
  storeAbort: { objectId: ObjectId }
  storeUnpin: { objectId: ObjectId; count: number }
  /** A storePin that is under way is wanted no more: it may be refused, or granted already. */
  storeUnwant: { objectId: ObjectId }
  /** The bytes in its file are not what was written: only who reads them sees that. */
  storeDamaged: { objectId: ObjectId }
  /** Nobody refers to these any more. `at`: the node where alone they were made, in hex. */
  storeFree: { objectIds: readonly ObjectId[]; at?: string | undefined }
  /** `droppedCount`: ended since the last report, and not among the runs. */
  taskEvents: { pid: number; runs: readonly TaskEventRun[]; droppedCount: number }
  progress: { functions: readonly FunctionProgress[] }
  /** Nobody holds a ref of these any more: by their places among those that left the sender. */
  dropSpecs: { sequences: readonly number[] }
  /** Asks for `count` more tokens of a limiter; its users must agree on the numbers. */
  takeTokens: { name: string; concurrency?: number; perSecond?: number; count: number }
  /** `unused`: nothing was started with them. */
  returnTokens: { name: string; count: number; unused: boolean }
}

/** What a raylet asks of a process of its node. */
export interface ClientCalls {
  /** Which of these it holds, owns or lends; undefined: it does not know that of itself yet. */
  refersTo: [{ objectIds: readonly string[] }, { objectIds: readonly string[] } | undefined]
}

export interface ClientNotices {
  leaseGranted: {
    classId: number
    leaseId: LeaseId
    workerId: WorkerId
    address: string
    gpuIds: readonly number[]
    resources: ResourceSet
  }
  /** `error`: the reason, to which the owner adds the name of each task (reason.ts). */
  classRefused: { classId: number; error: WireError }
  reclaimLease: { leaseId: LeaseId }
  /** `error`: the reason, as in classRefused, for which the task that ran there fails; without it,
   *  it may be tried again. `goesOn`: so it may with it, and is not charged: its node leaves. */
  leaseBroken: { leaseId: LeaseId; exit: WorkerExit; error?: WireError; goesOn?: boolean }
  actorChanged: ActorView
  /** Nodes, in hex, that are dead or in their next life, with the newest epoch that is over. */
  livesEnded: { ended: readonly (readonly [nodeId: string, epoch: number])[] }
  /** The store is short of room: give up what nobody uses. */
  shedMemory: object
  /** Somebody waits for what an actor or a stream of yours holds: find what nobody has any more.
   *  With a class, to the home of its owner: only if somebody there waits for what it holds. */
  collectHandles: { classId?: number }
  /** Answered by `blocked` once more, or by `unblocked`. */
  checkWait: { waitId: number; check?: number }
  deadlock: { waitId: number; chain: readonly string[] }
  startActor: {
    spec: ActorSpec
    incarnation: number
    gpuIds: readonly number[]
    resources: ResourceSet
  }
  exit: { reason: string }
  output: { lines: readonly OutputLine[] }
  tokensGranted: { name: string; count: number }
  /** Others use a limiter of that name with other numbers. */
  tokensRefused: { name: string; error: WireError }
}

export interface OutputLine {
  readonly name: string
  readonly pid: number
  readonly stream: 'stdout' | 'stderr'
  readonly text: string
}
