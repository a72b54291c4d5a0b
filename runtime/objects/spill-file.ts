// The spill place on local disk: fused files in one folder, a CRC-32 per range kept in memory.
// Nothing is synced to the disk: these files are worth nothing after the raylet's death.
// Invariants (with L1 to L3 of spill.ts):
//   K1. A file exists from its first byte until its last live range is removed.
//   K2. The disk is never filled to the brim: a reserve stays for everybody else.
// Source: faults.md F41, F66 to F68; Ray external_storage.py for fused files.
import type { StatsFs } from 'node:fs'
import { type FileHandle, mkdir, open, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { DirectAccess } from './arena-access.ts'
import {
  SPILL_PIECE_BYTES,
  type SpillPlace,
  type SpillRange,
  type SpillSink,
  type SpillSource,
  checkRange,
  corrupted,
  spillFailed,
} from './spill.ts'

/** K2. Whichever is less stays free. Source: Ray local_fs_capacity_threshold = 0.95. */
const RESERVE_SHARE = 0.05
const RESERVE_BYTES = 1024 * 1024 * 1024

/** What is used of node:fs/promises; tests give one that fails. */
export interface SpillDisk {
  readonly open: typeof open
  readonly unlink: (path: string) => Promise<void>
  readonly statfs: (path: string) => Promise<Pick<StatsFs, 'bavail' | 'blocks' | 'bsize'>>
}

export interface FileSpillOptions {
  /** Made, 0700, at the first spill. */
  readonly folder: string
  /** Default: the machine's. */
  readonly disk?: SpillDisk
}

export class FileSpill implements SpillPlace {
  readonly #folder: string
  readonly #disk: SpillDisk
  /** How many live ranges each file has; an open direct file counts as one. */
  readonly #rangeCounts = new Map<string, number>()
  readonly #removed = new WeakSet<SpillRange>()
  #fileCount = 0
  /** Of writes under way, so that two of them do not pass K2 together. */
  #promisedBytes = 0

  constructor({ folder, disk = { open, unlink, statfs } }: FileSpillOptions) {
    this.#folder = folder
    this.#disk = disk
  }

  async write(sources: readonly SpillSource[]): Promise<readonly SpillRange[]> {
    const totalBytes = sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return this.#withRoom(totalBytes, async (path, file) => {
      const ranges: SpillRange[] = []
      let offset = 0
      for (const source of sources) {
        const checksum = await writeSource(file, offset, source)
        ranges.push({ path, offset, sizeBytes: source.sizeBytes, checksum })
        offset += source.sizeBytes
      }
      this.#rangeCounts.set(path, ranges.length)
      return ranges
    })
  }

  async read(range: SpillRange, sink: SpillSink): Promise<void> {
    await readRange(range, sink, this.#disk.open)
  }

  async remove(range: SpillRange): Promise<void> {
    if (this.#removed.has(range)) return
    this.#removed.add(range)
    const count = (this.#rangeCounts.get(range.path) ?? 0) - 1
    if (count > 0) this.#rangeCounts.set(range.path, count)
    else await this.#delete(range.path)
  }

  openDirect(sizeBytes: number): Promise<string> {
    return this.#withRoom(sizeBytes, async (path) => {
      this.#rangeCounts.set(path, 1)
      return path
    })
  }

  async sealDirect(path: string, sizeBytes: number): Promise<SpillRange> {
    const range = { path, offset: 0, sizeBytes, checksum: 0 }
    const { gotBytes, checksum } = await sumRange(range, async () => undefined, this.#disk.open)
    const sealed = { ...range, checksum }
    checkRange(sealed, gotBytes, checksum)
    return sealed
  }

  abortDirect(path: string): Promise<void> {
    return this.#delete(path)
  }

  async close(): Promise<void> {
    for (const path of [...this.#rangeCounts.keys()]) await this.#delete(path)
  }

  /** Makes a new file and runs `use` on it; after a failure the file is gone again (L2). */
  async #withRoom<T>(
    sizeBytes: number,
    use: (path: string, file: FileHandle) => Promise<T>,
  ): Promise<T> {
    const path = join(this.#folder, `objects-${this.#fileCount++}`)
    this.#promisedBytes += sizeBytes
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await this.#checkRoom()
      const file = await this.#disk.open(path, 'wx', 0o600)
      this.#rangeCounts.set(path, 0)
      try {
        return await use(path, file)
      } finally {
        await file.close()
      }
    } catch (cause) {
      await this.#delete(path)
      throw translate(cause, path)
    } finally {
      this.#promisedBytes -= sizeBytes
    }
  }

  async #checkRoom(): Promise<void> {
    const { bavail, blocks, bsize } = await this.#disk.statfs(this.#folder)
    const freeBytes = bavail * bsize
    const reserveBytes = Math.min(RESERVE_BYTES, RESERVE_SHARE * blocks * bsize)
    if (freeBytes - this.#promisedBytes >= reserveBytes) return
    throw spillFailed(
      `The disk is full: ${freeBytes} B are free at ${this.#folder}, of which ` +
        `${Math.ceil(reserveBytes)} B stay in reserve, and ${this.#promisedBytes} B are to be ` +
        'spilled. Free disk space or objects.',
      'disk-full',
    )
  }

  async #delete(path: string): Promise<void> {
    if (!this.#rangeCounts.delete(path)) return
    try {
      await this.#disk.unlink(path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw translate(error, path)
    }
  }
}

/** The producer's and the reader's side of an object that is larger than the arena. */
export const directFiles: DirectAccess = {
  async write(path, bytes) {
    try {
      const file = await open(path, 'r+')
      try {
        for (let done = 0; done < bytes.byteLength; done += SPILL_PIECE_BYTES) {
          await writeAll(file, bytes.subarray(done, done + SPILL_PIECE_BYTES), done)
        }
      } finally {
        await file.close()
      }
    } catch (cause) {
      throw translate(cause, path)
    }
  },

  async read(place) {
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(place.sizeBytes).buffer)
    await readRange(place, async (at, piece) => {
      bytes.set(piece, at)
    })
    return bytes
  },
}

async function readRange(
  range: SpillRange,
  sink: SpillSink,
  openFile: typeof open = open,
): Promise<void> {
  const { gotBytes, checksum } = await sumRange(range, sink, openFile)
  checkRange(range, gotBytes, checksum)
}

async function writeSource(file: FileHandle, at: number, source: SpillSource): Promise<number> {
  let checksum = 0
  for (let done = 0; done < source.sizeBytes; done += SPILL_PIECE_BYTES) {
    const piece = await source.read(done, Math.min(SPILL_PIECE_BYTES, source.sizeBytes - done))
    checksum = crc32(piece, checksum)
    await writeAll(file, piece, at + done)
  }
  return checksum
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done)
    done += bytesWritten
  }
}

async function sumRange(
  range: SpillRange,
  sink: SpillSink,
  openFile: typeof open,
): Promise<{ gotBytes: number; checksum: number }> {
  let file: FileHandle
  try {
    file = await openFile(range.path, 'r')
  } catch (cause) {
    throw readFailed(range, 0, cause)
  }
  try {
    const piece = Buffer.allocUnsafeSlow(Math.min(SPILL_PIECE_BYTES, range.sizeBytes))
    let checksum = 0
    let done = 0
    while (done < range.sizeBytes) {
      const count = Math.min(piece.byteLength, range.sizeBytes - done)
      const bytesRead = await readPiece(file, piece.subarray(0, count), range, done)
      if (bytesRead === 0) break
      const got = piece.subarray(0, bytesRead)
      checksum = crc32(got, checksum)
      await sink(done, got)
      done += bytesRead
    }
    return { gotBytes: done, checksum }
  } finally {
    await file.close()
  }
}

async function readPiece(
  file: FileHandle,
  piece: Uint8Array,
  range: SpillRange,
  done: number,
): Promise<number> {
  try {
    const at = range.offset + done
    return (await file.read(piece, 0, piece.byteLength, at)).bytesRead
  } catch (cause) {
    throw readFailed(range, done, cause)
  }
}

/** The bytes are gone for good; any other failure, such as too many open files, may pass. */
const GONE_CODES = new Set(['ENOENT', 'EIO', 'ESTALE'])
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

function readFailed(range: SpillRange, doneBytes: number, error: unknown): unknown {
  const code = codeOf(error)
  if (GONE_CODES.has(code)) return corrupted(range, { sizeBytes: doneBytes, code }, error)
  return translate(error, range.path)
}

/** System errors become ours here and nowhere else; a bug stays what it is. */
function translate(error: unknown, path: string): unknown {
  const code = codeOf(error)
  if (!isSystemError(error)) return error
  return FULL_CODES.has(code)
    ? spillFailed(
        `The disk is full: ${path} cannot be written. Free disk space.`,
        'disk-full',
        error,
      )
    : spillFailed(`The disk fails: ${path} cannot be used (${code}). Check it.`, 'disk', error)
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error

const codeOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'
