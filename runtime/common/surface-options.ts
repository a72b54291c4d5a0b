// Public types: the options of tasks, actors, calls and the cluster. All amounts of resources are
// logical, in steps of 0.0001; names end in their unit. What is refused, and the words it is
// refused with, is in options.ts.
// Source: Ray python/ray/_common/ray_option_utils.py for the options and their defaults.
import type { AnyClass, AnyFn, IsAny } from './surface-refs.ts'

/** Amounts by name: CPU and GPU in units, memory in bytes, custom resources in units. */
export interface Resources {
  CPU?: number
  GPU?: number
  memory?: number
  [custom: string]: number | undefined
}

/** What a worker needs around the code. */
export interface RuntimeEnv {
  /** Added to the driver's environment. Some names are refused: InvalidEnvError. */
  envVars?: Record<string, string>
  /** Folder the worker starts in. Default: the driver's. */
  workingDir?: string
  /** npm packages to install first, as `name@version`. */
  npm?: string[]
  /** Patterns of files in workingDir that do not travel. */
  excludes?: string[]
}

declare const affinity: unique symbol
declare const strategy: unique symbol
declare const limiterBrand: unique symbol
/** Made by `nodeAffinity`. */
export interface NodeAffinity {
  readonly [affinity]: true
}
/** Made by `inPlacementGroup`. */
export interface PlacementGroupStrategy {
  readonly [strategy]: true
}
/** Made by `limiter`: how many tasks run at once, or start per second, in the cluster. */
export interface Limiter {
  readonly [limiterBrand]: true
}

/** A class of errors, for `retryExceptions`. */
export type ErrorClass = abstract new (...args: never) => Error

/** Options of whatever takes a place in the cluster: tasks and actors. */
export interface Placed {
  /** Shown in logs and states. Of an actor: the name that `getActor` finds. */
  name?: string
  /** Default 1 for a task; an actor needs 1 to be placed and holds 0. */
  numCpus?: number
  /** Below 1: a share of one GPU. From 1 on: whole GPUs. Default 0. */
  numGpus?: number
  /** Bytes of heap reserved, and watched by the raylet. Default: none. */
  memoryBytes?: number
  /** Custom resources by name. */
  resources?: Record<string, number>
  /** Only nodes with this kind of GPU: `NVIDIA_A10G`. */
  acceleratorType?: string
  /** Default 'DEFAULT': busy nodes are filled to one half, then spread. */
  schedulingStrategy?: 'DEFAULT' | 'SPREAD' | NodeAffinity | PlacementGroupStrategy
  /** Only nodes with these labels: `{ zone: 'in(a,b)', disk: '!slow' }`. */
  labelSelector?: Record<string, string>
  /** Tried in order when no node has labelSelector. */
  fallbackLabelSelectors?: Record<string, string>[]
  runtimeEnv?: RuntimeEnv
}

/** Generic in numReturns only, so that an unknown option never compiles. */
export interface TaskOptions<N extends number = number> extends Placed {
  /** How many values the result array holds, each a ref of its own. Default 1: the result. */
  numReturns?: N
  /** Attempts after the first when the worker or node dies; -1 for ever. Default 3. */
  maxRetries?: number
  /** Retry what the task throws, too: all, or these classes. Default false. */
  retryExceptions?: boolean | ErrorClass[]
  /** Milliseconds from the start of each attempt, then TaskTimeoutError. Default: none. */
  timeoutMs?: number
  /**
   * The worker exits after so many runs of this function, once nobody holds what it has put.
   * Default: never; 1 with GPUs.
   */
  maxCalls?: number
  /** Cancels every task submitted under it. */
  signal?: AbortSignal
  /** May run in Lambda when nodes are full. Default 'auto'. */
  burst?: 'auto' | 'always' | 'never'
  /** How many unread items a generator may be ahead. Default 64. */
  streamBufferSize?: number
  /** How many run at once, or start per second, on each node. */
  limit?: Limiter
  /** Open the worker's inspector, so that a breakpoint in the task is hit. Default false. */
  inspect?: boolean
}

/** Options of `map` and `mapSettled`. */
export interface MapOptions {
  /** Results in the order of the inputs. Default true. */
  ordered?: boolean
  /** Tasks under way at once. Default 4 times the cluster's CPUs, at least 16. */
  inFlight?: number
  /** Ends the iteration and cancels what is under way. */
  signal?: AbortSignal
}

/** Options of all calls of one method, given with its class. */
export interface MethodOption {
  /** The group of `concurrencyGroups` it runs in. Default: the actor's maxConcurrency. */
  concurrencyGroup?: string
  /** Values it returns, as an array of so many: a ref each. Default 1. */
  numReturns?: number
  /** Default: the actor's. */
  maxTaskRetries?: number
  /** What it throws may be tried again: all, or errors of these classes. Default false. */
  retryExceptions?: boolean | ErrorClass[]
}

// oxlint-disable-next-line typescript/no-wrapper-object-types -- the names of Object.prototype
type Hidden = `_${string}` | 'constructor' | 'then' | keyof Object
/** The names of public methods. Values stay plain, so that declarations never name the class. */
export type PublicNames<I> = {
  [K in keyof I]: K extends string
    ? K extends Hidden
      ? never
      : IsAny<I[K]> extends true
        ? never
        : I[K] extends AnyFn
          ? K
          : never
    : never
}[keyof I]
/** Options by name of the method. */
export type MethodOptions<C extends AnyClass> = {
  [K in PublicNames<InstanceType<C>>]?: MethodOption
}

/** Options of a class: `remote(Class, options)` and `options()`. */
export interface ActorOptions<
  C extends AnyClass = AnyClass,
  MO extends MethodOptions<C> = MethodOptions<C>,
> extends Placed {
  /** Where the name is unique. Default: the namespace of `init`. */
  namespace?: string
  /** Lives on without handles and after its creator, until `kill`. */
  lifetime?: 'detached'
  /** Give the living actor of that name, if there is one. Default false. */
  getIfExists?: boolean
  /** Incarnations after the first; -1 for ever. Default 0. */
  maxRestarts?: number
  /** Repeats of a call that a death interrupted; -1 for ever. Default 0: at most once. */
  maxTaskRetries?: number
  /** Calls under way at once, async methods included. Default 1. */
  maxConcurrency?: number
  /** Name to calls at once, for methods that must not wait for the others. */
  concurrencyGroups?: Record<string, number>
  /** Options of its methods, by name. */
  methods?: MO
  /** Calls of one handle that may pend, then PendingCallsLimitError; -1: no limit. Default -1. */
  maxPendingCalls?: number
}

/** Options of one method's calls, over those given with its class. */
export interface CallOptions<N extends number = number> {
  /** Values it returns, as an array of so many: a ref each. Default: the method's. */
  numReturns?: N
  /** Milliseconds one run may take, then TaskTimeoutError. Default: no limit. */
  timeoutMs?: number
  /** One of the actor's `concurrencyGroups`. Default: the method's. */
  concurrencyGroup?: string
  /** Default: the method's. */
  maxTaskRetries?: number
  /** Default: the method's. */
  retryExceptions?: boolean | ErrorClass[]
  /** Cancels the call when aborted. */
  signal?: AbortSignal
}

/** Options of `init`. */
export interface InitOptions {
  /**
   * Absent: VIRGA_ADDRESS, else the running cluster of `virga start`, else a new one.
   * 'local': always new. 'auto': must exist. '127.0.0.1:6379' or 'unix:...': that raylet.
   * 'aws://NAME?region=...': a deployed cluster. 'inline': this process, for unit tests.
   */
  address?: string
  /** CPUs of the new cluster's node. Default: the machine's. */
  numCpus?: number
  /** GPUs of the new cluster's node. Default: the machine's. */
  numGpus?: number
  /** Custom resources of the new cluster's node. */
  resources?: Record<string, number>
  /** Labels of the new cluster's node, for labelSelector. */
  labels?: Record<string, string>
  /** Bytes of heap that tasks may reserve. Default: what the machine has, less the store. */
  memoryBytes?: number
  /** Size of shared memory. Default: 30 % of the machine's memory. */
  objectStoreMemoryBytes?: number
  /** Leaves that find no local CPU go to that cluster's Lambda functions, up to that price. */
  overflow?: { to: string; maxUsd: number }
  /** Modules that workers import at start, beside those found by `remote`. */
  modules?: string[]
  /** Where names of actors are unique. Default: one of this job's own. */
  namespace?: string
  /** Shown for the job in `virga list jobs`. Default: the file name of the program. */
  jobName?: string
  /** Of all its workers; tasks and actors may add to it. */
  runtimeEnv?: RuntimeEnv
  /** Print what workers print. Default true. */
  logToDriver?: boolean
  /** Results are told only once their lineage is durable. Default false. */
  durable?: boolean
  /** A second `init` gives the cluster of the first. Default false: UsageError. */
  ignoreReinitError?: boolean
}

/** Options of `placementGroup`. */
export interface PlacementGroupOptions {
  /** Default 'PACK': few nodes, if they fit. */
  strategy?: 'PACK' | 'SPREAD' | 'STRICT_PACK' | 'STRICT_SPREAD'
  /** For people, and for `getPlacementGroup`: several may have the same. Default: its id. */
  name?: string
  /** Lives on after its creator, until `remove`. */
  lifetime?: 'detached'
}
