// Parts of files that hold one object each, which is larger than the arena: written as they come
// from another node, and read for one. A part that is read of a sealed file is checked by itself.
// Invariants (with SL1 to SL4 of spill.ts):
//   DF1. A sealed file has the checksum of what lies before the end of each of its pieces, as its
//        sealing found them: a piece is right when it leads from the one sum to the next.
//   DF2. No file is held open between two parts: who writes or reads may be gone at any time.
import { ProtocolError } from '../common/errors.ts'
import type { SpillReach, SpillReader } from './spill-files.ts'
import { SPILL_PIECE_BYTES, corrupted, spillFailed, type SpillRange } from './spill.ts'

interface DirectFile {
  readonly sizeBytes: number
  /** DF1. Absent: it is not sealed yet. */
  readonly sums?: readonly number[]
}

export class DirectFiles {
  readonly #reach: SpillReach
  readonly #files = new Map<string, DirectFile>()

  constructor(reach: SpillReach) {
    this.#reach = reach
  }

  opened(path: string, sizeBytes: number): void {
    this.#files.set(path, { sizeBytes })
  }

  /** @param sums  DF1, from the end of the first piece on. */
  sealed(path: string, sizeBytes: number, sums: readonly number[]): void {
    this.#files.set(path, { sizeBytes, sums })
  }

  forget(path: string): void {
    this.#files.delete(path)
  }

  async write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    this.#find(path, offset, bytes.byteLength)
    const file = await this.#reach.open(path)
    try {
      await file.write(bytes, offset)
    } finally {
      await file.close(true)
    }
  }

  async read(
    path: string,
    offset: number,
    sizeBytes: number,
    spare?: Uint8Array,
  ): Promise<Uint8Array> {
    const { sums, sizeBytes: wholeBytes } = this.#find(path, offset, sizeBytes)
    if (sums === undefined) return this.#readPlain({ path, offset, sizeBytes, checksum: 0 }, spare)
    const start = offset - (offset % SPILL_PIECE_BYTES)
    const pieces = Math.ceil((offset + sizeBytes) / SPILL_PIECE_BYTES)
    const end = Math.min(wholeBytes, pieces * SPILL_PIECE_BYTES)
    const range = { path, offset: start, sizeBytes: end - start, checksum: sums.at(-1) ?? 0 }
    const bytes = await this.#readPlain(range, spare)
    this.#check(range, bytes, sums)
    return bytes.subarray(offset - start, offset - start + sizeBytes)
  }

  async #readPlain(range: SpillRange, spare: Uint8Array | undefined): Promise<Uint8Array> {
    const file = await this.#reach.openRange(range)
    try {
      return await filled(file, range, spare)
    } finally {
      await file.close()
    }
  }

  #check(range: SpillRange, bytes: Uint8Array, sums: readonly number[]): void {
    for (let at = 0; at < bytes.byteLength; at += SPILL_PIECE_BYTES) {
      const index = (range.offset + at) / SPILL_PIECE_BYTES
      const before = index === 0 ? 0 : (sums[index - 1] ?? 0)
      const checksum = this.#reach.sum(bytes.subarray(at, at + SPILL_PIECE_BYTES), before)
      if (checksum !== sums[index]) throw corrupted(range, { checksum })
    }
  }

  #find(path: string, offset: number, sizeBytes: number): DirectFile {
    const file = this.#files.get(path)
    if (file === undefined) {
      throw spillFailed(`${path} is no file of one object here, or it is gone by now.`, 'disk')
    }
    if (offset + sizeBytes <= file.sizeBytes) return file
    throw new ProtocolError(`bytes behind the end of an object of ${file.sizeBytes} B were meant`)
  }
}

async function filled(
  file: SpillReader,
  range: SpillRange,
  spare: Uint8Array = NOTHING,
): Promise<Uint8Array> {
  const { sizeBytes } = range
  const isEnough = spare.byteLength >= sizeBytes
  const bytes = isEnough ? spare.subarray(0, sizeBytes) : Buffer.allocUnsafeSlow(sizeBytes)
  for (let done = 0; done < bytes.byteLength;) {
    const count = await file.read(bytes.subarray(done), range.offset + done)
    if (count === 0) throw corrupted(range, { sizeBytes: done })
    done += count
  }
  return bytes
}

const NOTHING = new Uint8Array(0)
