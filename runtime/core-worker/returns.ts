// What a call hands to the user: one ref, several, nothing, or a stream; and what `run` resolves
// to.
import type { Weak } from '../common/finalization.ts'
import type { CoreWorker } from './core-worker.ts'
import type { ObjectEntry } from './object-entry.ts'
import type { ObjectRef } from './object-ref.ts'
import type { StreamState } from './streams.ts'
import type { TaskRecord } from './task-record.ts'

interface Reader {
  /** It wants no more: what ends the stream now is its own doing. */
  left: boolean
}

export class RefStream implements AsyncIterable<ObjectRef> {
  readonly completed: ObjectRef
  readonly #worker: CoreWorker
  readonly #state: StreamState

  constructor(worker: CoreWorker, state: StreamState) {
    this.#worker = worker
    this.#state = state
    this.completed = worker.ref(state.completed)
    watchStream(worker, this.completed, worker.deps.finalization.weak(state))
  }

  /** The items' refs, in order. Leaving the loop early cancels the producer. */
  [Symbol.asyncIterator](): AsyncGenerator<ObjectRef> {
    return this.#leavable((reader) => this.#refs(reader))
  }

  /** The items' values, in order. */
  values(): AsyncGenerator<unknown> {
    return this.#leavable((reader) => this.#values(reader))
  }

  cancel(): Promise<void> {
    this.#worker.submitter.cancel(this.#state.record, { force: false, recursive: true })
    return Promise.resolve()
  }

  /** A generator hears `return` only once it has its next item, which may be never: the producer is
   *  cancelled before, and what waits for the item ends without it. */
  #leavable<T>(read: (reader: Reader) => AsyncGenerator<T>): AsyncGenerator<T> {
    const reader = { left: false }
    const items = read(reader)
    const leave = items.return.bind(items)
    items.return = (value: unknown) => {
      reader.left = true
      void this.cancel()
      return leave(value)
    }
    return items
  }

  async *#refs(reader: Reader): AsyncGenerator<ObjectRef> {
    let exhausted = false
    try {
      for (let entry = await this.#next(); entry !== undefined; entry = await this.#next()) {
        yield this.#worker.ref(entry)
      }
      exhausted = true
    } catch (error) {
      if (!reader.left) throw error
    } finally {
      if (!exhausted) await this.cancel()
    }
  }

  async *#values(reader: Reader): AsyncGenerator<unknown> {
    const { getter } = this.#worker
    for await (const ref of this.#refs(reader)) yield await readOnce([ref], getter.getOne(ref))
  }

  #next(): Promise<ObjectEntry | undefined> {
    const state = this.#state
    // What is there already makes nobody wait: the raylet need not hear of it.
    return state.isReady
      ? state.next()
      : this.#worker.blocking.during([state.completed], state.next())
  }
}

/** Whoever reads the stream has `completed` as well. Its state may have the error of who left it,
 *  whose stack has the stream itself: kept here, it would keep what is watched. */
function watchStream(worker: CoreWorker, completed: ObjectRef, state: Weak<StreamState>): void {
  worker.deps.finalization.watch(completed, () => {
    const known = state.deref()
    known?.dropped(() => {
      worker.submitter.cancel(known.record, { force: false, recursive: true })
    })
  })
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
  const { getter } = worker
  const returned = returnsOf(worker, record) ?? worker.ref(record.returns as ObjectEntry)
  if (returned instanceof RefStream) return returned.values()
  if (!Array.isArray(returned))
    return readOnce([returned as ObjectRef], getter.getOne(returned as ObjectRef))
  const refs = returned as ObjectRef[]
  return readOnce(refs, getter.getMany(refs))
}

/** Nobody else has these handles: what was read through them goes now, not when the collector has
 *  found them. */
async function readOnce<T>(refs: readonly ObjectRef[], read: Promise<T>): Promise<T> {
  try {
    return await read
  } finally {
    for (const ref of refs) ref.free()
  }
}
