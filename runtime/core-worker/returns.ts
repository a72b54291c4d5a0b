// What a call hands to the user: one ref, several, nothing, or a stream; and what `run` resolves
// to.
import type { CoreWorker } from './core-worker.ts'
import type { ObjectEntry } from './object-entry.ts'
import type { ObjectRef } from './object-ref.ts'
import type { StreamState } from './streams.ts'
import type { TaskRecord } from './task-record.ts'

export class RefStream implements AsyncIterable<ObjectRef> {
  readonly completed: ObjectRef
  readonly #worker: CoreWorker
  readonly #state: StreamState

  constructor(worker: CoreWorker, state: StreamState) {
    this.#worker = worker
    this.#state = state
    this.completed = worker.ref(state.completed)
  }

  /** The items' refs, in order. Leaving the loop early cancels the producer. */
  async *[Symbol.asyncIterator](): AsyncIterator<ObjectRef> {
    let exhausted = false
    try {
      for (let entry = await this.#next(); entry !== undefined; entry = await this.#next()) {
        yield this.#worker.ref(entry)
      }
      exhausted = true
    } finally {
      if (!exhausted) await this.cancel()
    }
  }

  /** The items' values, in order. */
  async *values(): AsyncIterable<unknown> {
    for await (const ref of this) yield await this.#worker.getter.getOne(ref)
  }

  cancel(): Promise<void> {
    this.#worker.submitter.cancel(this.#state.record, { force: false, recursive: true })
    return Promise.resolve()
  }

  #next(): Promise<ObjectEntry | undefined> {
    const state = this.#state
    // What is there already makes nobody wait: the raylet need not hear of it.
    return state.isReady
      ? state.next()
      : this.#worker.blocking.during([state.completed], state.next())
  }
}

export function returnsOf(worker: CoreWorker, record: TaskRecord): unknown {
  if (record.stream !== undefined) return new RefStream(worker, record.stream)
  const { returns } = record
  if (returns === undefined || record.kind.numReturns === 0) return undefined
  if (Array.isArray(returns)) return (returns as ObjectEntry[]).map((entry) => worker.ref(entry))
  return worker.ref(returns as ObjectEntry)
}

/** The value of a call: what `run` gives. */
export function runOf(worker: CoreWorker, record: TaskRecord): unknown {
  const returned = returnsOf(worker, record)
  if (returned instanceof RefStream) return returned.values()
  if (returned === undefined) return worker.getter.getOne(worker.ref(record.returns as ObjectEntry))
  if (Array.isArray(returned)) return worker.getter.getMany(returned as ObjectRef[])
  return worker.getter.getOne(returned as ObjectRef)
}
