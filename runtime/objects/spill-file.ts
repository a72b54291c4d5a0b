// The spill place on local disk: one folder, a CRC-32 per range kept in memory.
// Nothing is synced to the disk: these files are worth nothing after the raylet's death.
// Invariants (with SL1 to SL3 of spill.ts, SK1 of spill-files.ts):
//   SP1. The disk is never filled to the brim: a reserve stays for everybody else.
// Source: faults.md F41, F66 to F68.
import type { StatsFs } from 'node:fs'
import { type FileHandle, mkdir, open, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import {
  FusedSpill,
  type SpillMedium,
  type SpillReach,
  type SpillReader,
  type SpillWriter,
  directAccess,
} from './spill-files.ts'
import { type SpillRange, corrupted, spillFailed } from './spill.ts'

/** SP1. Whichever is less stays free. Source: Ray local_fs_capacity_threshold = 0.95. */
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

export class FileSpill extends FusedSpill {
  constructor({ folder, disk = { open, unlink, statfs } }: FileSpillOptions) {
    const files = new SpillFolder(folder, disk)
    super(files, files)
  }
}

/** Files of the disk by their paths. */
class DiskReach implements SpillReach {
  readonly #open: SpillDisk['open']

  constructor(openFile: SpillDisk['open']) {
    this.#open = openFile
  }

  async open(path: string): Promise<SpillWriter> {
    return writerOf(path, await this.#translated(path, 'r+'))
  }

  protected async make(path: string): Promise<FileHandle> {
    return this.#translated(path, 'wx')
  }

  async openRange(range: SpillRange): Promise<SpillReader> {
    let file: FileHandle
    try {
      file = await this.#open(range.path, 'r')
    } catch (cause) {
      throw readFailed(range, 0, cause)
    }
    return {
      read: async (into, at) => {
        try {
          return (await file.read(into, 0, into.byteLength, at)).bytesRead
        } catch (cause) {
          throw readFailed(range, at - range.offset, cause)
        }
      },
      close: () => file.close(),
    }
  }

  sum(bytes: Uint8Array, checksum: number): number {
    return crc32(bytes, checksum)
  }

  async #translated(path: string, flags: string): Promise<FileHandle> {
    try {
      return await this.#open(path, flags, 0o600)
    } catch (cause) {
      throw translate(cause, path)
    }
  }
}

class SpillFolder extends DiskReach implements SpillMedium {
  readonly #folder: string
  readonly #disk: SpillDisk
  #fileCount = 0
  /** Of writes under way, so that two of them do not pass SP1 together. */
  #promisedBytes = 0

  constructor(folder: string, disk: SpillDisk) {
    super(disk.open)
    this.#folder = folder
    this.#disk = disk
  }

  async create(sizeBytes: number): Promise<SpillWriter> {
    const path = join(this.#folder, `objects-${this.#fileCount++}`)
    this.#promisedBytes += sizeBytes
    const kept = (): void => {
      this.#promisedBytes -= sizeBytes
    }
    try {
      await this.#checkRoom()
      return writerOf(path, await this.make(path), kept)
    } catch (error) {
      kept()
      throw error
    }
  }

  async delete(path: string): Promise<void> {
    try {
      await this.#disk.unlink(path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw translate(error, path)
    }
  }

  async #checkRoom(): Promise<void> {
    const { bavail, blocks, bsize } = await this.#statfs()
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

  async #statfs(): ReturnType<SpillDisk['statfs']> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      return await this.#disk.statfs(this.#folder)
    } catch (cause) {
      throw translate(cause, this.#folder)
    }
  }
}

/** How the processes of this machine write and read objects that have files of their own. */
export const directFiles = directAccess(new DiskReach(open))

/** @param closed  called once, when nothing more will be written. */
function writerOf(path: string, file: FileHandle, closed?: () => void): SpillWriter {
  return {
    path,
    write: async (bytes, at) => {
      try {
        for (let done = 0; done < bytes.byteLength;) {
          done += (await file.write(bytes, done, bytes.byteLength - done, at + done)).bytesWritten
        }
      } catch (cause) {
        throw translate(cause, path)
      }
    },
    close: async () => {
      closed?.()
      await file.close()
    },
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
