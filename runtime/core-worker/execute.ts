// Running pushed tasks: the worker's side. One at a time for tasks; actors by concurrency group.
//   push ─► queue (concurrency-groups.ts) ─► run (run-task.ts) ─► reply (reply-writer.ts)
// Here: what starts, and when; what becomes of it when it is cancelled, or its owner is gone.
// Invariants:
//   X1. Every pushed task is answered once: reply, failure, cancellation, or handed back unstarted.
//   X2. Calls of one owner start in the order they were pushed, within a concurrency group.
//   X3. Replies never wait for a task that may take long: they are flushed before it runs.
import type { ActorId } from '../common/ids.ts'
import { ByteReader } from '../protocol/byte-reader.ts'
import type { PeerNotices, TaskTemplate } from '../protocol/peer-messages.ts'
import { readPartHeader, readPushHeader } from '../protocol/task-frames.ts'
import type { ArrivingArguments } from './decode-arguments.ts'
import { ConcurrencyGroups, type ConcurrencyGroup } from './concurrency-groups.ts'
import type { Peer } from './peers.ts'
import { PushedTask, type PushedRun, type RunTiming } from './pushed-task.ts'
import { TaskRunner, type TaskRunnerDeps } from './run-task.ts'
import { RunningTasks, type RunningTasksDeps } from './running-tasks.ts'
import type { Scope, ScopeParts } from './scope.ts'

/** The event loop gets a turn after this much uninterrupted work. */
const YIELD_AFTER_MS = 3
/** Its raylet ends a worker whose owner has ended sooner than that. */
const OWNERLESS_MS = 1_000

export interface ExecutorDeps extends TaskRunnerDeps, RunningTasksDeps {
  scopeParts(task: PushedTask): ScopeParts
  /** For a record of so many bytes that comes in parts. */
  arriving(recordBytes: number): ArrivingArguments
  /** Where this process runs tasks of an actor: its concurrency groups. */
  readonly groups: ReadonlyMap<string, number>
  readonly actorId: ActorId | undefined
  /** This worker cannot run it, nor what else it has: another must import the entry first. */
  needsEntryFirst(task: PushedTask): void
  /** Ends this process. */
  end(): void
}

export class Executor {
  readonly #deps: ExecutorDeps
  readonly #groups: ConcurrencyGroups
  readonly #running: RunningTasks
  readonly #runner: TaskRunner
  readonly #timings = new WeakMap<TaskTemplate, RunTiming>()
  #yieldAtMs = 0
  #yielding = false
  /** Set once no more may start: told when nothing runs. */
  #onIdle: (() => void) | undefined

  constructor(deps: ExecutorDeps) {
    this.#deps = deps
    this.#groups = new ConcurrencyGroups(deps.groups, (group) => {
      this.#pump(group)
    })
    this.#running = new RunningTasks(deps)
    this.#runner = new TaskRunner(deps, {
      check: (template) => {
        this.#groups.check(template)
      },
      untrack: (task) => {
        this.#running.delete(task)
      },
      moveAway: (task) => {
        this.#moveAway(task)
      },
    })
  }

  get runningCount(): number {
    return this.#groups.runningCount
  }

  push(peer: Peer, reader: ByteReader): void {
    const header = readPushHeader(reader)
    const template = peer.templates[header.slot]
    if (template === undefined) throw new Error('tasks of an unknown template were pushed')
    const group = this.#groups.of(template)
    const scopeParts: PushedRun['scopeParts'] = (task) => this.#deps.scopeParts(task)
    const { bytes } = reader
    const { parent, attempt, firstSeq, count } = header
    const timing = this.#timingOf(template)
    const run: PushedRun = { peer, template, timing, parent, attempt, scopeParts }
    const { ahead } = peer
    peer.ahead = undefined
    let index = header.firstIndex
    for (let i = 0; i < count; i += 1, index += 1) {
      index += reader.varint()
      const sizeBytes = reader.varint()
      const at = reader.skip(sizeBytes)
      const record = new ByteReader(bytes, at, at + sizeBytes)
      const task = new PushedTask(run, firstSeq + i, index, record)
      if (ahead !== undefined) task.ahead = ahead // its record is alone in its push
      group.queue.push(task)
    }
    this.#pump(group)
  }

  /** Arguments of the task that this owner pushes next. They are decoded while the others are on
   *  their way where it would begin at once: nothing else runs or waits here, and its function,
   *  which ran before, has registered the classes that they may have. */
  part(peer: Peer, reader: ByteReader): void {
    const { slot, recordBytes, count } = readPartHeader(reader)
    const template = peer.templates[slot]
    if (template === undefined) throw new Error('arguments of an unknown template were pushed')
    peer.ahead ??= this.#deps.arriving(recordBytes)
    peer.ahead.add(reader, count)
    const isNext = this.runningCount === 0 && this.#groups.of(template).queue.length === 0
    if (isNext && this.#timingOf(template).averageMs !== undefined) peer.ahead.decode()
  }

  /** Starts nothing more; `idle` is called once what runs has ended. */
  stop(idle: () => void): void {
    this.#onIdle = idle
    if (this.runningCount === 0) idle()
  }

  /** Returns what has not begun to its owner: this worker blocks, or others idle. */
  handBack(peer?: Peer): void {
    if (this.#deps.actorId !== undefined) return
    const byOwner = Map.groupBy(this.#groups.takeAll(peer), (task) => task.peer)
    this.#deps.replies.flush()
    for (const [owner, tasks] of byOwner) tellHandedBack(owner, tasks)
  }

  cancel(peer: Peer, message: PeerNotices['cancelTask']): void {
    const waiting = this.#groups.take(peer, message.seq)
    if (waiting === undefined) {
      this.#running.cancel(peer, message)
      return
    }
    this.#deps.replies.cancelled(waiting)
    this.#deps.replies.flush() // its owner keeps the arguments until then
  }

  streamAck(peer: Peer, message: PeerNotices['streamAck']): void {
    this.#running.streamAck(peer, message)
  }

  /**
   * This process ends, for what the code of a task threw where nobody catches it: the task fails
   * with that, and what has not begun goes back.
   * @returns the task; undefined where none that runs here is of that scope.
   */
  endBy(scope: Scope, error: unknown): PushedTask | undefined {
    const task = this.#running.in(scope)
    if (task === undefined) return undefined
    this.stop(() => undefined)
    this.#deps.retire(task)
    this.handBack()
    this.#runner.interrupt(task, error)
    this.#deps.replies.flush()
    return task
  }

  /**
   * Owners that are not reached any more have their tasks run elsewhere: what has not begun goes
   * back, and what runs is told to end, and answered no more.
   * @returns what runs.
   */
  abandon(): PushedTask[] {
    this.handBack()
    this.#runner.abandon()
    return this.#running.abandon()
  }

  /** The owner is gone: nobody wants its results. */
  ownerGone(peer: Peer): void {
    this.#groups.takeAll(peer)
    this.#running.ownerGone(peer)
    this.#deps.replies.forget(peer)
    const hasEnded = peer.end === 'CLOSED' && !peer.goesOn
    if (!hasEnded || this.#deps.actorId !== undefined || !this.#running.hasLimited(peer)) return
    // Its tokens are given to others. The raylet ends what ran with them, unless it stands still.
    this.#deps.clock.after(OWNERLESS_MS, () => {
      if (this.#running.hasLimited(peer)) this.#deps.end()
    })
  }

  #timingOf(template: TaskTemplate): RunTiming {
    let timing = this.#timings.get(template)
    if (timing === undefined) {
      timing = { averageMs: undefined }
      this.#timings.set(template, timing)
    }
    return timing
  }

  /** A task that ends within its call costs one look at the clock, and is known to nothing else:
   *  no message can come meanwhile that asks for it. */
  #pump(group: ConcurrencyGroup): void {
    let nowMs = this.#deps.clock.monotonicMs()
    while (group.running < group.limit && group.queue.length > 0) {
      if (this.#onIdle !== undefined || this.#mustYield(nowMs)) break
      const task = this.#groups.start(group)
      if (task === undefined) {
        this.#deps.replies.flush()
        break
      }
      const pending = this.#runner.start(task, nowMs)
      if (pending === undefined) {
        nowMs = this.#runner.endedAtMs
        this.#left(group)
      } else {
        this.#running.add(task)
        nowMs = this.#deps.clock.monotonicMs()
        void pending.then(() => {
          this.#left(group)
          this.#pump(group)
        })
      }
    }
    if (group.queue.length === 0) this.#yieldAtMs = 0 // the next push begins its own work
    if (group.queue.length === 0 || group.running > 0) this.#deps.replies.flush()
  }

  #left(group: ConcurrencyGroup): void {
    this.#groups.ended(group)
    if (this.#groups.runningCount === 0) this.#onIdle?.()
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
      for (const each of this.#groups.all()) this.#pump(each)
    })
    return true
  }

  /** It has not begun, so it is handed back uncharged, and with it whatever waits here. */
  #moveAway(task: PushedTask): void {
    this.#running.delete(task)
    this.#deps.needsEntryFirst(task)
    this.#deps.replies.flush()
    tellHandedBack(task.peer, [task])
    this.handBack()
  }
}

function tellHandedBack(owner: Peer, tasks: readonly PushedTask[]): void {
  const seqs = tasks.map((task) => task.seq)
  owner.with((channel) => {
    channel.notify('handedBack', { seqs })
  })
}
