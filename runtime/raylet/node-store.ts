// The object store of this node with what clients must know to reach its bytes.
import type { ObjectStore } from '../objects/store.ts'
import type { Welcome } from '../protocol/messages.ts'

/** A node in one epoch of its life, as it names what it spills. */
export type SpillOwner = `${string}-${number}`

export interface NodeStore {
  readonly store: ObjectStore
  readonly arena: Welcome['arena']
  /** Deletes what a node that is dead had spilled where it outlives it; absent: on its disk only. */
  readonly sweep?: (owner: SpillOwner) => Promise<void>
}
