// What a process gives its heir (hand-over.ts), in messages no larger than others are (pure).
import type { Inherited } from '../protocol/peer-messages.ts'

export const BATCH_OBJECTS_MAX = 256
/** What is stored does not travel along. */
export const BATCH_BYTES_MAX = 1024 * 1024

/** @param all  each is asked for once it is its turn: what is given changes while others are sent. */
export function* inheritedBatches(all: Iterable<Inherited>): Generator<readonly Inherited[]> {
  let batch: Inherited[] = []
  let sizeBytes = 0
  for (const object of all) {
    batch.push(object)
    if (object.value.kind !== 'stored') sizeBytes += object.value.blob.length
    if (batch.length < BATCH_OBJECTS_MAX && sizeBytes < BATCH_BYTES_MAX) continue
    yield batch
    batch = []
    sizeBytes = 0
  }
  if (batch.length > 0) yield batch
}
