// The object store of this node with what clients must know to reach its bytes.
import type { SpillRange, SpillSink, SpillSource } from '../objects/spill.ts'
import type { ObjectStore } from '../objects/store.ts'
import type { Welcome } from '../protocol/messages.ts'

/** A node in one epoch of its life, as it names what it spills. */
export type SpillOwner = `${string}-${number}`

/** Where copies outlive their node, and every node reads them. */
export interface SharedBucket {
  /** @throws ObjectCorruptedError */
  read(range: SpillRange, sink: SpillSink): Promise<void>
  /** Whether that place is in it. */
  holds(path: string): boolean
  /** Writes a copy for a job, whose id is given in hex. @throws CapacityError */
  keep(jobId: string, source: SpillSource): Promise<SpillRange>
  /** Deletes what was kept for that job. */
  forget(jobId: string): Promise<void>
}

export interface NodeStore {
  readonly store: ObjectStore
  readonly arena: Welcome['arena']
  /** Absent: objects are spilled to the disk of the node alone. */
  readonly bucket?: SharedBucket
  /** Deletes what a node that is dead had spilled where it outlives it; absent: on its disk only. */
  readonly sweep?: (owner: SpillOwner) => Promise<void>
}
