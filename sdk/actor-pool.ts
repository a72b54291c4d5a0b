// ActorPool: a fixed set of actors of one kind, each with one call at a time.
//   submit ─► pending ─► an idle actor's call ─► getNext (the actor is idle again)
// Invariants:
//   AP1. An actor is idle or has exactly one call; it comes back when its result is taken.
//   AP2. Results are taken one at a time, however many ask at once.
//   AP3. map takes an input only when an actor is idle, so inputs may be endless.
// Source: Ray python/ray/util/actor_pool.py.
import { parseGetOptions } from '../runtime/common/call-options.ts'
import { GetTimeoutError, PendingCallsLimitError, UsageError } from '../runtime/common/errors.ts'
import { showValue } from '../runtime/common/show-value.ts'
import type { AnyActorHandle, ObjectRef } from '../runtime/common/surface.ts'
import { actorTargetOf, isActorHandle } from '../runtime/core-worker/actor-handle.ts'
import { Fifo } from '../runtime/core-worker/fifo.ts'
import { isObjectRef } from '../runtime/core-worker/object-ref.ts'
import { cancel, get, wait } from './get-put-wait.ts'
import { isIterable, Source, type Inputs } from './source.ts'

/** Calls that wait for an idle actor; more is a program that never takes results. */
const PENDING_MAX = 1_000_000

/** Makes the call: `(actor, value) => actor.method.remote(value)`. */
export type PoolCall<H, T, V> = (actor: H, value: T) => ObjectRef<V>

interface Call<H> {
  readonly index: number
  readonly actor: H
  readonly ref: ObjectRef
}

type Order = 'ORDERED' | 'UNORDERED'

/** A fixed set of actors of one kind, each with one call at a time: calls go to whichever idles. */
export class ActorPool<H extends AnyActorHandle = AnyActorHandle> {
  readonly #idle: H[] = []
  readonly #pending = new Fifo<(actor: H) => unknown>()
  /** By index, in the order they were started. */
  readonly #calls = new Map<number, Call<H>>()
  #nextIndex = 0
  #nextReturn = 0
  #turn: Promise<unknown> = Promise.resolve()

  /** @throws UsageError for what is no handle, or the same actor twice. */
  constructor(actors: Iterable<H>) {
    if (!isIterable(actors, Symbol.iterator)) {
      throw new UsageError(`ActorPool takes an array of actor handles, got ${showValue(actors)}`)
    }
    for (const actor of actors) this.push(actor)
  }

  /** Call one idle actor after the other; results in the order of the values. */
  map<T, V>(fn: PoolCall<H, T, V>, values: Inputs<T>): AsyncGenerator<V, void, undefined> {
    return this.#map(fn, values, 'ORDERED')
  }

  /** The same; results as they come. */
  mapUnordered<T, V>(fn: PoolCall<H, T, V>, values: Inputs<T>): AsyncGenerator<V, void, undefined> {
    return this.#map(fn, values, 'UNORDERED')
  }

  /**
   * Call an idle actor, or the next one that is.
   * @throws UsageError when `fn` returns no ref; PendingCallsLimitError beyond a million waiting.
   */
  submit<T>(fn: PoolCall<H, T, unknown>, value: T): void {
    const call = (actor: H): unknown => fn(actor, value)
    const actor = this.#idle.pop()
    if (actor !== undefined) this.#start(actor, call)
    else if (this.#pending.length < PENDING_MAX) this.#pending.push(call)
    else {
      throw new PendingCallsLimitError(
        `${String(PENDING_MAX)} calls wait for an actor of this pool; take results before you ` +
          'submit more, or use map()',
      )
    }
  }

  /** Whether there is a result to take, now or later. */
  hasNext(): boolean {
    return this.#calls.size > 0
  }

  /**
   * The next result, in the order of the calls.
   * @param o  timeoutMs: default none; 0 polls.
   * @throws what the call threw; GetTimeoutError, the result can be taken later; UsageError when
   *   there is none, or after getNextUnordered.
   */
  getNext<V = unknown>(o?: { timeoutMs?: number }): Promise<V> {
    return this.#take<V>('ORDERED', o)
  }

  /** The result that is there first. @throws as getNext */
  getNextUnordered<V = unknown>(o?: { timeoutMs?: number }): Promise<V> {
    return this.#take<V>('UNORDERED', o)
  }

  /** Whether an actor is idle and nothing waits for it. */
  hasFree(): boolean {
    return this.#idle.length > 0 && this.#pending.length === 0
  }

  /** Take an idle actor out of the pool; undefined when there is none. */
  popIdle(): H | undefined {
    return this.hasFree() ? this.#idle.pop() : undefined
  }

  /** Add an actor. @throws UsageError for what is no handle, or an actor that is in it already. */
  push(actor: H): void {
    if (!isActorHandle(actor)) {
      throw new UsageError(`an ActorPool is made of actor handles, got ${showValue(actor)}`)
    }
    const { actorId } = actorTargetOf(actor).info
    const busy = [...this.#calls.values()].map((call) => call.actor)
    for (const member of [...this.#idle, ...busy]) {
      if (actorTargetOf(member).info.actorId !== actorId) continue
      throw new UsageError('this actor belongs to the pool already: give each actor once')
    }
    this.#return(actor)
  }

  #start(actor: H, call: (actor: H) => unknown): void {
    let ref: unknown
    try {
      ref = call(actor)
      if (!isObjectRef(ref)) {
        throw new UsageError(
          'the function given to an ActorPool must return the ref of a call: ' +
            '(actor, value) => actor.method.remote(value)',
        )
      }
    } catch (error) {
      this.#idle.push(actor)
      throw error
    }
    const index = this.#nextIndex++
    this.#calls.set(index, { index, actor, ref })
  }

  /** AP1. */
  #return(actor: H): void {
    const call = this.#pending.shift()
    if (call === undefined) this.#idle.push(actor)
    else this.#start(actor, call)
  }

  /** AP2. */
  #take<V>(order: Order, o: { timeoutMs?: number } | undefined): Promise<V> {
    const { timeoutMs } = parseGetOptions(o, 'getNext()')
    const taken = this.#turn.then(() => this.#takeNow<V>(order, timeoutMs))
    this.#turn = taken.catch(() => undefined) // told to whoever took it
    return taken
  }

  async #takeNow<V>(order: Order, timeoutMs: number | undefined): Promise<V> {
    const call = await this.#ready(order, timeoutMs)
    this.#calls.delete(call.index)
    this.#nextReturn = Math.max(this.#nextReturn, call.index + 1)
    this.#return(call.actor)
    return (await get(call.ref)) as V
  }

  /** The call whose result is next, once it is there. */
  async #ready(order: Order, timeoutMs?: number, signal?: AbortSignal): Promise<Call<H>> {
    const calls = this.#candidates(order)
    const [ready] = await wait(
      calls.map((call) => call.ref),
      {
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(signal === undefined ? {} : { signal }),
      },
    )
    const call = calls.find((each) => each.ref === ready[0])
    if (call !== undefined) return call
    throw new GetTimeoutError(
      `no result of the pool came within ${String(timeoutMs)} ms; wait longer, or take it later`,
      { data: { timeoutMs } },
    )
  }

  #candidates(order: Order): readonly Call<H>[] {
    if (!this.hasNext()) {
      throw new UsageError('the pool has no more results; ask hasNext() before getNext()')
    }
    if (order === 'UNORDERED') return [...this.#calls.values()]
    const next = this.#calls.get(this.#nextReturn)
    if (next !== undefined) return [next]
    throw new UsageError(
      'getNext() after getNextUnordered(): the order is lost; go on with getNextUnordered()',
    )
  }

  async *#map<T, V>(
    fn: PoolCall<H, T, V>,
    values: Inputs<T>,
    order: Order,
  ): AsyncGenerator<V, void, undefined> {
    this.#forget()
    const source = new Source(values)
    try {
      for (;;) {
        if (this.hasFree()) source.ask()
        if (await this.#inputFirst(source, order)) {
          const input = await source.take()
          if (input.done !== true) this.submit(fn, input.value)
        } else if (this.hasNext()) yield await this.#take<V>(order, undefined)
        else if (source.ended) return
        else {
          throw new UsageError('map() of an ActorPool without actors would never end: push() one')
        }
      }
    } finally {
      for (const { ref } of this.#calls.values()) await cancel(ref)
      this.#forget()
      await source.close()
    }
  }

  /** Whether an input comes before the next result does. */
  async #inputFirst(source: Source<unknown>, order: Order): Promise<boolean> {
    if (source.asked === undefined || !this.hasNext()) return source.asked !== undefined
    const over = new AbortController()
    const result = this.#ready(order, undefined, over.signal).then(() => false)
    try {
      return await Promise.race([source.asked.then(() => true), result])
    } finally {
      result.catch(() => undefined) // the wait that lost ends with the abort
      over.abort()
    }
  }

  /** Calls of before: their results are not wanted, their actors are. */
  #forget(): void {
    this.#pending.drain()
    for (const { actor } of this.#calls.values()) this.#idle.push(actor)
    this.#calls.clear()
    this.#nextReturn = this.#nextIndex
  }
}
