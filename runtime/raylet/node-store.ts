// The object store of this node with what clients must know to reach its bytes.
import type { ObjectStore } from '../objects/store.ts'
import type { Welcome } from '../protocol/messages.ts'

export interface NodeStore {
  readonly store: ObjectStore
  readonly arena: Welcome['arena']
}
