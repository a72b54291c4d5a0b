// What the raylet needs of its node's object store: runtime/objects/store.ts is one.
// `client` is the worker or driver that asks: what it made and did not seal, and what it pinned,
// is let go when its process has exited.
import type { ObjectId, WorkerId } from '../common/ids.ts'
import type { StateRow, Welcome } from '../protocol/messages.ts'

export interface ObjectMemory {
  /** How clients reach the arena. */
  readonly arena: Welcome['arena']
  create(client: WorkerId, objectId: ObjectId, sizeBytes: number): Promise<{ offset: number }>
  seal(client: WorkerId, objectId: ObjectId): void
  abort(client: WorkerId, objectId: ObjectId): void
  pin(client: WorkerId, objectId: ObjectId): Promise<{ offset: number; sizeBytes: number }>
  unpin(client: WorkerId, objectId: ObjectId, count: number): void
  free(objectIds: readonly ObjectId[]): void
  clientExited(client: WorkerId): void
  rows(limit: number): readonly StateRow[]
  usage(): { readonly usedBytes: number; readonly sizeBytes: number; readonly spilledBytes: number }
  close(): Promise<void>
}
