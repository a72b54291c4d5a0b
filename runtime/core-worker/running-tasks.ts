// What runs in this worker, by owner and seq: whom a message about a running task reaches.
// Invariants:
//   RT1. A task is here from when it outlives the call that started it until it has ended: no
//        message can come about a shorter one.
//   RT2. Cancelling ends nothing by itself: the task is told, and is answered once it has ended.
import { TaskCancelledError, type TaskTimeoutError } from '../common/errors.ts'
import type { PeerNotices } from '../protocol/peer-messages.ts'
import { timeoutError } from './failure.ts'
import type { Peer } from './peers.ts'
import type { PushedTask } from './pushed-task.ts'
import type { Scope } from './scope.ts'

export interface RunningTasksDeps {
  /** Cancels what a task has submitted. */
  cancelChildren(task: PushedTask, force: boolean): void
}

export class RunningTasks {
  readonly #deps: RunningTasksDeps
  /** At most the limits of the concurrency groups, together. */
  readonly #byOwner = new Map<Peer, Map<number, PushedTask>>()

  constructor(deps: RunningTasksDeps) {
    this.#deps = deps
  }

  add(task: PushedTask): void {
    let tasks = this.#byOwner.get(task.peer)
    if (tasks === undefined) {
      tasks = new Map()
      this.#byOwner.set(task.peer, tasks)
    }
    tasks.set(task.seq, task)
    task.isTracked = true
  }

  delete(task: PushedTask): void {
    this.#byOwner.get(task.peer)?.delete(task.seq)
    this.#forgetIfUnused(task.peer)
  }

  cancel(owner: Peer, { seq, timedOut, recursive, force }: PeerNotices['cancelTask']): void {
    const task = this.#byOwner.get(owner)?.get(seq)
    if (task === undefined) return
    const { name, timeoutMs = Infinity } = task.template
    if (recursive) this.#deps.cancelChildren(task, force)
    stop(task, timedOut === true ? timeoutError(name, timeoutMs) : cancelledRun(task))
  }

  /** The task that runs in `scope`. */
  in(scope: Scope): PushedTask | undefined {
    for (const tasks of this.#byOwner.values()) {
      for (const task of tasks.values()) if (task.scope === scope) return task
    }
    return undefined
  }

  streamAck(owner: Peer, { seq, consumed }: PeerNotices['streamAck']): void {
    this.#byOwner.get(owner)?.get(seq)?.producer?.acknowledge(consumed)
  }

  /** Nobody wants the results of any. @returns them. */
  abandon(): PushedTask[] {
    for (const owner of [...this.#byOwner.keys()]) this.ownerGone(owner)
    return [...this.#byOwner.values()].flatMap((each) => [...each.values()])
  }

  /** Whether any that holds a token of a limiter runs for that owner. */
  hasLimited(owner: Peer): boolean {
    const tasks = [...(this.#byOwner.get(owner)?.values() ?? [])]
    return tasks.some(({ template }) => template.limit !== undefined)
  }

  /** Nobody wants the results of its tasks. They are known until they have ended. */
  ownerGone(owner: Peer): void {
    for (const task of this.#byOwner.get(owner)?.values() ?? []) {
      if (task.cancelled === undefined) stop(task, cancelledRun(task))
    }
    this.#forgetIfUnused(owner)
  }

  #forgetIfUnused(owner: Peer): void {
    if (owner.closed && this.#byOwner.get(owner)?.size === 0) this.#byOwner.delete(owner)
  }
}

/** Its function is told by runtimeContext().signal, and ends when it likes (RT2). */
function stop(task: PushedTask, error: TaskCancelledError | TaskTimeoutError): void {
  task.cancelled = error
  task.producer?.stop()
  task.scope?.abort.abort(error)
}

function cancelledRun({ template }: PushedTask): TaskCancelledError {
  return new TaskCancelledError(`${template.name} was cancelled`)
}
