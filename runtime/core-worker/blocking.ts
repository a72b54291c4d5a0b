// Tasks that wait: their worker gives its CPU back, hands unstarted tasks to others, and is part of
// the raylet's picture of who waits for whom. Source: Ray NotifyDirectCallTaskBlocked.
import { DeadlockError } from '../common/errors.ts'
import type { TaskId } from '../common/ids.ts'
import type { Waiting } from '../protocol/messages.ts'
import type { CoreWorker } from './core-worker.ts'
import type { ObjectEntry } from './object-entry.ts'

/** Of a wait on more objects, the first are told: enough to find a ring. */
const WAITING_ON_MAX = 1000

export class Blocking {
  readonly #worker: CoreWorker
  readonly #failing = new Map<number, (error: Error) => void>()
  #nextWait = 1

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /**
   * Reports this task as blocked on these entries until the result is called.
   * @param fail  told of a deadlock; absent for waits that end by themselves.
   */
  block(entries: readonly ObjectEntry[], fail?: (error: Error) => void): () => void {
    const { raylet, context } = this.#worker.deps
    raylet.hold(1)
    const scope = context.current()
    const mayBlock = scope?.parts.mode === 'worker' && entries.length > 0
    if (!mayBlock) {
      return () => {
        raylet.hold(-1)
      }
    }
    const waitId = this.#nextWait++
    const { taskId } = scope
    const { actorId, name, limit } = scope.parts
    if (fail !== undefined) this.#failing.set(waitId, fail)
    this.#worker.execution?.executor.handBack()
    raylet.notify('blocked', {
      waitId,
      taskId,
      name,
      on: fail === undefined ? [] : this.#waitingOn(entries),
      ...(actorId === undefined ? {} : { actorId }),
      ...(limit === undefined ? {} : { limit }),
    })
    return () => {
      raylet.hold(-1)
      this.#failing.delete(waitId)
      raylet.notify('unblocked', { waitId, taskId })
    }
  }

  deadlock(waitId: number, chain: readonly string[]): void {
    this.#failing.get(waitId)?.(
      new DeadlockError(
        `these wait for each other and would for ever: ${chain.join(' → ')}. Return the ref ` +
          'instead of awaiting it, or give the actor a higher maxConcurrency, the limiter more ' +
          'concurrency.',
        { data: { chain } },
      ),
    )
  }

  failAll(error: Error): void {
    for (const fail of [...this.#failing.values()]) fail(error)
  }

  #waitingOn(entries: readonly ObjectEntry[]): Waiting[] {
    return entries.slice(0, WAITING_ON_MAX).map((entry) => {
      const kind = entry.task?.kind
      const taskId = this.#worker.references.idOf(entry).slice(0, 16) as TaskId
      const limit = kind?.limit === undefined ? {} : { limit: kind.limit.name }
      const waiting = { taskId, name: kind?.name ?? 'a borrowed object', ...limit }
      if (kind?.actorId === undefined) return waiting
      return { ...waiting, actorId: this.#worker.realActorId(kind.actorId) }
    })
  }
}
