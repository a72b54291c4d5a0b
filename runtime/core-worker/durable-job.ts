// A durable job (`init({ durable: true })`): what makes each result again is in the GCS before the
// result is told, and what is put is in the bucket of the cluster, or in the GCS if it is small,
// before its ref is given.
import type { ObjectId } from '../common/ids.ts'
import type { CoreWorker } from './core-worker.ts'
import type { ObjectEntry, StoredAt } from './object-entry.ts'
import type { TaskRecord } from './task-record.ts'

export class DurableJob {
  readonly #worker: CoreWorker

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /** A task was submitted: its spec goes to the GCS while it runs. */
  submitted(record: TaskRecord): void {
    for (const entry of record.entries()) this.#worker.lineageStream?.keep(entry)
  }

  /** Resolves when all that was submitted and put so far may be told; undefined: it may. */
  commits(): Promise<void> | undefined {
    const { lineageStream, deps } = this.#worker
    const committing = lineageStream?.commits()
    if (committing === undefined) return undefined
    deps.raylet.hold(1) // a program does not end while it waits for this
    return committing.finally(() => {
      deps.raylet.hold(-1)
    })
  }

  /** Resolves when what was put outlives this process and its node. */
  async put(entry: ObjectEntry): Promise<void> {
    this.#worker.lineageStream?.keep(entry)
    await this.commits()
  }

  /** @throws UsageError where the cluster has no bucket. */
  async keepStored(objectId: ObjectId): Promise<void> {
    await this.#worker.deps.raylet.request('keepObject', { objectId })
  }

  async kept(stored: StoredAt): Promise<StoredAt> {
    await this.keepStored(stored.objectId)
    return stored
  }
}
