// What makes a core-worker a worker: it runs pushed tasks, or is the home of one actor.
import { toWire } from '../common/error-wire.ts'
import { toHex } from '../common/ids.ts'
import type { Clock } from '../common/clock.ts'
import { WORKER_EXIT_GRACE_MS } from '../common/limits.ts'
import { ByteReader } from '../protocol/byte-reader.ts'
import type { ActorSpec, FunctionIdentity } from '../protocol/actor-messages.ts'
import type { ClientNotices } from '../protocol/messages.ts'
import type { PeerNotices, TaskTemplate } from '../protocol/peer-messages.ts'
import { askHolders } from './ask-holders.ts'
import type { CoreWorker } from './core-worker.ts'
import { ArrivingArguments, decodeArguments } from './decode-arguments.ts'
import { Executor } from './execute.ts'
import { HandOver } from './hand-over.ts'
import { asSystemFailure, isThrown } from './failure.ts'
import {
  constructActor,
  constructorFailure,
  ExitActor,
  exitedItself,
  methodMissing,
  type HomeActor,
} from './home-actor.ts'
import { IdleCollector } from './idle-collector.ts'
import type { PushedTask } from './pushed-task.ts'
import { ReplyWriter } from './reply-writer.ts'
import { NeedsEntryFirst, type Runnable, type RunTimes } from './run-task.ts'
import type { ScopeParts } from './scope.ts'
import { StreamProducer } from './stream-producer.ts'
import { TaskEvents } from './task-events.ts'

const EVENTS_EVERY_MS = 1000

export interface WorkerSideDeps {
  /** The function or class of an identity: at once if it is loaded. */
  load(identity: FunctionIdentity): Runnable | Promise<Runnable>
  /** Environment of the lease: CUDA_VISIBLE_DEVICES. */
  setGpus(gpuIds: readonly number[]): void
  /** Whether garbage is collected when nothing runs: this process has no other use. */
  readonly collectsWhenIdle?: boolean
  /** Ends this process (or this in-process worker). */
  exit(code: number): void
}

export class WorkerSide {
  readonly #worker: CoreWorker
  readonly #deps: WorkerSideDeps
  readonly #replies: ReplyWriter
  readonly #clock: Clock
  #executor: Executor
  #actor: HomeActor | undefined
  #gpuIds: readonly number[] = []
  #resources: ScopeParts['resources'] = {}
  readonly #events = new TaskEvents()
  #eventsScheduled = false
  readonly #collector: IdleCollector | undefined
  #retiring = false

  constructor(worker: CoreWorker, deps: WorkerSideDeps) {
    this.#worker = worker
    this.#deps = deps
    this.#clock = worker.deps.clock
    const { welcome, workerId, pid } = worker.options
    this.#replies = new ReplyWriter({
      codec: worker.codec,
      hash: worker.deps.hash,
      store: worker.store,
      references: worker.references,
      handoffs: worker.handoffs,
      where: { nodeId: toHex(welcome.nodeId), pid, workerId: toHex(workerId) },
    })
    this.#executor = this.#makeExecutor(new Map([['', 1]]))
    if (deps.collectsWhenIdle === true) this.#collector = this.#makeCollector()
    this.#install()
  }

  #leased(message: PeerNotices['leased']): void {
    this.#gpuIds = message.gpuIds
    this.#resources = message.resources
    this.#deps.setGpus(message.gpuIds)
  }

  /** Becomes the home of an actor: constructs it and tells the raylet. */
  async startActor(message: ClientNotices['startActor']): Promise<void> {
    const { spec, incarnation } = message
    const { actorId } = spec
    const { raylet } = this.#worker.deps
    this.#leased(message)
    try {
      const Class = await this.#deps.load(spec.fn)
      const args = await decodeArguments(this.#worker, new ByteReader(Buffer.from(spec.args)))
      this.#actor = constructActor(this.#worker, message, { Class, args })
      this.#executor = this.#makeExecutor(groupsOf(spec))
      this.#install()
      raylet.notify('actorReady', { actorId, incarnation, address: this.#worker.options.address })
    } catch (error) {
      if (isThrown(error, NeedsEntryFirst)) raylet.notify('entryFirst', { actorId })
      else {
        const failure = constructorFailure(this.#worker, spec, error)
        raylet.notify('actorFailed', { actorId, error: toWire(failure) })
      }
    }
  }

  #install(): void {
    this.#worker.execution = {
      executor: this.#executor,
      replies: this.#replies,
      leased: (message) => {
        this.#leased(message)
      },
    }
  }

  #makeExecutor(groups: ReadonlyMap<string, number>): Executor {
    return new Executor({
      clock: this.#clock,
      replies: this.#replies,
      load: (template) => this.#load(template),
      arriving: (recordBytes) => new ArrivingArguments(this.#worker, recordBytes),
      decodeArguments: (task) => {
        const { ahead } = task
        const record = task.takeRecord()
        return ahead === undefined ? decodeArguments(this.#worker, record) : ahead.all()
      },
      runIn: (scope, run) => this.#worker.deps.context.run(scope, run),
      scopeParts: (task) => this.#scopeParts(task),
      stream: (task, items) => this.#stream(task, items),
      finished: (task, times, failed) => {
        this.#finished(task, times, failed)
      },
      failing: (task, error) => this.#failing(task, error),
      cancelChildren: (task, force) => {
        for (const child of task.scope?.children ?? []) {
          this.#worker.submitter.cancel(child, { force, recursive: true })
        }
      },
      groups,
      actorId: this.#actor?.actorId,
      needsEntryFirst: (task) => {
        this.#worker.deps.raylet.notify('entryFirst', {})
        this.#worker.deps.raylet.flush() // before its owner asks for another worker
        this.#retire(task)
      },
      retire: (task) => {
        this.#retire(task)
      },
      end: () => {
        this.#deps.exit(1)
      },
    })
  }

  #makeCollector(): IdleCollector {
    const { references, store, collector } = this.#worker
    return new IdleCollector({
      clock: this.#clock,
      collector,
      isIdle: () => this.#executor.runningCount === 0,
      holdsOfOthers: () => store.pinsSome || references.counts().tracked > 0,
    })
  }

  #load(template: TaskTemplate): Runnable | Promise<Runnable> {
    if (template.method === undefined) return this.#deps.load(template.fn)
    const method = this.#actor?.findMethod(template.method)
    if (method === undefined) throw methodMissing(template, this.#actor)
    return method
  }

  #scopeParts(task: PushedTask): ScopeParts {
    const { jobId } = this.#worker
    return {
      jobId: task.template.jobId,
      hash: this.#worker.deps.hash,
      parent: task.parent,
      index: task.index,
      name: task.template.name,
      attempt: task.attempt,
      resources: this.#actor === undefined ? task.template.resources : this.#resources,
      gpuIds: this.#gpuIds,
      mode: 'worker',
      coreWorker: this.#worker,
      ...this.#actor?.scopeParts,
      ...placesOf(task.template),
      ...handedOn(task.template),
      ...(task.template.jobId === jobId ? {} : { makesIn: jobId }),
    }
  }

  async #stream(task: PushedTask, items: unknown): Promise<void> {
    const producer = new StreamProducer(task, {
      codec: this.#worker.codec,
      replies: this.#replies,
      references: this.#worker.references,
      handoffs: this.#worker.handoffs,
      full: ({ scope }) => this.#worker.blocking.untilRead(scope ?? this.#worker.rootScope),
    })
    task.producer = producer
    await producer.run(items as AsyncIterable<unknown>)
  }

  #failing(task: PushedTask, error: unknown): unknown {
    const actor = this.#actor
    if (!isThrown(error, ExitActor) || actor === undefined) return error
    const { raylet } = this.#worker.deps
    raylet.notify('actorExiting', { actorId: actor.actorId })
    raylet.flush()
    this.#leaveOnceIdle(WORKER_EXIT_GRACE_MS)
    return asSystemFailure(exitedItself(actor.className, task.template.name))
  }

  /**
   * The node is being shut down: what runs may end, tasks that have not begun go back, and what
   * others hold of this process is handed over; where it cannot be, they may still read it. The
   * raylet ends it when the time is up.
   */
  drain(): void {
    const handOver = new HandOver(this.#worker)
    this.#worker.handOver = handOver
    this.#executor.handBack()
    this.flush()
    handOver.run()
    this.onceFree(
      () => {
        this.#leave()
      },
      () => {
        handOver.run()
      },
    )
  }

  /** Whoever held its lease is gone, or not reached any more and has the tasks run elsewhere. */
  orphaned(leave: () => void, stays: () => void): void {
    if (!this.#isHeld) {
      leave() // at once: what runs here is run again by whoever needs it
      return
    }
    for (const { scope } of this.#executor.abandon()) {
      for (const child of scope?.children ?? []) {
        const entries = child.stream?.waiting() ?? child.entries()
        const isKnown = entries.some(({ sharing }) => sharing !== undefined)
        if (!isKnown) this.#worker.submitter.cancel(child, { force: true, recursive: true })
      }
    }
    this.spent(leave, stays)
  }

  /** It runs nothing more (maxCalls). @param leave, held  as of onceFree. */
  spent(leave: () => void, held?: () => void): void {
    this.onceFree(leave, held)
    const { references } = this.#worker
    askHolders({
      ...{ clock: this.#clock, borrowers: () => references.borrowers.all() },
      isHeld: () => this.#isHeld,
    })
  }

  /**
   * @param leave  called when nothing runs and nobody else holds what this process owns.
   * @param held  called while it does not: at first, and when one of those may have changed.
   */
  onceFree(leave: () => void, held?: () => void): void {
    const { references, handoffs, cutBorrowers } = this.#worker
    this.#executor.stop(() => {
      const leaveIfFree = (): void => {
        if (this.#isHeld) held?.()
        else leave()
      }
      references.borrowers.onNone = leaveIfFree
      handoffs.onDone = leaveIfFree
      cutBorrowers.onHeard = leaveIfFree
      leaveIfFree()
    })
  }

  /** Something of it is lent, or on its way to who will borrow it; or who has it from here waits to
   *  be known to its owner. */
  get #isHeld(): boolean {
    const { references, handoffs, cutBorrowers } = this.#worker
    return references.counts().lent > 0 || handoffs.isOpen || cutBorrowers.holdsSome
  }

  /**
   * Code that a task started failed where nobody catches it, so this process is about to end: the
   * task fails with that. One that has ended already, or what no task started, changes nothing.
   */
  uncaught(error: unknown): void {
    const scope = this.#worker.deps.context.current()
    if (scope !== undefined && this.#executor.endBy(scope, error) !== undefined) this.flush()
  }

  /** Calls that run may end; those that wait for a place end with this process, and are told so. */
  #leaveOnceIdle(graceMs: number): void {
    const leave = (): void => {
      this.#leave()
    }
    this.#executor.stop(leave)
    this.#clock.after(graceMs, leave)
  }

  #leave(): void {
    this.#replies.flush()
    this.#clock.immediate(() => {
      this.#deps.exit(0)
    })
  }

  #retire(task: PushedTask): void {
    if (this.#retiring) return
    this.#retiring = true
    task.peer.with((channel) => {
      channel.notify('retiring', {})
    })
  }

  #finished(task: PushedTask, times: RunTimes, failed: boolean): void {
    this.#collector?.taskEnded()
    this.#scheduleEvents()
    this.#events.add(task, times, failed)
  }

  #scheduleEvents(): void {
    if (this.#eventsScheduled) return
    this.#eventsScheduled = true
    this.#clock.after(EVENTS_EVERY_MS, () => {
      this.#eventsScheduled = false
      this.#tellEvents()
    })
  }

  #tellEvents(): void {
    const told = this.#events.take(this.#clock.nowMs() - this.#clock.monotonicMs())
    if (told === undefined) return
    const { deps, options } = this.#worker
    deps.raylet.notify('taskEvents', { pid: options.pid, ...told })
  }

  /** What the raylet does not know yet, before this process ends. */
  flush(): void {
    this.#tellEvents()
    this.#worker.tally.flush()
    this.#worker.deps.raylet.flush()
  }
}

/** How many calls run at once, by concurrency group; '' is that of methods without one. */
function groupsOf({ maxConcurrency, concurrencyGroups }: ActorSpec): Map<string, number> {
  return new Map([['', maxConcurrency], ...Object.entries(concurrencyGroups)])
}

/** What it takes a place of while it runs. */
function placesOf({ concurrencyGroup, limit }: TaskTemplate): Partial<ScopeParts> {
  return {
    ...(concurrencyGroup === undefined ? {} : { concurrencyGroup }),
    ...(limit === undefined ? {} : { limit }),
  }
}

/** What it hands on to all that it submits. */
function handedOn({
  captured,
  ofDetached,
}: TaskTemplate): Pick<ScopeParts, 'captured' | 'ofDetached'> {
  return {
    ...(captured === undefined ? {} : { captured }),
    ...(ofDetached === true ? { ofDetached } : {}),
  }
}
