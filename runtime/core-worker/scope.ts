// Who submits: the driver's main program or one running task. Children are counted per scope, so
// that their ids depend on nothing else (ids.ts, D1). A scope also carries what runtimeContext()
// tells, and what is cancelled with the task.
import { taskIdIn, taskIdOf, type ActorId, type JobId, type TaskId } from '../common/ids.ts'
import type { Hash } from '../common/random.ts'
import type { ResourceSet } from '../common/resources.ts'
import type { WireStrategy } from '../protocol/messages.ts'
import type { CoreWorker } from './core-worker.ts'
import type { TaskRecord } from './task-record.ts'

export interface ScopeParts {
  readonly jobId: JobId
  readonly hash: Hash
  /** A known id (the driver's), or parent and index to derive it from. */
  readonly taskId?: TaskId
  readonly parent?: TaskId
  readonly index?: number
  readonly name: string
  readonly attempt: number
  readonly actorId?: ActorId
  readonly concurrencyGroup?: string
  readonly wasRestarted?: boolean
  readonly resources: ResourceSet
  readonly gpuIds: readonly number[]
  readonly mode: 'driver' | 'worker'
  readonly coreWorker: CoreWorker
  /** The limiter whose token it holds. */
  readonly limit?: string
  /** Set in tasks of a group that captures its children. */
  readonly captured?: WireStrategy
  /** Of a detached actor, or what works for one: what it makes outlives their driver. */
  readonly ofDetached?: boolean
  /** Of the actor that another job has called: what it makes meanwhile is its own, and of its job. */
  readonly makesIn?: JobId
}

/** A running task: what its scope tells is gathered when somebody asks. */
export interface ScopeSource {
  scopeParts(): ScopeParts
}

/** One is made per task, and most tasks end before anybody has looked at more than its identity:
 *  everything but the counters is made at first need. */
export class Scope {
  /** Pending tasks submitted here: what a recursive cancel reaches. Only kept inside tasks. */
  children: Set<TaskRecord> | undefined
  nextTask = 0
  nextPut = 0
  nextActor = 0
  #parts: ScopeParts | undefined
  readonly #source: ScopeSource | undefined
  #taskId: TaskId | undefined
  #abort: LazyAbort | undefined

  constructor(parts: ScopeParts | undefined, source?: ScopeSource) {
    this.#parts = parts
    this.#source = source
    this.#taskId = parts?.taskId
  }

  get parts(): ScopeParts {
    this.#parts ??= this.#source?.scopeParts()
    if (this.#parts === undefined) throw new Error('a scope was made of nothing')
    return this.#parts
  }

  get abort(): LazyAbort {
    return (this.#abort ??= new LazyAbort())
  }

  /** A task was submitted here. */
  adopt(record: TaskRecord): void {
    if (this.#source === undefined && this.parts.mode !== 'worker') return
    this.children ??= new Set()
    this.children.add(record)
  }

  childTaskId(index: number): TaskId {
    return taskIdOf(this.parts.hash, this.makerId, index)
  }

  /** Of which the ids of all that it makes are derived: they end in the job that those are of. */
  get makerId(): TaskId {
    const { makesIn } = this.parts
    return makesIn === undefined ? this.taskId : taskIdIn(this.taskId, makesIn)
  }

  get taskId(): TaskId {
    return (this.#taskId ??= taskIdOf(
      this.parts.hash,
      this.parts.parent as TaskId,
      this.parts.index as number,
    ))
  }
}

/** An AbortController made when somebody looks at its signal. */
class LazyAbort {
  #controller: AbortController | undefined

  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal
  }

  abort(reason: unknown): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }
}

const NOT_OF_DETACHED = {}

/** Of what is made in a scope. */
export const ofDetachedIn = ({ parts }: Scope): { readonly ofDetached?: true } =>
  parts.ofDetached === true ? { ofDetached: true } : NOT_OF_DETACHED
