// Running pushed tasks: the worker's side. One at a time for tasks; actors by concurrency group.
//   push ─► queue ─► load function ─► decode arguments ─► run ─► encode result ─► reply
// Invariants:
//   X1. Every pushed task is answered once: reply, failure, cancellation, or handed back unstarted.
//   X2. Calls of one owner start in the order they were pushed, within a concurrency group.
//   X3. Replies never wait for a task that may take long: they are flushed before it runs.
import { TaskCancelledError, UsageError, type TaskTimeoutError } from '../common/errors.ts'
import type { Clock } from '../common/clock.ts'
import type { ActorId } from '../common/ids.ts'
import { ByteReader } from '../protocol/byte-reader.ts'
import type { PeerNotices, TaskTemplate } from '../protocol/peer-messages.ts'
import { readPushHeader } from '../protocol/task-frames.ts'
import { asSystemFailure, timeoutError } from './failure.ts'
import { Fifo } from './fifo.ts'
import type { Peer } from './peers.ts'
import { PushedTask, type PushedRun, type RunTiming } from './pushed-task.ts'
import type { ReplyWriter } from './reply-writer.ts'
import { Scope, type ScopeParts } from './scope.ts'

/** Above this a task counts as long: replies are flushed before it starts. */
const LONG_RUN_MS = 0.5
/** The event loop gets a turn after this much uninterrupted work. */
const YIELD_AFTER_MS = 3

/** Thrown by `load`: the module waits in init() before it has registered the function. */
export class NeedsEntryFirst extends Error {}

/** What runs: a function of a module, or a method of this worker's actor. */
export type Runnable = (...args: unknown[]) => unknown

export interface ExecutorDeps {
  readonly clock: Clock
  readonly replies: ReplyWriter
  /** The function of a template; loads its module at first need. */
  load(template: TaskTemplate): Runnable | Promise<Runnable>
  decodeArguments(task: PushedTask): unknown[] | Promise<unknown[]>
  runIn<T>(scope: Scope, run: () => T): T
  scopeParts(task: PushedTask): ScopeParts
  stream(task: PushedTask, items: unknown): Promise<void>
  finished(task: PushedTask, times: RunTimes, failed: boolean): void
  /** What to report for something thrown: exitActor() is no failure of the user's. */
  failing(task: PushedTask, error: unknown): unknown
  /** Where this process runs tasks of an actor: its concurrency groups. */
  readonly groups: ReadonlyMap<string, number>
  readonly actorId: ActorId | undefined
  /** This worker cannot run it, nor what else it has: another must import the entry first. */
  needsEntryFirst(task: PushedTask): void
  /** Ends this worker once it has run a function maxCalls times. */
  retire(task: PushedTask): void
}

/** When a task began and ended, on the monotonic clock. */
export interface RunTimes {
  readonly startMs: number
  readonly endMs: number
}

interface Group {
  readonly limit: number
  running: number
  readonly queue: Fifo<PushedTask>
}

export class Executor {
  readonly #deps: ExecutorDeps
  /** As the actor declares; a queue holds what owners pushed ahead (L2) or called. */
  readonly #groups = new Map<string, Group>()
  /** What runs. */
  readonly #running = new Map<Peer, Map<number, PushedTask>>()
  /** By function that has a maxCalls. */
  readonly #calls = new Map<string, number>()
  readonly #timings = new WeakMap<TaskTemplate, RunTiming>()
  #endedAtMs = 0
  #yieldAtMs = 0
  #yielding = false
  /** Set once no more may start: told when nothing runs. */
  #onIdle: (() => void) | undefined

  constructor(deps: ExecutorDeps) {
    this.#deps = deps
    for (const [name, limit] of deps.groups) {
      this.#groups.set(name, { limit, running: 0, queue: new Fifo() })
    }
  }

  get runningCount(): number {
    let count = 0
    for (const group of this.#groups.values()) count += group.running
    return count
  }

  push(peer: Peer, reader: ByteReader): void {
    const header = readPushHeader(reader)
    const template = peer.templates[header.slot]
    if (template === undefined) throw new Error('tasks of an unknown template were pushed')
    const group = this.#groupOf(template)
    const scopeParts: PushedRun['scopeParts'] = (task) => this.#deps.scopeParts(task)
    const { bytes } = reader
    const { parent, attempt, firstSeq, count } = header
    const timing = this.#timingOf(template)
    const run: PushedRun = { peer, template, timing, parent, attempt, scopeParts }
    let index = header.firstIndex
    for (let i = 0; i < count; i += 1, index += 1) {
      index += reader.varint()
      const sizeBytes = reader.varint()
      const at = reader.skip(sizeBytes)
      const record = new ByteReader(bytes, at, at + sizeBytes)
      group.queue.push(new PushedTask(run, firstSeq + i, index, record))
    }
    this.#pump(group)
  }

  /** Starts nothing more; `idle` is called once what runs has ended. */
  stop(idle: () => void): void {
    this.#onIdle = idle
    if (this.runningCount === 0) idle()
  }

  /** Returns what has not begun to its owner: this worker blocks, or others idle. */
  handBack(peer?: Peer): void {
    if (this.#deps.actorId !== undefined) return
    const seqsByOwner = new Map<Peer, number[]>()
    for (const group of this.#groups.values()) {
      const kept: PushedTask[] = []
      for (const task of group.queue.drain()) {
        if (peer !== undefined && task.peer !== peer) {
          kept.push(task)
          continue
        }
        const seqs = seqsByOwner.get(task.peer)
        if (seqs === undefined) seqsByOwner.set(task.peer, [task.seq])
        else seqs.push(task.seq)
      }
      group.queue.unshift(kept)
    }
    this.#deps.replies.flush()
    for (const [owner, seqs] of seqsByOwner) {
      owner.with((channel) => {
        channel.notify('handedBack', { seqs })
      })
    }
  }

  cancel(peer: Peer, message: PeerNotices['cancelTask']): void {
    const { seq } = message
    for (const group of this.#groups.values()) {
      for (const task of group.queue) {
        if (task.peer !== peer || task.seq !== seq) continue
        group.queue.remove(task)
        this.#deps.replies.cancelled(task)
        return
      }
    }
    const task = this.#running.get(peer)?.get(seq)
    if (task === undefined) return
    task.cancelled = message.timedOut === true ? timedOut(task.template) : cancelledRun(task)
    task.producer?.stop()
    if (message.recursive) this.onRecursiveCancel?.(task, message.force)
    task.scope?.abort.abort(task.cancelled)
  }

  /** Cancels the children of a task; set by the core-worker. */
  onRecursiveCancel: ((task: PushedTask, force: boolean) => void) | undefined

  streamAck(peer: Peer, message: PeerNotices['streamAck']): void {
    this.#running.get(peer)?.get(message.seq)?.producer?.acknowledge(message.consumed)
  }

  /** The owner is gone: nobody wants its results. */
  ownerGone(peer: Peer): void {
    for (const group of this.#groups.values()) {
      for (const task of [...group.queue]) if (task.peer === peer) group.queue.remove(task)
    }
    for (const task of this.#running.get(peer)?.values() ?? []) {
      task.cancelled = cancelledRun(task)
      task.producer?.stop()
      task.scope?.abort.abort(task.cancelled)
    }
    this.#running.delete(peer)
    this.#deps.replies.forget(peer)
  }

  #checkGroup({ concurrencyGroup, name }: TaskTemplate): void {
    if (concurrencyGroup === undefined || this.#groups.has(concurrencyGroup)) return
    const known = [...this.#groups.keys()].filter((group) => group !== '')
    throw asSystemFailure(
      new UsageError(
        `${name} was called in the concurrency group '${concurrencyGroup}', which the actor does ` +
          `not declare; it has ${known.join(', ') || 'none'}`,
      ),
    )
  }

  #timingOf(template: TaskTemplate): RunTiming {
    let timing = this.#timings.get(template)
    if (timing === undefined) {
      timing = { averageMs: undefined }
      this.#timings.set(template, timing)
    }
    return timing
  }

  #groupOf(template: TaskTemplate): Group {
    const group = this.#groups.get(template.concurrencyGroup ?? '') ?? this.#groups.get('')
    if (group === undefined) throw new Error('a worker without concurrency groups was given a task')
    return group
  }

  /** A task that ends within its call costs one look at the clock, and is known to nothing else:
   *  no message can come meanwhile that asks for it. */
  #pump(group: Group): void {
    let nowMs = this.#deps.clock.monotonicMs()
    while (group.running < group.limit && group.queue.length > 0) {
      if (this.#onIdle !== undefined || this.#mustYield(nowMs)) break
      const task = this.#next(group)
      if (task === undefined) {
        this.#deps.replies.flush()
        break
      }
      group.running += 1
      const pending = this.#start(task, nowMs)
      if (pending === undefined) {
        nowMs = this.#endedAtMs
        this.#left(group)
      } else {
        this.#track(task)
        nowMs = this.#deps.clock.monotonicMs()
        void pending.then(() => {
          this.#left(group)
          this.#pump(group)
        })
      }
    }
    if (group.queue.length === 0 || group.running > 0) this.#deps.replies.flush()
  }

  /** The first task whose owner reads its replies: one that does not holds up nobody else. */
  #next(group: Group): PushedTask | undefined {
    const { queue } = group
    const head = queue.peek() as PushedTask
    if (!head.peer.congested) return queue.shift()
    for (const task of queue) {
      if (!task.peer.congested) {
        queue.remove(task)
        return task
      }
      task.peer.whenDrained(group, () => {
        this.#pump(group)
      })
    }
    return undefined
  }

  #left(group: Group): void {
    group.running -= 1
    if (this.runningCount > 0) return
    if (group.queue.length === 0) this.#yieldAtMs = 0
    this.#onIdle?.()
  }

  /** Long runs of short tasks leave room for messages: cancels, pushes, replies. */
  #mustYield(nowMs: number): boolean {
    if (this.#yielding) return true
    if (this.#yieldAtMs === 0) this.#yieldAtMs = nowMs + YIELD_AFTER_MS
    if (nowMs < this.#yieldAtMs) return false
    this.#yielding = true
    this.#deps.replies.flush()
    this.#deps.clock.immediate(() => {
      this.#yielding = false
      this.#yieldAtMs = 0
      for (const each of this.#groups.values()) this.#pump(each)
    })
    return true
  }

  /** Starts one task; undefined when it ended within the call. */
  #start(task: PushedTask, startMs: number): Promise<void> | undefined {
    const deps = this.#deps
    const expectedMs = task.timing.averageMs
    if (expectedMs === undefined || expectedMs > LONG_RUN_MS) deps.replies.flush()
    if (task.template.maxCalls !== undefined) this.#count(task, task.template.maxCalls)
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

  #run(task: PushedTask, run: Runnable, args: unknown[]): unknown {
    const scope = new Scope(undefined, task)
    task.scope = scope
    if (task.cancelled !== undefined) throw task.cancelled
    if (task.template.concurrencyGroup !== undefined) this.#checkGroup(task.template)
    if (task.template.reportStart) {
      task.beganMs = this.#deps.clock.monotonicMs()
      task.peer.with((channel) => {
        channel.notify('started', { seq: task.seq })
        channel.flush() // a task that blocks the event loop must still be timed
      })
    }
    const result = this.#deps.runIn(scope, () => run(...args))
    if (!task.template.streaming) return result
    return this.#deps.runIn(scope, () => this.#deps.stream(task, result))
  }

  async #settle(task: PushedTask, result: Promise<unknown>, startMs: number): Promise<void> {
    try {
      const value = await result
      await this.#succeed(task, value, startMs)
    } catch (error) {
      this.#fail(task, error, startMs)
    }
  }

  #succeed(task: PushedTask, value: unknown, startMs: number): Promise<void> | undefined {
    const micros = this.#measure(task, startMs)
    let replying: Promise<void> | undefined
    const late = task.template.timeoutMs === undefined ? undefined : this.#overrun(task)
    if (late !== undefined) {
      this.#fail(task, late, startMs)
      return undefined
    }
    if (task.cancelled !== undefined) this.#deps.replies.cancelled(task)
    else if (task.template.streaming) replying = this.#deps.replies.nothing(task, micros)
    else replying = this.#deps.replies.value(task, value, micros)
    if (replying === undefined) {
      this.#end(task, startMs, false)
      return undefined
    }
    return replying.then(
      () => {
        this.#end(task, startMs, false)
      },
      (error: unknown) => {
        this.#fail(task, error, startMs)
      },
    )
  }

  #fail(task: PushedTask, error: unknown, startMs: number): void {
    if (error instanceof NeedsEntryFirst && task.cancelled === undefined) {
      this.#moveAway(task)
      return
    }
    const micros = this.#measure(task, startMs)
    if (task.cancelled !== undefined) this.#deps.replies.cancelled(task)
    else this.#deps.replies.failed(task, this.#failure(task, error), micros)
    this.#end(task, startMs, true)
  }

  #failure(task: PushedTask, error: unknown): unknown {
    return this.#overrun(task) ?? this.#deps.failing(task, error)
  }

  /** Its owner's timer may not have fired: in inline mode it cannot while a function runs. */
  #overrun({ template, beganMs }: PushedTask): TaskTimeoutError | undefined {
    const { timeoutMs = Infinity } = template
    if (this.#deps.clock.monotonicMs() - beganMs <= timeoutMs) return undefined
    return asSystemFailure(timedOut(template))
  }

  /** It has not begun, so it is handed back uncharged, and with it whatever waits here. */
  #moveAway(task: PushedTask): void {
    this.#untrack(task)
    this.#endedAtMs = this.#deps.clock.monotonicMs()
    this.#deps.needsEntryFirst(task)
    this.#deps.replies.flush()
    task.peer.with((channel) => {
      channel.notify('handedBack', { seqs: [task.seq] })
    })
    this.handBack()
  }

  #end(task: PushedTask, startMs: number, failed: boolean): void {
    if (task.isTracked) this.#untrack(task)
    this.#deps.finished(task, { startMs, endMs: this.#endedAtMs }, failed)
  }

  /** Told before the reply of the last call, so that the owner pushes nothing more. */
  #count(task: PushedTask, maxCalls: number): void {
    const { fn } = task.template
    const key = `${fn.home}#${String(fn.ordinal)}`
    const calls = (this.#calls.get(key) ?? 0) + 1
    this.#calls.set(key, calls)
    if (calls >= maxCalls) this.#deps.retire(task)
  }

  #track(task: PushedTask): void {
    let tasks = this.#running.get(task.peer)
    if (tasks === undefined) {
      tasks = new Map()
      this.#running.set(task.peer, tasks)
    }
    tasks.set(task.seq, task)
    task.isTracked = true
  }

  #untrack(task: PushedTask): void {
    this.#running.get(task.peer)?.delete(task.seq)
  }

  /** Notes that a task has run until now. @returns how long, in microseconds */
  #measure({ timing }: PushedTask, startMs: number): number {
    this.#endedAtMs = this.#deps.clock.monotonicMs()
    const runMs = this.#endedAtMs - startMs
    const before = timing.averageMs
    timing.averageMs = before === undefined ? runMs : before * 0.8 + runMs * 0.2
    return Math.max(0, Math.round(runMs * 1000))
  }
}

function isThenable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}

function cancelledRun(task: PushedTask): TaskCancelledError {
  return new TaskCancelledError(`${task.template.name} was cancelled`)
}

function timedOut({ name, timeoutMs = Infinity }: TaskTemplate): TaskTimeoutError {
  return timeoutError(name, timeoutMs)
}
