// What the brain of one node knows: plain data without methods, changed by step() alone.
// A lease is the right to use a worker and some resources: tasks have one per leased worker, an
// actor has one of its own. A scheduling class is one kind of demand of one client.
//   wanted by a class or actor → Lease without worker (resources held) → Lease with worker → ended
// The invariants over all of it are in check.ts.
// Source: Dask worker_state_machine.py (shape); Ray local_lease_manager.h (steps of a lease).
import type { VirgaError } from '../common/errors.ts'
import type { ActorId, JobId, LeaseId, NodeId, TaskId, WorkerId } from '../common/ids.ts'
import { DEAD_ACTOR_IDS_MAX, DEAD_ACTORS_MAX } from '../common/limits.ts'
import { RecentSet } from '../common/recent-set.ts'
import { ResourceLedger, type Allocation } from '../common/resource-ledger.ts'
import type { MemoryUse } from '../common/memory-use.ts'
import type { ResourceSet } from '../common/resources.ts'
import type {
  ClassSpec,
  JobSpec,
  Role,
  Waiting,
  WireRuntimeEnv,
  WorkerExit,
} from '../protocol/messages.ts'
import type { Actor } from './actors/actor-state.ts'
import { newActorsOfNodes } from './actors/actors-of-nodes.ts'
import type { FoundActor } from './actors/found-actors.ts'
import type { ClusterParts, ClusterState, RemoteLease } from './cluster/cluster-state.ts'
import { newWaitsOfNodes } from './deadlocks/waits-of-nodes.ts'
import { createClusterGroups } from './groups/group-state.ts'
import { newLimitersOfNodes } from './limiters/limiters-of-nodes.ts'
import type { Limiter } from './limiters/token-bucket.ts'
import type { Bundle, Group } from './groups/group.ts'

/** What the node is and has; fixed for its life. */
export interface NodeConfig {
  readonly nodeId: NodeId
  readonly epoch: number
  readonly totals: ResourceSet
  readonly labels: Readonly<Record<string, string>>
  /** CPUs in whole numbers: how many workers are started ahead and kept idle. */
  readonly cpuCount: number
  readonly workersMax: number
  /** Made by one driver: leaves when that driver leaves. */
  readonly owned: boolean
  /** It holds the GCS in its memory. */
  readonly isGcsHost: boolean
}

/** A process with a core-worker that is connected to this raylet. */
export interface Client {
  readonly id: WorkerId
  readonly role: Role
  readonly address: string
  readonly pid: number
  readonly jobId: JobId | undefined
  /** Classes this client asked leases for, by its own numbers. */
  readonly classes: Map<number, SchedulingClass>
  /** Leases it holds as owner. */
  readonly leases: Set<Lease>
  /** A core-worker of another node: the connection of its home by which it is known (guests.ts). */
  readonly link?: number
  /** Other nodes that may know it as a guest. UNSURE: it may have to be introduced again. */
  readonly knownAt: Map<string, 'TOLD' | 'UNSURE'>
}

export interface Job {
  readonly jobId: JobId
  readonly spec: JobSpec
  readonly driver: WorkerId
  /** The other node, in hex, that drives it; undefined: a process of this node does. */
  readonly drivenAt: string | undefined
  readonly startedAtMs: number
  endedAtMs: number | undefined
  /** Its driver is gone and nothing of it is detached: nothing of it is started any more. */
  isWindingDown: boolean
  /** It was said to have: that a connection to its node has closed is no such word (GU3). */
  driverEnded: boolean
  /** No detached actor of it is left anywhere (EJ1). */
  isOverEverywhere: boolean
  /** Its workers import the entry before any other module: see the notice of that name. */
  entryFirst: boolean
  /** Whose turn it is within the job: scheduling classes and the queue of actors, in order. */
  readonly turns: Set<SchedulingClass | 'ACTORS'>
  /** Actors that wait for a lease, first come first. */
  readonly pendingActors: Set<Actor>
  /** How many leases its classes and actors hold. */
  leaseCount: number
}

export interface SchedulingClass {
  readonly client: WorkerId
  readonly classId: number
  readonly jobId: JobId
  /** As its owner gave it, without the nodes that have refused it since (OL6). */
  spec: ClassSpec
  readonly shape: string
  /** How many leases its owner could use, held ones included. */
  wanted: number
  readonly leases: Set<Lease>
  waitingSinceMs: number
  /** On other nodes; at most what is wanted, as `leases`. */
  readonly remote: Set<RemoteLease>
  /** By node, how many are asked of it and not granted yet. */
  readonly asked: Map<string, number>
  /** The node in whose turn it waits for its first lease, which is counted as asked there. */
  waitsAt: string | undefined
  /** Where there are several nodes: how many placement left to this one in this step. */
  here: number
  /** By node that holds bundles of its group, how many leases it was told to be wanted there. */
  told: Map<string, number> | undefined
}

/**
 * STARTING until it said hello. EXITING: told to, and killed at exitByMs. RETIRED: it takes
 * no more work, and ends once nobody needs what it owns.
 */
export type WorkerPhase = 'STARTING' | 'IDLE' | 'LEASED' | 'RETIRED' | 'EXITING'

export interface Worker {
  readonly workerId: WorkerId
  readonly jobId: JobId
  readonly pool: Pool
  /** Changed by setPhase of pools.ts alone. */
  phase: WorkerPhase
  pid: number
  address: string
  lease: Lease | undefined
  readonly startedAtMs: number
  idleSinceMs: number
  /** When it is killed unless it did what it was asked for: register or exit. */
  deadlineMs: number | undefined
  cause: WorkerExit['cause'] | undefined
  /** Who used the memory that it was ended for. */
  memory: MemoryUse | undefined
  /** Set when it was asked to leave for nothing but its having no work: it may stay, if it owns
   *  objects. */
  mayStay: boolean
  /** It has said that it does. */
  stays: boolean
  /** It takes no more work: RETIRED, and EXITING after that. */
  isRetired: boolean
  /** It owns what others may hold. */
  isOwner: boolean
  rssBytes: number
}

/** What a worker must be: workers of one pool replace each other. */
export interface Pool {
  readonly key: string
  readonly jobId: JobId
  readonly env: WireRuntimeEnv | undefined
  /** Threads that native libraries may use. */
  readonly cpus: number
  readonly inspect: boolean
  /** How many are started ahead of demand: spares.ts. */
  sparesWanted: number
  /** Kept by pools.ts: workers with nothing to do, the one used last at the end. */
  readonly idle: Worker[]
  /** When one ended because it was idle: surplus.ts. */
  idleEndedAtMs: number
  /** Its idle workers are kept for longer. */
  keepsIdle: boolean
  /** How many are being started. */
  starting: number
  /** Kept by pools.ts: workers that take no more work. */
  retired: number
  /** How many in a row ended before they registered. */
  startFailures: number
  /** Its leases that wait for a worker, oldest first. */
  readonly workerless: Set<Lease>
  /** How many of those were made since workers were last attached. */
  newLeases: number
  /** How many of its tasks' leases wait in `get`. */
  blocked: number
}

export interface Lease {
  readonly leaseId: LeaseId
  readonly jobId: JobId
  readonly spec: ClassSpec
  readonly pool: Pool
  readonly bundle: Bundle | undefined
  /** Exactly one of the two holds it. */
  readonly class: SchedulingClass | undefined
  readonly actor: Actor | undefined
  readonly allocation: Allocation
  worker: Worker | undefined
  grantedAtMs: number
  reclaimed: boolean
  /** The reason (reason.ts) of its running task's failure when its worker has ended; it is not
   *  tried again. */
  endsWith: VirgaError | undefined
  /** Its tasks that wait in `get`: while there are any, its CPUs are given back. */
  readonly waits: Set<Wait>
}

/** A task that waits: in `get` for others, before it begins, or for the reader of its stream. */
export interface Wait {
  readonly client: WorkerId
  readonly waitId: number
  readonly taskId: TaskId
  readonly actorId: ActorId | undefined
  /** The limiter whose token the waiting task holds. */
  readonly limit: string | undefined
  /** The concurrency group whose place it takes. */
  readonly group: string | undefined
  readonly name: string
  /** A task that has not begun, and what it waits for: told while somebody waits for it. */
  readonly isDependency: boolean
  /** It gives a stream, and waits for its reader. */
  readonly forReader: boolean
  on: readonly Waiting[]
  /** How many of those must end. */
  need: number
  readonly sinceMs: number
  readonly lease: Lease | undefined
  /** When its process said last what it is on, after having been asked. */
  confirmedAtMs: number
  reported: boolean
}

export interface RayletState {
  readonly config: NodeConfig
  readonly ledger: ResourceLedger
  /** Connected processes, with what they want or hold (R10). */
  readonly clients: Map<WorkerId, Client>
  /** In the order of whose turn is next; gone with the last worker once the driver has left. */
  readonly jobs: Map<JobId, Job>
  /** At most workersMax, and the retired (R5). */
  readonly workers: Map<WorkerId, Worker>
  /** Those in use, and as many others as there may be workers. */
  readonly pools: Map<string, Pool>
  /** Bounded by the node's resources, but for demands of nothing: those by what is wanted. */
  readonly leases: Map<LeaseId, Lease>
  /** Undefined where the cluster is this node alone. */
  readonly cluster: ClusterState | undefined
  /** Leases of this node's processes on other nodes, by their own number and by node and number
   *  there. */
  readonly remoteLeases: Map<LeaseId, RemoteLease>
  readonly remoteByKey: Map<string, RemoteLease>
  /** Those that programs made and hold, and DEAD_ACTORS_MAX dead ones. */
  readonly actors: Map<ActorId, Actor>
  /** Of these, by job, those that are not DEAD (R11). */
  readonly livingActors: Map<JobId, Set<Actor>>
  /** Connected processes by actor that lives or is to be made. */
  readonly watchers: Map<ActorId, Set<WorkerId>>
  /** The newest dead ones, which are still among `actors`: late callers hear why. */
  readonly deadActors: RecentSet<ActorId>
  /** Those that died before them, by their ids alone. */
  readonly forgottenActors: RecentSet<ActorId>
  /** Killed before their creators had made them: they wait for the arguments of constructors. */
  readonly killedUnmade: RecentSet<ActorId>
  /** By the id of the actor that was not made, because getIfExists found another. */
  readonly foundActors: Map<ActorId, FoundActor>
  /** Until removed, or their job has ended. */
  readonly groups: Map<string, Group>
  /** In use by a connected process, or by one of `ownerless`. */
  readonly limiters: Map<string, Limiter>
  /** Processes that are gone, and when the tokens that they held come back; the next one first. */
  readonly ownerless: Map<WorkerId, number>
  /** By client and waitId: tasks of connected processes that wait. */
  readonly waits: Map<string, Wait>
  /** Of these, those that wait for the reader of their stream. */
  readonly unread: Set<Wait>
  nextLeaseId: number
  nextWorkerIndex: number
  /** When step wants a tick, at the latest; Infinity for never. */
  wakeAtMs: number
  deadlockCheckAtMs: number | undefined
  /** When the owners of actors may be asked again to let go of garbage. */
  collectNotBeforeMs: number
  /** When the waits were looked at last, and those that were stuck asked again. */
  deadlockLookedAtMs: number
  /**
   * Nothing is granted from then on, in monotonic time, unless the GCS confirms this node before
   * (GL1); Infinity where the cluster is this node alone.
   */
  leaseUntilMs: number
  /** Whether that was over at the last step. */
  fenced: boolean
  /** It does not get the time it needs; and others go elsewhere for that: slow-node.ts. */
  isSlow: boolean
  isAvoided: boolean
  /** Nothing new is taken; leaving follows when what runs has ended: drain.ts. */
  draining: boolean
  /** Until then, in monotonic time, what runs may end, and this node stays. */
  drainEndsAtMs: number
  leaving: boolean
}

export function createState(config: NodeConfig, cluster?: ClusterParts): RayletState {
  const ledger = new ResourceLedger(config.totals)
  return {
    config,
    cluster: cluster && {
      ...cluster,
      shortOf: [],
      groups: createClusterGroups(ledger),
      actors: newActorsOfNodes(),
      waits: newWaitsOfNodes(),
      limiters: newLimitersOfNodes(),
    },
    remoteLeases: new Map(),
    remoteByKey: new Map(),
    ledger,
    clients: new Map(),
    jobs: new Map(),
    workers: new Map(),
    pools: new Map(),
    leases: new Map(),
    actors: new Map(),
    livingActors: new Map(),
    watchers: new Map(),
    deadActors: new RecentSet(DEAD_ACTORS_MAX),
    forgottenActors: new RecentSet(DEAD_ACTOR_IDS_MAX),
    killedUnmade: new RecentSet(DEAD_ACTORS_MAX),
    foundActors: new Map(),
    groups: new Map(),
    limiters: new Map(),
    ownerless: new Map(),
    waits: new Map(),
    unread: new Set(),
    nextLeaseId: 1,
    nextWorkerIndex: 1,
    wakeAtMs: Infinity,
    deadlockCheckAtMs: undefined,
    collectNotBeforeMs: 0,
    deadlockLookedAtMs: Infinity,
    // A node of several grants nothing before the GCS has confirmed it once.
    leaseUntilMs: cluster === undefined ? Infinity : -Infinity,
    fenced: cluster !== undefined,
    isSlow: false,
    isAvoided: false,
    draining: false,
    drainEndsAtMs: Infinity,
    leaving: false,
  }
}
