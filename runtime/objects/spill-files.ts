// A spill place over any medium that holds files: fuses objects into one file each time, checks
// what it reads by checksum, and deletes a file with its last range. The medium says how bytes are
// written, read and summed: spill-file.ts on disk, spill-bucket.ts in S3, spill-memory.ts here.
// Invariants (with SL1 to SL3 of spill.ts):
//   SK1. A file exists from its first byte until its last live range is removed.
//   SK2. One that cannot be deleted now is known until it is: `close` tries again, and where there
//        is a clock so does time, after AGAIN_MS and then ever more rarely.
// Source: faults.md F41, F66 to F68; Ray external_storage.py for fused files.
import type { Clock, Timer } from '../common/clock.ts'
import { VirgaError } from '../common/errors.ts'
import type { DirectAccess, DirectPlace } from './arena-access.ts'
import { DirectFiles } from './direct-files.ts'
import {
  SPILL_PIECE_BYTES,
  allOf,
  type SpillPlace,
  type SpillRange,
  type SpillSink,
  type SpillSource,
  checkRange,
  spillFailed,
} from './spill.ts'

const AGAIN_MS = 1_000
const AGAIN_MS_MAX = 60_000

/** Files that exist, to be read. Errors are those of SpillPlace. */
interface SpillRanges {
  /** @throws ObjectCorruptedError when the file of the range is gone. */
  openRange(range: SpillRange): Promise<SpillReader>
  /** The checksum of `bytes` after those that gave `checksum`. Of none: 0. */
  sum(bytes: Uint8Array, checksum: number): number
}

/** As every process of the node reaches them. */
export interface SpillReach extends SpillRanges {
  /** To write. @throws CapacityError when it cannot be opened. */
  open(path: string): Promise<SpillWriter>
}

export interface SpillMedium extends SpillRanges {
  /** Makes an empty file that `sizeBytes` will be written to. @throws CapacityError */
  create(sizeBytes: number): Promise<SpillWriter>
  /** It may be gone already. */
  delete(path: string): Promise<void>
}

export interface SpillWriter {
  readonly path: string
  /** `bytes` may change once this has returned. @param at  where the last write has ended. */
  write(bytes: Uint8Array, at: number): Promise<void>
  /** Once, always. @param isWhole  all was written; else the file is deleted next. */
  close(isWhole: boolean): Promise<void>
}

export interface SpillReader {
  /**
   * From the start of the range to its end.
   * @returns how many bytes were read, 0 at the end of the file.
   */
  read(into: Uint8Array, at: number): Promise<number>
  close(): Promise<void>
}

export class FusedSpill implements SpillPlace {
  readonly #medium: SpillMedium
  /** How many live ranges each file has; an open direct file counts as one. */
  readonly #rangeCounts = new Map<string, number>()
  readonly #removed = new WeakSet<SpillRange>()
  readonly #direct: DirectFiles | undefined
  readonly #clock: Clock | undefined
  /** SK2. */
  readonly #undeleted = new Set<string>()
  #again: Timer | undefined
  #isClosed = false

  /**
   * @param reach  the same files as their producers reach them; absent: none has direct files.
   * @param clock  of a medium that may be away for a while.
   */
  constructor(medium: SpillMedium, reach?: SpillReach, clock?: Clock) {
    this.#medium = medium
    this.#clock = clock
    this.#direct = reach === undefined ? undefined : new DirectFiles(reach)
  }

  get hasFiles(): boolean {
    return this.#direct !== undefined
  }

  /** Of files that exist. */
  get paths(): readonly string[] {
    return [...this.#rangeCounts.keys()]
  }

  async write(sources: readonly SpillSource[]): Promise<readonly SpillRange[]> {
    const totalBytes = sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return this.#make(totalBytes, async (file) => {
      const ranges: SpillRange[] = []
      let offset = 0
      for (const source of sources) {
        const checksum = await this.#writeSource(file, offset, source)
        ranges.push({ path: file.path, offset, sizeBytes: source.sizeBytes, checksum })
        offset += source.sizeBytes
      }
      this.#rangeCounts.set(file.path, ranges.length)
      return ranges
    })
  }

  async read(range: SpillRange, sink: SpillSink): Promise<void> {
    await readRange(this.#medium, range, sink)
  }

  async remove(range: SpillRange): Promise<void> {
    if (this.#removed.has(range)) return
    this.#removed.add(range)
    const count = (this.#rangeCounts.get(range.path) ?? 0) - 1
    if (count > 0) this.#rangeCounts.set(range.path, count)
    else await this.#delete(range.path)
  }

  openDirect(sizeBytes: number): Promise<string> {
    return this.#make(sizeBytes, async ({ path }) => {
      this.#rangeCounts.set(path, 1)
      this.#direct?.opened(path, sizeBytes)
      return path
    })
  }

  async sealDirect(path: string, sizeBytes: number, goOn?: () => void): Promise<SpillRange> {
    const range = { path, offset: 0, sizeBytes, checksum: 0 }
    const { gotBytes, checksum, sums } = await sumRange(this.#medium, range, async () => goOn?.())
    const sealed = { ...range, checksum }
    checkRange(sealed, gotBytes, checksum)
    this.#direct?.sealed(path, sizeBytes, sums)
    return sealed
  }

  async writeDirect(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#filesOf(path).write(path, offset, bytes)
  }

  async readDirect(...part: Parameters<SpillPlace['readDirect']>): Promise<Uint8Array> {
    return await this.#filesOf(part[0]).read(...part)
  }

  abortDirect(path: string): Promise<void> {
    return this.#delete(path)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#again?.cancel()
    await allOf(this.paths.map((path) => this.#delete(path)))
  }

  /** Makes a new file and runs `use` on it; after a failure the file is gone again (SL2). */
  async #make<T>(sizeBytes: number, use: (file: SpillWriter) => Promise<T>): Promise<T> {
    const file = await this.#medium.create(sizeBytes)
    this.#rangeCounts.set(file.path, 0)
    try {
      return await closing(file, use)
    } catch (error) {
      await this.#delete(file.path)
      throw error
    }
  }

  async #writeSource(file: SpillWriter, at: number, source: SpillSource): Promise<number> {
    const { sizeBytes, read } = source
    let checksum = 0
    for (let done = 0; done < sizeBytes; done += SPILL_PIECE_BYTES) {
      const piece = await read(done, Math.min(SPILL_PIECE_BYTES, sizeBytes - done))
      checksum = this.#medium.sum(piece, checksum)
      await file.write(piece, at + done)
    }
    return checksum
  }

  /** SK2. */
  async #delete(path: string): Promise<void> {
    if (!this.#rangeCounts.has(path)) return
    try {
      await this.#medium.delete(path)
    } catch (error) {
      this.#undeleted.add(path)
      this.#deleteLater(AGAIN_MS)
      throw error
    }
    this.#undeleted.delete(path)
    this.#rangeCounts.delete(path)
    this.#direct?.forget(path)
  }

  /** SK2. */
  #deleteLater(pauseMs: number): void {
    if (this.#again !== undefined || this.#isClosed || this.#undeleted.size === 0) return
    this.#again = this.#clock?.after(pauseMs, () => {
      void this.#deleteAgain().then(() => {
        this.#again = undefined
        this.#deleteLater(Math.min(2 * pauseMs, AGAIN_MS_MAX))
      })
    })
  }

  /** One after the other, up to one that fails again, which is the last then: others may go. */
  async #deleteAgain(): Promise<void> {
    for (const path of [...this.#undeleted]) {
      try {
        await this.#delete(path)
      } catch (error) {
        if (!(error instanceof VirgaError)) throw error
        this.#undeleted.delete(path)
        this.#undeleted.add(path)
        return
      }
    }
  }

  #filesOf(path: string): DirectFiles {
    if (this.#direct !== undefined) return this.#direct
    throw spillFailed(`${path} cannot be read or written in parts.`, 'bucket')
  }
}

/** The producer's and the reader's side of an object that is larger than the arena. */
export function directAccess(reach: SpillReach): DirectAccess {
  return {
    async write(path: string, bytes: Uint8Array) {
      await closing(await reach.open(path), async (file) => {
        for (let done = 0; done < bytes.byteLength; done += SPILL_PIECE_BYTES) {
          await file.write(bytes.subarray(done, done + SPILL_PIECE_BYTES), done)
        }
      })
    },
    async read(place: DirectPlace) {
      const bytes = new Uint8Array(Buffer.allocUnsafeSlow(place.sizeBytes).buffer)
      await readRange(reach, place, async (at, piece) => {
        bytes.set(piece, at)
      })
      return bytes
    },
  }
}

/** Runs `use` on a file and closes it; a failure to close counts as one of `use`. */
async function closing<T>(file: SpillWriter, use: (file: SpillWriter) => Promise<T>): Promise<T> {
  let isWhole = false
  try {
    const made = await use(file)
    isWhole = true
    return made
  } finally {
    await file.close(isWhole)
  }
}

async function readRange(reach: SpillRanges, range: SpillRange, sink: SpillSink): Promise<void> {
  const { gotBytes, checksum } = await sumRange(reach, range, sink)
  checkRange(range, gotBytes, checksum)
}

/** @returns also the checksum of all before the end of each piece of SPILL_PIECE_BYTES. */
async function sumRange(
  reach: SpillRanges,
  range: SpillRange,
  sink: SpillSink,
): Promise<{ gotBytes: number; checksum: number; sums: readonly number[] }> {
  const file = await reach.openRange(range)
  try {
    const piece = Buffer.allocUnsafeSlow(Math.min(SPILL_PIECE_BYTES, range.sizeBytes))
    const sums: number[] = []
    let checksum = 0
    let done = 0
    while (done < range.sizeBytes) {
      const room = SPILL_PIECE_BYTES - (done % SPILL_PIECE_BYTES)
      const count = Math.min(piece.byteLength, room, range.sizeBytes - done)
      const bytesRead = await file.read(piece.subarray(0, count), range.offset + done)
      if (bytesRead === 0) break
      const got = piece.subarray(0, bytesRead)
      checksum = reach.sum(got, checksum)
      await sink(done, got)
      done += bytesRead
      sums[Math.ceil(done / SPILL_PIECE_BYTES) - 1] = checksum
    }
    return { gotBytes: done, checksum, sums }
  } finally {
    await file.close()
  }
}
