// How an object of this process is made again by another one: by its value, where it is small and
// known, or by running its task once more.
import { blobOf } from './failure.ts'
import type { CoreWorker } from './core-worker.ts'
import { BLOB, VALUE, type ObjectEntry } from './object-entry.ts'
import { SPEC_VALUE, specOf } from './ref-lineage.ts'

/** undefined: it cannot be. */
export function objectSpec(worker: CoreWorker, entry: ObjectEntry): Uint8Array | undefined {
  if (entry.state === VALUE) return specOf(SPEC_VALUE, blobOf(worker.codec, entry.value))
  if (entry.state === BLOB) return specOf(SPEC_VALUE, entry.value as Uint8Array)
  return undefined
}
