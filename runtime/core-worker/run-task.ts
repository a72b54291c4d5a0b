// One pushed task, from the function to the reply.
//   load function ─► decode arguments ─► run ─► encode result ─► reply
// Invariants:
//   TR1. A task is answered once (X1), then told as finished; one that moves away is neither, and
//        one that is abandoned is not answered.
//   TR2. A task that waits for nothing does all this within one call, and makes no promise.
//   TR3. Only what is about to run counts to maxCalls; a run moves the average once.
import { TaskTimeoutError } from '../common/errors.ts'
import type { Clock } from '../common/clock.ts'
import type { TaskTemplate } from '../protocol/peer-messages.ts'
import { asSystemFailure, isThrown, timeoutError } from './failure.ts'
import type { PushedTask } from './pushed-task.ts'
import type { ReplyWriter } from './reply-writer.ts'
import { Scope } from './scope.ts'

/** Above this a task counts as long: replies are flushed before it starts (X3). */
const LONG_RUN_MS = 0.5

/** Thrown by `load`: the module waits in init() before it has registered the function. */
export class NeedsEntryFirst extends Error {}

/** What runs: a function of a module, or a method of this worker's actor. */
export type Runnable = (...args: unknown[]) => unknown

/** When a task began and ended, on the monotonic clock. */
export interface RunTimes {
  readonly startMs: number
  readonly endMs: number
}

export interface TaskRunnerDeps {
  readonly clock: Clock
  readonly replies: ReplyWriter
  /** The function of a template; loads its module at first need. */
  load(template: TaskTemplate): Runnable | Promise<Runnable>
  decodeArguments(task: PushedTask): unknown[] | Promise<unknown[]>
  runIn<T>(scope: Scope, run: () => T): T
  stream(task: PushedTask, items: unknown): Promise<void>
  finished(task: PushedTask, times: RunTimes, failed: boolean): void
  /** What to report for something thrown: exitActor() is no failure of the user's. */
  failing(task: PushedTask, error: unknown): unknown
  /** Ends this worker once it has run a function maxCalls times. */
  retire(task: PushedTask): void
}

/** What the runner asks of the executor it runs tasks for. */
export interface RunnerHost {
  /** @throws what the task fails with, where it may not run here. */
  check(template: TaskTemplate): void
  /** It was tracked, and has ended. */
  untrack(task: PushedTask): void
  /** It has not begun, and cannot here. */
  moveAway(task: PushedTask): void
}

export class TaskRunner {
  readonly #deps: TaskRunnerDeps
  readonly #host: RunnerHost
  /** By function that has a maxCalls. */
  readonly #calls = new Map<string, number>()
  /** When the last task ended, on the monotonic clock. */
  endedAtMs = 0
  #interrupted = false
  #isAbandoned = false

  constructor(deps: TaskRunnerDeps, host: RunnerHost) {
    this.#deps = deps
    this.#host = host
  }

  /** Starts one task; undefined when it ended within the call. */
  start(task: PushedTask, startMs: number): Promise<void> | undefined {
    const deps = this.#deps
    const expectedMs = task.timing.averageMs
    if (expectedMs === undefined || expectedMs > LONG_RUN_MS) deps.replies.flush()
    try {
      const loaded = deps.load(task.template)
      // Decoded once the module is there: it registers the classes that the arguments may have.
      const args =
        loaded instanceof Promise
          ? loaded.then(() => deps.decodeArguments(task))
          : deps.decodeArguments(task)
      if (!(loaded instanceof Promise) && !(args instanceof Promise)) {
        const result = this.#run(task, loaded, args)
        if (!isThenable(result) && !task.template.streaming) {
          return this.#succeed(task, result, startMs)
        }
        return this.#settle(task, Promise.resolve(result), startMs)
      }
      return this.#settle(
        task,
        Promise.all([loaded, args]).then(([run, values]) => this.#run(task, run, values)),
        startMs,
      )
    } catch (error) {
      this.#fail(task, error, startMs)
      return undefined
    }
  }

  /** It fails with `error`, though its function goes on: this process ends, and nothing else that
   *  outlived its start is answered (TR1). */
  interrupt(task: PushedTask, error: unknown): void {
    if (this.#interrupted) return
    this.#interrupted = true
    this.#deps.replies.answeredOtherwise(task)
    this.#fail(task, error, task.beganMs)
  }

  /** What runs has been told to end, and its owner has it run elsewhere: it is not answered (TR1). */
  abandon(): void {
    this.#isAbandoned = true
  }

  #run(task: PushedTask, run: Runnable, args: unknown[]): unknown {
    const scope = new Scope(undefined, task)
    task.scope = scope
    if (task.cancelled !== undefined) throw task.cancelled
    if (task.template.concurrencyGroup !== undefined) this.#host.check(task.template)
    if (task.template.reportStart) {
      task.beganMs = this.#deps.clock.monotonicMs()
      task.peer.with((channel) => {
        channel.notify('started', { seq: task.seq })
        channel.flush() // a task that blocks the event loop must still be timed
      })
    }
    if (task.template.maxCalls !== undefined) this.#count(task, task.template.maxCalls)
    const result = this.#deps.runIn(scope, () => run(...args))
    if (!task.template.streaming) return result
    return this.#deps.runIn(scope, () => this.#deps.stream(task, result))
  }

  async #settle(task: PushedTask, result: Promise<unknown>, startMs: number): Promise<void> {
    if (!task.template.reportStart) task.beganMs = startMs
    try {
      const value = await result
      if (this.#interrupted) return
      await this.#succeed(task, value, startMs)
    } catch (error) {
      if (!this.#interrupted) this.#fail(task, error, startMs)
    }
  }

  #succeed(task: PushedTask, value: unknown, startMs: number): Promise<void> | undefined {
    const micros = this.#measure(task, startMs)
    let replying: Promise<void> | undefined
    const late = task.template.timeoutMs === undefined ? undefined : this.#overrun(task)
    if (late !== undefined) {
      this.#fail(task, late, startMs, micros)
      return undefined
    }
    if (task.cancelled !== undefined) this.#cancelled(task)
    else if (task.template.streaming) replying = this.#deps.replies.nothing(task, micros)
    else replying = this.#deps.replies.value(task, value, micros)
    if (replying === undefined) {
      this.#end(task, startMs, false)
      return undefined
    }
    return replying.then(
      () => {
        if (!this.#interrupted) this.#end(task, startMs, false)
      },
      (error: unknown) => {
        if (!this.#interrupted) this.#fail(task, error, startMs, micros)
      },
    )
  }

  /** @param measured  how long it ran, where that has been noted already, in microseconds. */
  #fail(task: PushedTask, error: unknown, startMs: number, measured?: number): void {
    if (isThrown(error, NeedsEntryFirst) && task.cancelled === undefined) {
      this.endedAtMs = this.#deps.clock.monotonicMs()
      this.#host.moveAway(task)
      return
    }
    const micros = measured ?? this.#measure(task, startMs)
    // One that ran too long is told as such: its owner may be waiting for that to try it again.
    const { cancelled } = task
    const wasCancelled = cancelled !== undefined && !(cancelled instanceof TaskTimeoutError)
    if (wasCancelled) this.#cancelled(task)
    else this.#deps.replies.failed(task, this.#failure(task, error), micros)
    this.#end(task, startMs, true)
  }

  #cancelled(task: PushedTask): void {
    if (!this.#isAbandoned) this.#deps.replies.cancelled(task)
  }

  #failure(task: PushedTask, error: unknown): unknown {
    return this.#overrun(task) ?? this.#deps.failing(task, error)
  }

  /** Its owner's timer may not have fired: in inline mode it cannot while a function runs. */
  #overrun({ template, beganMs, cancelled }: PushedTask): TaskTimeoutError | undefined {
    const { timeoutMs = Infinity } = template
    if (cancelled instanceof TaskTimeoutError) return asSystemFailure(cancelled)
    if (this.#deps.clock.monotonicMs() - beganMs <= timeoutMs) return undefined
    return asSystemFailure(timeoutError(template.name, timeoutMs))
  }

  #end(task: PushedTask, startMs: number, failed: boolean): void {
    if (task.isTracked) this.#host.untrack(task)
    this.#deps.finished(task, { startMs, endMs: this.endedAtMs }, failed)
  }

  /** Told before the reply of the last call, so that the owner pushes nothing more. */
  #count(task: PushedTask, maxCalls: number): void {
    const { fn } = task.template
    const key = `${fn.home}#${String(fn.ordinal)}`
    const calls = (this.#calls.get(key) ?? 0) + 1
    this.#calls.set(key, calls)
    if (calls >= maxCalls) this.#deps.retire(task)
  }

  /** Notes that a task has run until now. @returns how long, in microseconds */
  #measure({ timing }: PushedTask, startMs: number): number {
    this.endedAtMs = this.#deps.clock.monotonicMs()
    const runMs = this.endedAtMs - startMs
    const before = timing.averageMs
    timing.averageMs = before === undefined ? runMs : before * 0.8 + runMs * 0.2
    return Math.max(0, Math.round(runMs * 1000))
  }
}

function isThenable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}
