// map and mapSettled: results for a possibly endless sequence of inputs, in flat memory.
//   P1. At most `inFlight` calls are under way or waiting to be taken.
//   P2. Ordered results come in the order of the inputs; unordered ones as they complete.
//   P3. When the consumer leaves, or the first error ends a map, what is under way is cancelled.
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
  readonly done: Promise<Outcome>
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
  const running: Running[] = []
  let ended = false
  let index = 0
  const aborted = abortPromise(options.signal)
  const start = (input: unknown): void => {
    running.push(submit(index, () => fn.remote(input, ...rest) as ObjectRef, worker))
    index += 1
  }
  try {
    while (!ended || running.length > 0) {
      while (!ended && running.length < inFlightMax) {
        const next = await aborted.race(Promise.resolve(source.next()))
        if (next.done === true) ended = true
        else start(next.value)
      }
      if (running.length === 0) break
      const outcome = await aborted.race(nextOutcome(running, options.ordered))
      running.splice(
        running.findIndex((each) => each.index === outcome.index),
        1,
      )
      yield outcome
    }
  } finally {
    aborted.stop()
    for (const { ref } of running) {
      if (ref !== undefined) worker.cancel(ref, { force: false, recursive: true })
    }
    if (!ended) await source.return?.()
  }
}

/** An input that cannot be sent is that input's failure, not the end of the others. */
function submit(index: number, call: () => ObjectRef, worker: CoreWorker): Running {
  try {
    const ref = call()
    return { index, ref, done: settle(worker.getter.getOne(ref), index) }
  } catch (reason) {
    if (!(reason instanceof SerializationError)) throw reason
    return { index, ref: undefined, done: Promise.resolve({ index, status: 'rejected', reason }) }
  }
}

function nextOutcome(running: readonly Running[], ordered: boolean): Promise<Outcome> {
  if (ordered) return (running[0] as Running).done
  return Promise.race(running.map((each) => each.done))
}

function settle(value: Promise<unknown>, index: number): Promise<Outcome> {
  return value.then(
    (fulfilled) => ({ index, status: 'fulfilled', value: fulfilled }),
    (reason: unknown) => ({ index, status: 'rejected', reason }),
  )
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

/** Lets waits end when `signal` aborts, without a listener for each of them. */
function abortPromise(signal: AbortSignal | undefined): {
  race<T>(promise: Promise<T>): Promise<T>
  stop(): void
} {
  if (signal === undefined) return { race: (promise) => promise, stop: () => undefined }
  let abort: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(signal.reason as Error)
    }
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
  aborted.catch(() => undefined) // nobody may be waiting when it aborts
  return {
    race: (promise) => Promise.race([promise, aborted]),
    stop: () => {
      signal.removeEventListener('abort', abort)
    },
  }
}
