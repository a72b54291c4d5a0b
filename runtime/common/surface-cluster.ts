// Public types: the cluster, its nodes, placement groups, and what a task knows about itself.
// Ids are lower-case hex.
import type { Resources } from './surface-options.ts'

/** A connection to a cluster. `await using cluster = await init()` shuts down at the end. */
export interface Cluster extends AsyncDisposable {
  /** What another driver's `init({ address })` takes. */
  readonly address: string
  readonly jobId: string
  readonly namespace: string
}

/** One node, as `nodes` tells. */
export interface NodeInfo {
  readonly nodeId: string
  /** The raylet's process. */
  readonly pid: number
  readonly address: string
  /** Until the GCS has declared it dead, as in Ray: for up to 21 s after its machine was lost. */
  readonly alive: boolean
  /** It is alive by the GCS's word, and does not answer. Nothing new is sent there. */
  readonly suspected: boolean
  readonly state: 'ALIVE' | 'DRAINING' | 'DEAD'
  readonly isGcsHost: boolean
  /** What it has in all. */
  readonly resources: Resources
  /** What is free now. */
  readonly available: Resources
  /** What a labelSelector is matched with: those given, and `virga.io/node-id`, its own id. */
  readonly labels: Readonly<Record<string, string>>
  /** Grows with each life of the node; messages with an older one are refused. */
  readonly epoch: number
}

/** Resources reserved together. Travels in values. */
export interface PlacementGroup {
  readonly id: string
  readonly bundles: readonly Resources[]
  /** @throws InfeasibleError; GetTimeoutError after timeoutMs; PlacementGroupRemovedError. */
  ready(o?: { timeoutMs?: number }): Promise<void>
  /** Whether it is reserved within timeoutMs; 0 polls. */
  wait(timeoutMs: number): Promise<boolean>
  /** Give the resources back and kill what runs in it: on other nodes a moment after this resolves,
   *  as they are told. May be repeated. */
  remove(): Promise<void>
}

/** Where this code runs: what `runtimeContext()` gives. */
export interface RuntimeContext {
  readonly mode: 'driver' | 'worker'
  readonly jobId: string
  readonly nodeId: string
  readonly workerId: string
  /** Absent in the driver's main program. */
  readonly taskId?: string
  /** Absent outside actors. */
  readonly actorId?: string
  readonly namespace: string
  /** 0 for the first attempt of the task. */
  readonly attempt: number
  /** Whether the actor lived before. */
  readonly wasRestarted: boolean
  /** What the lease holds. */
  readonly resources: Resources
  /** Indices of the GPUs assigned, as in CUDA_VISIBLE_DEVICES. */
  readonly gpuIds: readonly number[]
  /** The same in every attempt of the task: give it to outside systems that take one. */
  readonly idempotencyKey: string
  /** Aborted when the task is cancelled or its node is about to go. */
  readonly signal: AbortSignal
}

/** At most one of the two need be given. */
export interface LimiterOptions {
  /** Tasks that run at once, of all drivers and workers of the cluster. */
  concurrency?: number
  /** Tasks that start in any second, of all drivers and workers of the cluster. */
  perSecond?: number
}
