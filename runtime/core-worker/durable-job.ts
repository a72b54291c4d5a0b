// A durable job (`init({ durable: true })`): what makes each result again is in the GCS before the
// result is told, and what is put is in the bucket of the cluster, or in the GCS if it is small,
// before its ref is given.
import type { ObjectId } from '../common/ids.ts'
import type { CoreWorkerDeps } from './core-worker.ts'
import type { LineageStream } from './lineage-stream.ts'
import type { ObjectEntry, StoredAt } from './object-entry.ts'
import type { TaskRecord } from './task-record.ts'

/** What it needs of its core worker. */
export interface DurableWorker {
  readonly lineageStream: Pick<LineageStream, 'keep' | 'commits'> | undefined
  readonly deps: { readonly raylet: Pick<CoreWorkerDeps['raylet'], 'request' | 'hold'> }
  storeFree(objectId: ObjectId): void
}

export class DurableJob {
  readonly #worker: DurableWorker
  /** Large arguments on their way into the bucket. Each ends: there is room, or none for 30 s. */
  readonly #keeping = new Set<Promise<StoredAt>>()

  constructor(worker: DurableWorker) {
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
    if (committing === undefined && this.#keeping.size === 0) return undefined
    deps.raylet.hold(1) // a program does not end while it waits for this
    // One that cannot be kept fails its own task.
    const kept = Promise.allSettled(this.#keeping)
    return Promise.all([committing, kept])
      .then(nothing)
      .finally(() => {
        deps.raylet.hold(-1)
      })
  }

  /** Resolves when what was put outlives this process and its node. */
  async put(entry: ObjectEntry): Promise<void> {
    this.#worker.lineageStream?.keep(entry)
    await this.commits()
  }

  /** What cannot be kept is given up: nobody has a ref of it. @throws UsageError without a bucket. */
  async keepStored(objectId: ObjectId): Promise<void> {
    try {
      await this.#worker.deps.raylet.request('keepObject', { objectId })
    } catch (error) {
      this.#worker.storeFree(objectId)
      throw error
    }
  }

  /** A large argument is being stored. Resolves when it is in the bucket, too. */
  keptOnce(storing: Promise<StoredAt>): Promise<StoredAt> {
    const keeping = storing.then(async (stored) => {
      await this.keepStored(stored.objectId)
      return stored
    })
    const ended = (): void => void this.#keeping.delete(keeping)
    this.#keeping.add(keeping)
    keeping.then(ended, ended)
    return keeping
  }
}

const nothing = (): void => undefined
