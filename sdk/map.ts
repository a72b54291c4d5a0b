// map and mapSettled: results for a possibly endless sequence of inputs, in flat memory.
//   P1. At most `inFlight` calls are under way or waiting to be taken.
//   P2. Ordered results come in the order of the inputs; unordered ones as they complete.
//   P3. When the consumer leaves, or the first error ends a map, what is under way is cancelled.
//   P4. A result is given as soon as it is there, and the end comes at once: a source that has
//       nothing to say holds up neither.
//   P5. No promise gets a reaction for every result, as Promise.race would give to a slow call and
//       to the signal: they would be kept as long as that is pending.
import type { MapSpecOptions } from '../runtime/common/call-options.ts'
import type { ObjectRef } from '../runtime/core-worker/object-ref.ts'
import type { CoreWorker } from '../runtime/core-worker/core-worker.ts'
import { SerializationError } from '../runtime/common/errors.ts'
import { toResources } from '../runtime/common/resources.ts'
import { currentWorker } from './current.ts'
import { Source, type Inputs } from './source.ts'

interface Callable {
  remote(...args: unknown[]): unknown
}

interface Running {
  readonly index: number
  /** Undefined for an input that could not be sent, and once there is an outcome. */
  ref: ObjectRef | undefined
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
  /** Ends the wait for whatever comes next: an input, an outcome, the abort. */
  let wake = (): void => undefined
  const changed = (): void => {
    wake()
  }
  const source = new Source(inputs, changed)
  const calls = new Calls(worker, options.ordered, changed)
  const { signal } = options
  signal?.addEventListener('abort', changed, { once: true })
  try {
    while (!source.ended || calls.size > 0) {
      if (calls.size < inFlightMax) source.ask()
      signal?.throwIfAborted()
      if (source.answered) {
        const next = await source.take()
        if (next.done !== true) calls.start(() => fn.remote(next.value, ...rest) as ObjectRef)
        continue
      }
      const outcome = calls.take()
      if (outcome === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      } else yield outcome
    }
  } finally {
    signal?.removeEventListener('abort', changed)
    calls.cancel()
    await source.close()
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
  readonly #onOutcome: () => void

  constructor(worker: CoreWorker, ordered: boolean, onOutcome: () => void) {
    this.#worker = worker
    this.#ordered = ordered
    this.#onOutcome = onOutcome
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

  /** The next outcome by P2, if it is there. */
  take(): Outcome | undefined {
    const [first] = this.#ordered ? this.#running.values() : this.#settled
    if (first?.outcome === undefined) return undefined
    this.#running.delete(first.index)
    this.#settled.delete(first)
    return first.outcome
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

  /** Nobody else has its ref: what was read through it goes now, not when that is collected. */
  #settle(running: Running, outcome: Outcome): void {
    running.outcome = outcome
    running.ref?.free()
    running.ref = undefined
    this.#settled.add(running)
    this.#onOutcome()
  }
}

function defaultInFlight(): number {
  const { totals } = currentWorker('map()').options.welcome
  return Math.max(IN_FLIGHT_MIN, IN_FLIGHT_PER_CPU * Math.ceil(toResources(totals).CPU ?? 1))
}
