// map and mapSettled: results for a possibly endless sequence of inputs, in flat memory.
//   P1. At most `inFlight` calls are under way or waiting to be taken.
//   P2. Ordered results come in the order of the inputs; unordered ones as they complete.
//   P3. When the consumer leaves, or the first error ends a map, what is under way is cancelled.
//   P4. No promise gets a reaction for every result, as Promise.race would give to a slow call and
//       to the signal: they would be kept as long as that is pending.
import type { MapSpecOptions } from '../runtime/common/call-options.ts'
import type { ObjectRef } from '../runtime/core-worker/object-ref.ts'
import type { CoreWorker } from '../runtime/core-worker/core-worker.ts'
import { SerializationError, UsageError } from '../runtime/common/errors.ts'
import { showValue } from '../runtime/common/show-value.ts'
import { toResources } from '../runtime/common/resources.ts'
import { currentWorker } from './current.ts'

interface Callable {
  remote(...args: unknown[]): unknown
}

type Inputs = Iterable<unknown> | AsyncIterable<unknown>

interface Running {
  readonly index: number
  /** Undefined for an input that could not be sent. */
  readonly ref: ObjectRef | undefined
  outcome: Outcome | undefined
}

type Outcome = { readonly index: number } & (
  | { readonly status: 'fulfilled'; readonly value: unknown }
  | { readonly status: 'rejected'; readonly reason: unknown }
)

const IN_FLIGHT_PER_CPU = 4
const IN_FLIGHT_MIN = 16

export async function* mapValues(
  fn: Callable,
  inputs: Inputs,
  options: MapSpecOptions,
  rest: readonly unknown[],
): AsyncIterable<unknown> {
  for await (const outcome of mapSettled(fn, inputs, options, rest)) {
    if (outcome.status === 'rejected') throw outcome.reason
    yield outcome.value
  }
}

export async function* mapSettled(
  fn: Callable,
  inputs: Inputs,
  options: MapSpecOptions,
  rest: readonly unknown[],
): AsyncIterable<Outcome> {
  const worker = currentWorker('map()')
  const inFlightMax = options.inFlight ?? defaultInFlight()
  const source = iteratorOf(inputs)
  const calls = new Calls(worker, options.ordered)
  let [ended, asking] = [false, false]
  const abortable = untilAborted(options.signal)
  try {
    while (!ended || calls.size > 0) {
      while (!ended && calls.size < inFlightMax) {
        asking = true
        const next = await abortable.wait(Promise.resolve(source.next()))
        asking = false
        if (next.done === true) ended = true
        else calls.start(() => fn.remote(next.value, ...rest) as ObjectRef)
      }
      if (calls.size === 0) break
      yield await abortable.wait(calls.next())
    }
  } finally {
    abortable.stop()
    calls.cancel()
    if (asking) void leave(source)
    else if (!ended) await source.return?.()
  }
}

/** The calls under way, and the outcomes that nobody has taken yet; at most `inFlight` of both. */
class Calls {
  readonly #worker: CoreWorker
  readonly #ordered: boolean
  /** In the order of their inputs. */
  readonly #running = new Map<number, Running>()
  /** Those with an outcome, in the order these came. */
  readonly #settled = new Set<Running>()
  #index = 0
  /** Of whoever waits for the next outcome. */
  #wake: (() => void) | undefined

  constructor(worker: CoreWorker, ordered: boolean) {
    this.#worker = worker
    this.#ordered = ordered
  }

  get size(): number {
    return this.#running.size
  }

  /** An input that cannot be sent is that input's failure, not the end of the others. */
  start(call: () => ObjectRef): void {
    const index = this.#index++
    const running = this.#submit(index, call)
    this.#running.set(index, running)
    if (running.ref === undefined) return
    this.#worker.getter.getOne(running.ref).then(
      (value) => {
        this.#settle(running, { index, status: 'fulfilled', value })
      },
      (reason: unknown) => {
        this.#settle(running, { index, status: 'rejected', reason })
      },
    )
  }

  /** Waits for the next outcome by P2, and takes it. */
  async next(): Promise<Outcome> {
    for (;;) {
      const [first] = this.#ordered ? this.#running.values() : this.#settled
      if (first?.outcome !== undefined) {
        this.#running.delete(first.index)
        this.#settled.delete(first)
        return first.outcome
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  cancel(): void {
    for (const { ref } of this.#running.values()) {
      if (ref !== undefined) this.#worker.cancel(ref, { force: false, recursive: true })
    }
  }

  #submit(index: number, call: () => ObjectRef): Running {
    try {
      return { index, ref: call(), outcome: undefined }
    } catch (reason) {
      if (!(reason instanceof SerializationError)) throw reason
      const refused: Running = { index, ref: undefined, outcome: undefined }
      this.#settle(refused, { index, status: 'rejected', reason })
      return refused
    }
  }

  #settle(running: Running, outcome: Outcome): void {
    running.outcome = outcome
    this.#settled.add(running)
    this.#wake?.()
  }
}

/** A generator that is asked for an input hears `return` only after that, which may never come:
 *  nobody waits for it, and what it throws then has nobody to tell. */
async function leave(source: AsyncIterator<unknown> | Iterator<unknown>): Promise<void> {
  try {
    await source.return?.()
  } catch {
    return
  }
}

/** @throws UsageError for what cannot be iterated. */
export function checkInputs(inputs: unknown): Inputs {
  if (isIterable(inputs, Symbol.asyncIterator) || isIterable(inputs, Symbol.iterator)) {
    return inputs as Inputs
  }
  throw new UsageError(
    `map() takes an iterable or async iterable of inputs, got ${showValue(inputs)}`,
  )
}

const iteratorOf = (inputs: Inputs): AsyncIterator<unknown> | Iterator<unknown> =>
  Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]()

export function isIterable(value: unknown, by: symbol): boolean {
  if (value === null || value === undefined) return false
  return typeof (Object(value) as Record<symbol, unknown>)[by] === 'function'
}

function defaultInFlight(): number {
  const { totals } = currentWorker('map()').options.welcome
  return Math.max(IN_FLIGHT_MIN, IN_FLIGHT_PER_CPU * Math.ceil(toResources(totals).CPU ?? 1))
}

/** Lets waits, one at a time, end when `signal` aborts. */
function untilAborted(signal: AbortSignal | undefined): {
  wait<T>(promise: Promise<T>): Promise<T>
  stop(): void
} {
  if (signal === undefined) return { wait: (promise) => promise, stop: () => undefined }
  let reject: (reason: unknown) => void = () => undefined
  const abort = (): void => {
    reject(signal.reason)
  }
  signal.addEventListener('abort', abort, { once: true })
  return {
    wait: (promise) =>
      new Promise((resolve, rejectThis) => {
        reject = rejectThis
        promise.then(resolve, rejectThis)
        if (signal.aborted) abort()
      }),
    stop: () => {
      signal.removeEventListener('abort', abort)
    },
  }
}
