// Queue: items between tasks, actors and drivers, first in, first out, behind an actor of our own.
// A Queue travels in values; its actor ends with its last handle, or with shutdown(). What waits
// here waits in the actor, so a time-out counts from when the actor has the call.
// Source: Ray python/ray/util/queue.py; the shutdown of Python's queue.Queue.
import {
  option,
  plainObject,
  readOptions,
  refuse,
  waitMs,
  wholeNumber,
} from '../runtime/common/option-checks.ts'
import {
  ActorDiedError,
  QueueEmptyError,
  QueueFullError,
  StoppedError,
  UsageError,
} from '../runtime/common/errors.ts'
import type { ActorHandle, ActorOptions, Methods, RemoteClass } from '../runtime/common/surface.ts'
import { registerFunction } from '../runtime/core-worker/functions.ts'
import { registerOwnType } from '../runtime/core-worker/registered-types.ts'
import { kill } from './actors.ts'
import { QueueActor } from './queue-actor.ts'
import { remoteClass } from './remote-class.ts'

/** Options of a new queue. */
export interface QueueOptions {
  /** Items it holds at most; 0, the default: no limit. */
  maxSize?: number
  /** Options of its actor: name, lifetime, resources. Default: { numCpus: 0 }. */
  actorOptions?: ActorOptions
}

type QueueMethods = Methods<typeof QueueActor>

/** Calls that wait at once, each way. Lines of their own: a put that waits holds up no take. */
const WAITING_MAX = 100_000

// A bundle in CommonJS has no URL; remote() refuses it with a reason, this line must only load.
const descriptor = registerFunction(QueueActor, 'actor', String(import.meta.url))
const OWN_OPTIONS = {
  concurrencyGroups: { put: WAITING_MAX, take: WAITING_MAX },
  methods: { put: { concurrencyGroup: 'put' }, take: { concurrencyGroup: 'take' } },
}
const QueueActors = remoteClass(descriptor, { numCpus: 0, ...OWN_OPTIONS }) as RemoteClass<
  [maxSize: number],
  QueueMethods
>

/** A handle that came in a value: no new actor is made for it. */
class Received {
  readonly actor: ActorHandle<QueueMethods>

  constructor(actor: ActorHandle<QueueMethods>) {
    this.actor = actor
  }
}

let handleOf: (queue: Queue<unknown>) => ActorHandle<QueueMethods>

/**
 * A first-in-first-out queue between tasks, actors and drivers. It may be given to any of them;
 * it ends with its last handle.
 */
export class Queue<T = unknown> {
  readonly #actor: ActorHandle<QueueMethods>
  #closed = false

  static {
    handleOf = (queue: Queue<unknown>): ActorHandle<QueueMethods> => queue.#actor
  }

  /**
   * Make a queue; it is there at once.
   * @throws UsageError before init(), or for an option that is unknown or out of range.
   */
  constructor(o: QueueOptions = {}) {
    this.#actor = o instanceof Received ? o.actor : makeActor(o)
  }

  /**
   * Add an item; waits for room.
   * @param o  timeoutMs: default none; 0 does not wait.
   * @throws QueueFullError when there is none in time; StoppedError after shutdown().
   */
  async put(value: T, o?: { timeoutMs?: number }): Promise<void> {
    await this.#put([value], timeoutOf(o, 'put()'))
  }

  /**
   * Take the oldest item; waits for one.
   * @param o  timeoutMs: default none; 0 does not wait.
   * @throws QueueEmptyError when there is none in time; StoppedError after shutdown().
   */
  async get(o?: { timeoutMs?: number }): Promise<T> {
    const [item] = await this.#take(1, timeoutOf(o, 'get()'))
    return item as T
  }

  /** Add an item, if there is room now. @throws QueueFullError, also while others wait for room. */
  async putNowait(value: T): Promise<void> {
    await this.#put([value], 0)
  }

  /** Take the oldest item, if there is one now. @throws QueueEmptyError */
  async getNowait(): Promise<T> {
    const [item] = await this.#take(1, 0)
    return item as T
  }

  /**
   * Add all items or none; waits for room for all of them.
   * @throws UsageError for more items than maxSize; QueueFullError after timeoutMs.
   */
  async putBatch(items: Iterable<T>, o?: { timeoutMs?: number }): Promise<void> {
    const batch = [...items]
    const timeoutMs = timeoutOf(o, 'putBatch()')
    if (batch.length > 0) await this.#put(batch, timeoutMs)
  }

  /**
   * Take up to `count` items; waits for the first.
   * @throws QueueEmptyError after timeoutMs without any.
   */
  async getBatch(count: number, o?: { timeoutMs?: number }): Promise<T[]> {
    const checked = wholeNumber(1)('the count of getBatch()', count)
    return (await this.#take(checked, timeoutOf(o, 'getBatch()'))) as T[]
  }

  /** How many items it holds now. */
  async size(): Promise<number> {
    return (await this.#ask(this.#actor.size.run())).size
  }

  /** Whether it holds no item now. */
  async empty(): Promise<boolean> {
    return (await this.size()) === 0
  }

  /** Whether it holds maxSize items now; never without a maxSize. */
  async full(): Promise<boolean> {
    const { size, maxSize } = await this.#ask(this.#actor.size.run())
    return maxSize > 0 && size >= maxSize
  }

  /** End the queue: who waits gets a StoppedError, items in it are dropped. May be repeated. */
  async shutdown(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      await this.#actor.close.run()
    } catch (error) {
      if (!(error instanceof ActorDiedError)) throw error // else another handle was faster
    }
    await kill(this.#actor)
  }

  async #put(items: readonly T[], timeoutMs: number | undefined): Promise<void> {
    switch (await this.#ask(this.#actor.put.run(items, timeoutMs))) {
      case 'OK':
        return
      case 'CLOSED':
        throw closed()
      case 'TOO_MANY':
        throw new UsageError(
          `${String(items.length)} items are more than the queue's maxSize, so they would wait for ` +
            'ever; put them in smaller batches',
        )
      case 'FULL':
        throw new QueueFullError(
          `the queue had no room for ${counted(items.length)}${inTime(timeoutMs)}; take items out, ` +
            'wait longer, or make it with a larger maxSize',
          { data: { count: items.length, timeoutMs } },
        )
    }
  }

  async #take(count: number, timeoutMs: number | undefined): Promise<readonly unknown[]> {
    const outcome = await this.#ask(this.#actor.take.run(count, timeoutMs))
    if (outcome === 'CLOSED') throw closed()
    if (outcome !== 'EMPTY') return outcome.items
    throw new QueueEmptyError(
      `the queue had no item${inTime(timeoutMs)}; wait longer, or see whether its producers run`,
      { data: { timeoutMs } },
    )
  }

  /** An actor that this handle has shut down is no surprise. */
  async #ask<R>(answer: Promise<R>): Promise<R> {
    try {
      return await answer
    } catch (error) {
      throw this.#closed && error instanceof ActorDiedError ? closed() : error
    }
  }
}

registerOwnType(Queue, {
  name: 'virga.Queue',
  encode: (queue) => handleOf(queue),
  decode: (actor: ActorHandle<QueueMethods>) => new Queue(new Received(actor) as QueueOptions),
})

function makeActor(o: QueueOptions): ActorHandle<QueueMethods> {
  const given = readOptions(o, 'Queue()', { maxSize: true, actorOptions: true })
  const maxSize = option(given, 'maxSize', wholeNumber(0)) ?? 0
  const actorOptions = option(given, 'actorOptions', plainObject) ?? {}
  for (const name of Object.keys(OWN_OPTIONS)) {
    if (actorOptions[name] === undefined) continue
    refuse(`actorOptions.${name}`, "left out, it is the queue's own", actorOptions[name])
  }
  return QueueActors.options(actorOptions).remote(maxSize)
}

function timeoutOf(o: { timeoutMs?: number } | undefined, call: string): number | undefined {
  return option(readOptions(o, call, { timeoutMs: true }), 'timeoutMs', waitMs)
}

const counted = (count: number): string => (count === 1 ? 'an item' : `${String(count)} items`)

const inTime = (timeoutMs: number | undefined): string =>
  timeoutMs === undefined || timeoutMs === 0 ? '' : ` within ${String(timeoutMs)} ms`

function closed(): StoppedError {
  return new StoppedError('the queue was shut down; make a new one')
}
