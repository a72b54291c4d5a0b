// Tasks that wait: their worker gives its CPU back, hands unstarted tasks to others, and is part of
// the raylet's picture of who waits for whom (raylet/wait-graph.ts). That picture also needs the
// tasks that have not begun because their dependencies are missing: their owner tells of them, but
// only once somebody has waited for them for a while. Source: Ray NotifyDirectCallTaskBlocked.
import type { Timer } from '../common/clock.ts'
import { DeadlockError } from '../common/errors.ts'
import type { TaskId } from '../common/ids.ts'
import { DEPENDENCY_TELL_MS, READER_TELL_MS, WIDE_WAIT_TELL_MS } from '../common/limits.ts'
import type { RayletNotices, Waiting } from '../protocol/messages.ts'
import type { CoreWorker } from './core-worker.ts'
import { ObjectEntry } from './object-entry.ts'
import type { PeerChannel } from './peers.ts'
import type { Scope } from './scope.ts'
import { WAITING, type TaskRecord } from './task-record.ts'

/** Of a wait on more objects, the first are told: enough to find a ring. */
const WAITING_ON_MAX = 1000

/**
 * A wait on more is told of without them at first, and with them once it lasts: their ids are a
 * hash each, only a search for rings needs them, and most such waits are for what runs already.
 */
const TOLD_AT_ONCE_MAX = 32

/** One wait of a task of this process. */
interface Wait {
  id: number
  readonly scope: Scope
  readonly entries: readonly ObjectEntry[]
  /** How many must be complete, of those that were pending when it began. */
  readonly need: number
  fail(this: void, error: Error): void
}

/** A task of ours that has not begun, while `waiterCount` waits are for it. */
interface Dependency {
  readonly waitId: number
  waiterCount: number
}

/**
 * Reports its task as blocked on these entries until the result is called.
 * @param fail  told of a deadlock; absent for waits that end by themselves.
 * @param need  how many entries must be complete; default all.
 */
export type Block = (
  entries: readonly ObjectEntry[],
  fail?: (error: Error) => void,
  need?: number,
) => () => void

export class Blocking {
  readonly #worker: CoreWorker
  /** Waits now, that may be part of a ring. Those that end by themselves are none. */
  readonly #waits = new Map<number, Wait>()
  /** Both bounded by the submitted tasks that somebody waits for. */
  readonly #dependencies = new Map<TaskRecord, Dependency>()
  readonly #dependencyById = new Map<number, TaskRecord>()
  #nextWait = 1

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  readonly block: Block = (...of) => this.blocker()(...of)

  /** Of the task that runs now: what it waits for may change when none does. */
  blocker(): Block {
    const scope = this.#worker.deps.context.current()
    return (...of) => this.#block(scope, ...of)
  }

  #block(
    scope: Scope | undefined,
    ...[entries, fail, need = entries.length]: Parameters<Block>
  ): () => void {
    const { raylet } = this.#worker.deps
    raylet.hold(1)
    if (scope?.parts.mode !== 'worker' || entries.length === 0) {
      return () => {
        raylet.hold(-1)
      }
    }
    const id = this.#nextWait++
    this.#worker.execution?.executor.handBack()
    if (fail === undefined) {
      this.#tellBlocked(scope, id)
      return () => {
        raylet.hold(-1)
        raylet.notify('unblocked', { waitId: id, taskId: scope.taskId })
      }
    }
    const wait: Wait = { id, scope, entries, need, fail }
    this.#waits.set(id, wait)
    const isWide = entries.length > TOLD_AT_ONCE_MAX
    if (isWide) this.#tellBlocked(scope, id)
    else this.#report(wait)
    const timer = isWide ? this.#tellLater(wait) : undefined
    const forget = this.awaiting(entries)
    return () => {
      raylet.hold(-1)
      timer?.cancel()
      this.#waits.delete(wait.id)
      forget()
      raylet.notify('unblocked', { waitId: wait.id, taskId: scope.taskId })
    }
  }

  /** For what is no object: a group, the construction of an actor. It is in no ring of waits. */
  readonly blockForOther = (): (() => void) => this.block([new ObjectEntry(undefined, 0, 0)])

  /** Like block(), for the time until `promise` settles; a deadlock rejects the result. */
  during<T>(entries: readonly ObjectEntry[], promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const unblock = this.block(entries, reject)
      promise.then(resolve, reject).finally(unblock)
    })
  }

  /** Somebody waits for these: tells of those that have not begun, until the result is called. */
  awaiting(entries: readonly ObjectEntry[]): () => void {
    if (!entries.some((entry) => entry.task?.phase === WAITING)) return () => undefined
    let told: readonly TaskRecord[] = []
    const timer = this.#worker.deps.clock.after(DEPENDENCY_TELL_MS, () => {
      told = this.#tellDependencies(entries)
    })
    return () => {
      timer.cancel()
      for (const record of told) this.#untell(record)
    }
  }

  /**
   * A stream of this task is full: `virga status --why` names it once that has lasted a while,
   * until the result is called.
   */
  untilRead(scope: Scope): () => void {
    const { raylet, clock } = this.#worker.deps
    let waitId: number | undefined
    const timer = clock.after(READER_TELL_MS, () => {
      waitId = this.#nextWait++
      raylet.notify('blocked', { ...identityOf(scope), waitId, on: [], forReader: true })
    })
    return () => {
      timer.cancel()
      if (waitId !== undefined) raylet.notify('unblocked', { waitId, taskId: scope.taskId })
    }
  }

  /** The raylet sees a ring: it asks whether this wait is still on what it was. */
  check(waitId: number, check?: number): void {
    const wait = this.#waits.get(waitId)
    if (wait !== undefined) this.#confirm(wait, check)
    const record = this.#dependencyById.get(waitId)
    if (record !== undefined) this.#reportDependency(waitId, record, check)
  }

  deadlock(waitId: number, chain: readonly string[]): void {
    this.#waits
      .get(waitId)
      ?.fail(
        new DeadlockError(
          `these wait for each other and would for ever: ${chain.join(' → ')}. Return the ref ` +
            'instead of awaiting it, or give the actor a higher maxConcurrency, the limiter more ' +
            'concurrency.',
          { data: { chain } },
        ),
      )
  }

  failAll(error: Error): void {
    for (const wait of [...this.#waits.values()]) wait.fail(error)
  }

  /**
   * A call to an actor may have ended whose reply is on its way from another node: such replies
   * come first. When the actor's process does not answer, nothing is confirmed: no alarm.
   */
  #confirm(wait: Wait, check: number | undefined): void {
    const channels = check === undefined ? new Set<never>() : channelsOfCalls(wait.entries)
    if (channels.size === 0) {
      this.#report(wait, check)
      return
    }
    Promise.all([...channels].map((channel) => channel.request('flush', {}))).then(
      () => {
        if (this.#waits.has(wait.id)) this.#report(wait, check)
      },
      () => undefined,
    )
  }

  /** Of a wait that is part of no ring, as far as is told. */
  #tellBlocked(scope: Scope, waitId: number): void {
    this.#worker.deps.raylet.notify('blocked', { ...identityOf(scope), waitId, on: [] })
  }

  /** Under an id of its own, so that for the raylet it began only now (deadlock.ts, DL3). The task
   *  is blocked by one of the two all the while. */
  #tellLater(wait: Wait): Timer {
    const { clock, raylet } = this.#worker.deps
    return clock.after(WIDE_WAIT_TELL_MS, () => {
      const early = wait.id
      this.#waits.delete(early)
      wait.id = this.#nextWait++
      this.#waits.set(wait.id, wait)
      this.#report(wait)
      raylet.notify('unblocked', { waitId: early, taskId: wait.scope.taskId })
    })
  }

  #report({ id: waitId, scope, entries, need }: Wait, check?: number): void {
    const pending = entries.filter((entry) => entry.pending)
    const on = this.#waitingOn(pending)
    // Those not told are taken to end.
    const missing = need - (entries.length - on.length)
    this.#worker.deps.raylet.notify('blocked', {
      ...identityOf(scope),
      waitId,
      on,
      need: Math.max(0, missing),
      ...(check === undefined ? {} : { check }),
    })
  }

  #reportDependency(waitId: number, record: TaskRecord, check?: number): void {
    const on = this.#waitingOn(this.#dependenciesOf(record) ?? [])
    const taskId = record.scope.childTaskId(record.index)
    const { name } = record.kind
    // On nothing: it has begun, or is about to.
    const message = { waitId, taskId, name, on, need: on.length, isDependency: true }
    const answered = check === undefined ? message : { ...message, check }
    this.#worker.deps.raylet.notify('blocked', answered)
  }

  #tellDependencies(entries: readonly ObjectEntry[]): readonly TaskRecord[] {
    const told = new Set<TaskRecord>()
    // As many as are told of in #report: a program may wait for a million at once.
    const next = entries.filter((entry) => entry.pending).slice(0, WAITING_ON_MAX)
    for (let entry = next.pop(); entry !== undefined; entry = next.pop()) {
      const record = entry.task
      if (record === undefined || told.has(record) || told.size >= WAITING_ON_MAX) continue
      const dependencies = this.#dependenciesOf(record)
      if (dependencies === undefined) continue
      told.add(record)
      next.push(...dependencies)
      this.#tell(record)
    }
    return [...told]
  }

  #tell(record: TaskRecord): void {
    const known = this.#dependencies.get(record)
    if (known !== undefined) {
      known.waiterCount += 1
      return
    }
    const waitId = this.#nextWait++
    this.#dependencies.set(record, { waitId, waiterCount: 1 })
    this.#dependencyById.set(waitId, record)
    this.#reportDependency(waitId, record)
  }

  #untell(record: TaskRecord): void {
    const dependency = this.#dependencies.get(record)
    if (dependency === undefined) return
    dependency.waiterCount -= 1
    if (dependency.waiterCount > 0) return
    const { waitId } = dependency
    this.#dependencies.delete(record)
    this.#dependencyById.delete(waitId)
    const taskId = record.scope.childTaskId(record.index)
    this.#worker.deps.raylet.notify('unblocked', { waitId, taskId })
  }

  /** What must be complete before this task can begin; undefined when nothing is missing. */
  #dependenciesOf(record: TaskRecord): readonly ObjectEntry[] | undefined {
    if (record.phase !== WAITING) return undefined
    // A call of an actor also waits for those before it in the queue of this caller.
    const held = record.args === undefined ? record : this.#worker.actors.holding(record)
    return held?.dependencies?.filter((entry) => entry.pending)
  }

  #waitingOn(entries: readonly ObjectEntry[]): Waiting[] {
    return entries.slice(0, WAITING_ON_MAX).map((entry) => {
      const taskId = this.#worker.references.idOf(entry).slice(0, 16) as TaskId
      const { task } = entry
      if (task === undefined) return { taskId, name: 'a borrowed object' }
      const { kind } = task
      const hasNoToken = task.phase === WAITING && task.args !== undefined
      return {
        taskId,
        name: kind.name,
        ...(kind.actorId === undefined
          ? {}
          : {
              actorId: this.#worker.registry.realId(kind.actorId),
              ...groupOf(kind.concurrencyGroup),
            }),
        ...(kind.limit !== undefined && hasNoToken ? { limit: kind.limit.name } : {}),
      }
    })
  }
}

function channelsOfCalls(entries: readonly ObjectEntry[]): Set<PeerChannel> {
  const channels = new Set<PeerChannel>()
  for (const { pending, task } of entries) {
    const channel = task?.peer?.channel
    if (!pending || task?.kind.actorId === undefined || channel === undefined) continue
    channels.add(channel)
  }
  return channels
}

type Identity = Omit<RayletNotices['blocked'], 'waitId' | 'on'>

function identityOf({ taskId, parts }: Scope): Identity {
  const { name, actorId, concurrencyGroup, limit } = parts
  return {
    taskId,
    name,
    ...(actorId === undefined ? {} : { actorId, ...groupOf(concurrencyGroup) }),
    ...(limit === undefined ? {} : { limit }),
  }
}

const groupOf = (group: string | undefined): { readonly group?: string } =>
  group === undefined ? {} : { group }
