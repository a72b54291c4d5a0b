// Who submits: the driver's main program or one running task. Children are counted per scope, so
// that their ids depend on nothing else (ids.ts, D1). A scope also carries what runtimeContext()
// tells, and what is cancelled with the task.
import { taskIdOf, type ActorId, type JobId, type TaskId } from '../common/ids.ts'
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
  readonly wasRestarted?: boolean
  readonly resources: ResourceSet
  readonly gpuIds: readonly number[]
  readonly mode: 'driver' | 'worker'
  readonly coreWorker: CoreWorker
  /** Set in tasks of a group that captures its children. */
  readonly captured?: WireStrategy
}

export class Scope {
  readonly parts: ScopeParts
  readonly abort = new LazyAbort()
  /** Pending tasks submitted here: what a recursive cancel reaches. Only kept inside tasks. */
  readonly children: Set<TaskRecord> | undefined
  nextTask = 0
  nextPut = 0
  nextActor = 0
  #taskId: TaskId | undefined

  constructor(parts: ScopeParts) {
    this.parts = parts
    this.#taskId = parts.taskId
    this.children = parts.mode === 'worker' ? new Set() : undefined
  }

  childTaskId(index: number): TaskId {
    return taskIdOf(this.parts.hash, this.taskId, index)
  }

  get taskId(): TaskId {
    return (this.#taskId ??= taskIdOf(
      this.parts.hash,
      this.parts.parent as TaskId,
      this.parts.index as number,
    ))
  }
}

/** An AbortController made when somebody looks at its signal. A class: one is made per task, and
 *  an object literal with a getter and closures costs ten times as much. */
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
