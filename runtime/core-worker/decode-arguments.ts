// The arguments of a pushed task, or of an actor's constructor, as the process that runs it gets
// them: small ones lie in the record, large ones in the node's store.
import { VirgaError } from '../common/errors.ts'
import type { ByteReader } from '../protocol/byte-reader.ts'
import { ARGUMENT_INLINE, readStored, type StoredValue } from '../protocol/task-frames.ts'
import type { CoreWorker } from './core-worker.ts'
import { ArgumentLost } from './failure.ts'

/** Inline arguments are decoded where they lie; without others the result is there at once. */
export function decodeArguments(
  { codec, store }: CoreWorker,
  reader: ByteReader,
): unknown[] | Promise<unknown[]> {
  const args: unknown[] = []
  let fetching: Promise<void>[] | undefined
  const isLasting = codec.expectLasting(reader.remaining)
  const count = reader.varint()
  for (let i = 0; i < count; i += 1) {
    if (reader.u8() === ARGUMENT_INLINE) {
      const sizeBytes = reader.varint()
      const at = reader.skip(sizeBytes)
      args.push(codec.decodeRange(reader.bytes, at, at + sizeBytes, isLasting))
      continue
    }
    args.push(undefined)
    fetching ??= []
    const stored = readStored(reader)
    fetching.push(
      store.read(stored).then(
        (blob) => {
          args[i] = codec.decode(blob, { view: true })
        },
        (error: unknown) => argumentLost(stored, error),
      ),
    )
  }
  return fetching === undefined ? args : Promise.all(fetching).then(() => args)
}

/** The function has not begun: this is none of its errors. */
function argumentLost({ objectId }: StoredValue, error: unknown): never {
  throw error instanceof VirgaError ? new ArgumentLost(objectId, error) : error
}
