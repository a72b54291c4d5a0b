// How an object of this process is made again by another one: by its value, where it is small and
// known, or by running its task once more.
import { blobOf } from './failure.ts'
import type { CoreWorker } from './core-worker.ts'
import { BLOB, STORED, VALUE, type ObjectEntry } from './object-entry.ts'
import { SPEC_TASK, SPEC_VALUE, specOf } from './ref-lineage.ts'
import { encodeSpec } from './task-spec.ts'

/** undefined: it cannot be. */
export function objectSpec(worker: CoreWorker, entry: ObjectEntry): Uint8Array | undefined {
  if (entry.state === VALUE) return specOf(SPEC_VALUE, blobOf(worker.codec, entry.value))
  if (entry.state === BLOB) return specOf(SPEC_VALUE, entry.value as Uint8Array)
  const id = worker.references.idOf(entry)
  const task = entry.state === STORED ? worker.lineage.find(id)?.spec : undefined
  if (task === undefined) return undefined
  const { plainCodec } = worker.deps
  return specOf(SPEC_TASK, encodeSpec(plainCodec, task, worker.options.address))
}
