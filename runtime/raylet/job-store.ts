// The object store of this node as its jobs use it: opened with the first client, closed with the
// raylet; what a job leaves in it is freed when nobody can reach it any more.
import { assert } from '../common/assert.ts'
import { jobIdOfObject, type JobId, type ObjectId } from '../common/ids.ts'
import type { NodeStore } from './node-store.ts'

export class JobStore {
  readonly #open: () => Promise<NodeStore>
  #opening: Promise<NodeStore> | undefined
  #opened: NodeStore | undefined

  constructor(open: () => Promise<NodeStore>) {
    this.#open = open
  }

  /** Open after the first call has resolved. */
  async open(): Promise<NodeStore> {
    this.#opening ??= this.#open()
    this.#opened ??= await this.#opening
    return this.#opened
  }

  get opened(): NodeStore | undefined {
    return this.#opened
  }

  get store(): NodeStore['store'] {
    assert(this.#opened !== undefined, 'the object store is used before anybody was welcomed')
    return this.#opened.store
  }

  /** The process is gone, and with it whatever it mapped. */
  clientExited(client: Parameters<NodeStore['store']['clientExited']>[0]): void {
    this.#opened?.store.clientExited(client)
  }

  hasAnyOf(jobId: JobId): boolean {
    return this.#idsOf(jobId).length > 0
  }

  jobIds(): ReadonlySet<JobId> {
    const objects = this.#opened?.store.list() ?? []
    return new Set(objects.map(({ objectId }) => jobIdOfObject(objectId as ObjectId)))
  }

  #idsOf(jobId: JobId): readonly ObjectId[] {
    const objects = this.#opened?.store.list() ?? []
    const ids = objects.map(({ objectId }) => objectId as ObjectId)
    return ids.filter((id) => jobIdOfObject(id) === jobId)
  }

  /** Nobody can reach the objects of a job whose driver and workers are gone. */
  freeOf(jobId: JobId): void {
    this.#opened?.store.free(this.#idsOf(jobId))
  }

  async close(): Promise<void> {
    const opened = await this.#opening
    await opened?.store.close()
  }
}
