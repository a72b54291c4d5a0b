// The port to where objects go when the arena runs out: local disk (spill-file.ts), S3
// (spill-bucket.ts), both (spill-tiers.ts), memory in tests (spill-memory.ts). Bytes move in
// pieces, so that nobody waits long for a turn.
// Invariants, held by one contract suite:
//   SL1. A range that is read is the bytes that were written, by checksum, or ObjectCorruptedError.
//   SL2. A write that fails leaves nothing behind and may be made again.
//   SL3. A file goes when all of its ranges were removed; `close` takes the rest, each that it can.
//   SL4. A part that is read of a sealed direct file is what was sealed, or ObjectCorruptedError.
import { CapacityError, ObjectCorruptedError } from '../common/errors.ts'

/** Moved at a time between arena and spill place; a checksum of this takes about 1 ms. */
export const SPILL_PIECE_BYTES = 4 * 1024 * 1024

/** Where a spilled object lies. */
export interface SpillRange {
  readonly path: string
  readonly offset: number
  readonly sizeBytes: number
  /** CRC-32 of the bytes. */
  readonly checksum: number
}

export interface SpillSource {
  readonly sizeBytes: number
  /** Bytes of the object, to be used before anything else is awaited. */
  readonly read: (offset: number, sizeBytes: number) => Promise<Uint8Array>
}

export type SpillSink = (offset: number, bytes: Uint8Array) => Promise<void>

export interface SpillPlace {
  /** Whether it takes direct files. */
  readonly hasFiles: boolean
  /**
   * Writes several objects into one new file.
   * @returns a range for each, in order.
   * @throws CapacityError when the place is full or fails. `data.reason`: SpillFailure.
   */
  write(sources: readonly SpillSource[]): Promise<readonly SpillRange[]>
  /**
   * Reads a range; what reached `sink` counts only if this resolves.
   * @throws ObjectCorruptedError when the bytes are missing, cut or changed.
   */
  read(range: SpillRange, sink: SpillSink): Promise<void>
  /** Forgets a range. It may be repeated. */
  remove(range: SpillRange): Promise<void>
  /**
   * An empty file for an object that is larger than the arena; its producer writes it by path.
   * @throws CapacityError as `write`.
   */
  openDirect(sizeBytes: number): Promise<string>
  /**
   * Takes stock of a file that its producer has filled.
   * @param goOn  called before each piece; what it throws ends this.
   * @throws ObjectCorruptedError when it is not `sizeBytes` long.
   */
  sealDirect(path: string, sizeBytes: number, goOn?: () => void): Promise<SpillRange>
  /**
   * Puts a part of an object into its direct file, which is not sealed yet; in any order.
   * @throws CapacityError as `write`; or when there is no such file.
   */
  writeDirect(path: string, offset: number, bytes: Uint8Array): Promise<void>
  /**
   * A part of a direct file (SL4): best a piece of SPILL_PIECE_BYTES, from a multiple of that.
   * Of one that is not sealed, what was put there.
   * @param spare  SPILL_PIECE_BYTES that it may be read into: fresh ones are garbage that V8 lets
   * grow by 64 MiB.
   * @throws ObjectCorruptedError; CapacityError when there is no such file; ProtocolError when it
   * ends before.
   */
  readDirect(
    path: string,
    offset: number,
    sizeBytes: number,
    spare?: Uint8Array,
  ): Promise<Uint8Array>
  /** Deletes a direct file that was never sealed. It may be repeated. */
  abortDirect(path: string): Promise<void>
  /** Deletes everything. @throws the first failure, after all was tried. */
  close(): Promise<void>
}

/** The one place where a checksum is judged. */
export function checkRange(range: SpillRange, gotBytes: number, gotChecksum: number): void {
  if (gotBytes === range.sizeBytes && gotChecksum === range.checksum) return
  throw corrupted(range, { sizeBytes: gotBytes, checksum: gotChecksum })
}

/** @param got  what was found instead: sizes, a checksum, or the system's code. */
export function corrupted(
  range: SpillRange,
  got: Readonly<Record<string, number | string>>,
  cause?: unknown,
): ObjectCorruptedError {
  const { path, offset, sizeBytes, checksum } = range
  const message =
    `A spilled object is damaged: ${sizeBytes} B at ${offset} of ${path} are not what was ` +
    'written. Another copy or its lineage is used if there is one. Check that place.'
  const data = { path, offset, expected: { sizeBytes, checksum }, got }
  return new ObjectCorruptedError(message, { cause, data })
}

/** What could not take an object: a full disk, a failing one, a bucket that does not answer. */
export type SpillFailure = 'disk-full' | 'disk' | 'bucket'

export function spillFailed(message: string, reason: SpillFailure, cause?: unknown): CapacityError {
  return new CapacityError(message, { cause, data: { reason } })
}

/** Waits for all of them. @throws the first failure, once none of them goes on. */
export async function allOf(works: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}
