// In whose store alone an object of ours was made, as far as that is certain: who frees it tells
// that node, in place of all.
// Invariants:
//   MA1. Known only of what was put here, and of results of a task that ran once: one that
//        may have run before, unheard, may have left a result there.
//   MA2. Forgotten when it is freed, or may be made anew.
import type { ObjectId } from '../common/ids.ts'

export class MadeAt {
  /** In hex. One for each stored object of ours that lives. */
  readonly #nodes = new Map<ObjectId, string>()

  made(objectId: ObjectId, nodeId: string | undefined): void {
    if (nodeId !== undefined) this.#nodes.set(objectId, nodeId)
  }

  /** MA2. There may be one elsewhere from now on. */
  notAlone(objectId: ObjectId): void {
    this.#nodes.delete(objectId)
  }

  /** It is freed. @returns undefined: it may lie anywhere. */
  take(objectId: ObjectId): string | undefined {
    const nodeId = this.#nodes.get(objectId)
    this.#nodes.delete(objectId)
    return nodeId
  }
}
