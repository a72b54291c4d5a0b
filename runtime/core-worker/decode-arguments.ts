// The arguments of a pushed task, or of an actor's constructor, as the process that runs it gets
// them: small ones lie in the record, large ones in the node's store. Those of a large record come
// in parts ahead of it.
import { VirgaError } from '../common/errors.ts'
import type { ByteReader } from '../protocol/byte-reader.ts'
import { ARGUMENT_INLINE, readStoredArgument, type StoredValue } from '../protocol/task-frames.ts'
import type { CoreWorker } from './core-worker.ts'
import { ArgumentLost } from './failure.ts'
import { decodeStored } from './stored-blob.ts'

/** Inline arguments are decoded where they lie; without others the result is there at once. */
export function decodeArguments(
  worker: CoreWorker,
  reader: ByteReader,
): unknown[] | Promise<unknown[]> {
  const args: unknown[] = []
  const isLasting = worker.codec.expectLasting(reader.remaining)
  const fetching = decodeInto(args, worker, { reader, count: reader.varint(), isLasting })
  return fetching === undefined ? args : Promise.all(fetching).then(() => args)
}

/** Arguments of one record as they come, in order. */
export class ArrivingArguments {
  readonly #worker: CoreWorker
  readonly #isLasting: boolean
  readonly #args: unknown[] = []
  #parts: Omit<Part, 'isLasting'>[] = []
  readonly #fetching: Promise<void>[] = []
  /** Why one could not be decoded: an error of the task, which is told when that begins. */
  #failure: { readonly error: unknown } | undefined

  /** @param recordBytes  of all of them. */
  constructor(worker: CoreWorker, recordBytes: number) {
    this.#worker = worker
    this.#isLasting = worker.codec.expectLasting(recordBytes)
  }

  add(reader: ByteReader, count: number): void {
    this.#parts.push({ reader, count })
  }

  /** Decodes what has come. */
  decode(): void {
    const parts = this.#parts
    this.#parts = []
    if (this.#failure !== undefined) return
    try {
      for (const part of parts) this.#decode(part)
    } catch (error) {
      this.#failure = { error }
    }
  }

  /** What `decodeArguments` gives, once all have come. */
  all(): unknown[] | Promise<unknown[]> {
    this.decode()
    if (this.#failure !== undefined) throw this.#failure.error
    const args = this.#args
    return this.#fetching.length === 0 ? args : Promise.all(this.#fetching).then(() => args)
  }

  #decode(part: Omit<Part, 'isLasting'>): void {
    const isLasting = this.#isLasting
    for (const each of decodeInto(this.#args, this.#worker, { ...part, isLasting }) ?? []) {
      each.catch(() => undefined) // told by all()
      this.#fetching.push(each)
    }
  }
}

interface Part {
  readonly reader: ByteReader
  readonly count: number
  /** What ValueCodec.expectLasting said. */
  readonly isLasting: boolean
}

/** @returns what is awaited for those that are stored. */
function decodeInto(
  args: unknown[],
  { codec, store }: CoreWorker,
  { reader, count, isLasting }: Part,
): Promise<void>[] | undefined {
  let fetching: Promise<void>[] | undefined
  for (let left = count; left > 0; left -= 1) {
    const kind = reader.u8()
    if (kind === ARGUMENT_INLINE) {
      const sizeBytes = reader.varint()
      const at = reader.skip(sizeBytes)
      args.push(codec.decodeRange(reader.bytes, at, at + sizeBytes, isLasting))
      continue
    }
    const i = args.push(undefined) - 1
    fetching ??= []
    const stored = readStoredArgument(reader, kind)
    fetching.push(
      store.read(stored).then(
        (blob) => {
          args[i] = decodeStored(codec, blob, {})
        },
        (error: unknown) => argumentLost(stored, error),
      ),
    )
  }
  return fetching
}

/** The function has not begun: this is none of its errors. */
function argumentLost({ objectId }: StoredValue, error: unknown): never {
  throw error instanceof VirgaError ? new ArgumentLost(objectId, error) : error
}
