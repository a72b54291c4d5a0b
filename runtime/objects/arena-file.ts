// The arena where there is no shared memory (macOS, or VIRGA_OBJECT_STORE=file): a plain file in
// the session folder, read and written by copies, with the behaviour of arena-shm.ts.
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { assert } from '../common/assert.ts'
import { CapacityError, ObjectLostError } from '../common/errors.ts'
import type { Arena, ArenaClient } from './arena-access.ts'

/** Zeros are written in pieces of this size when the arena grows. */
const GROW_BYTES = 4 * 1024 * 1024
/** Node refuses to move 2 GiB in one call. */
const IO_BYTES_MAX = 1024 * 1024 * 1024

export interface FileArenaOptions {
  /** A file that does not exist yet. `close` deletes it. */
  readonly path: string
  /** What it may grow to. */
  readonly sizeBytes: number
  /** Test seam: a disk that can be full. Default: node:fs. */
  readonly openFile?: typeof open
}

/** @throws CapacityError when the file cannot be made. `data.reason`: 'no-file'. */
export async function createFileArena(options: FileArenaOptions): Promise<Arena> {
  const { path, sizeBytes, openFile = open } = options
  try {
    return new FileArena(await openFile(path, 'wx+', 0o600), path, sizeBytes)
  } catch (cause) {
    throw new CapacityError(
      `The object store cannot make its file ${path}. Check the session folder and its disk.`,
      { cause, data: { reason: 'no-file', path } },
    )
  }
}

class FileArena implements Arena {
  readonly path: string
  readonly sizeBytes: number
  readonly #file: FileHandle
  #committedBytes = 0

  constructor(file: FileHandle, path: string, sizeBytes: number) {
    this.#file = file
    this.path = path
    this.sizeBytes = sizeBytes
  }

  get committedBytes(): number {
    return this.#committedBytes
  }

  /** Writes zeros, because a hole is no promise of room. */
  async grow(toBytes: number): Promise<void> {
    const fromBytes = this.#committedBytes
    if (toBytes <= fromBytes) return
    assert(toBytes <= this.sizeBytes, `arena of ${this.sizeBytes} B cannot grow to ${toBytes} B`)
    const zeros = new Uint8Array(Math.min(GROW_BYTES, toBytes - fromBytes))
    try {
      for (let at = fromBytes; at < toBytes;) {
        const { bytesWritten } = await this.#file.write(
          zeros,
          0,
          Math.min(zeros.byteLength, toBytes - at),
          at,
        )
        at += bytesWritten
      }
    } catch (cause) {
      ftruncateSync(this.#file.fd, fromBytes)
      throw new CapacityError(
        `The disk is full: the object store cannot grow from ${fromBytes} to ${toBytes} B in ` +
          `${this.path}. Free disk space, or objects.`,
        { cause, data: { reason: 'no-space', fromBytes, toBytes } },
      )
    }
    this.#committedBytes = toBytes
  }

  async read(offset: number, sizeBytes: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(sizeBytes)
    for (let done = 0; done < sizeBytes;) {
      const count = Math.min(IO_BYTES_MAX, sizeBytes - done)
      const { bytesRead } = await this.#file.read(bytes, done, count, offset + done)
      if (bytesRead === 0) throw cutShort(this.path, offset + done)
      done += bytesRead
    }
    return bytes
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      const count = Math.min(IO_BYTES_MAX, bytes.byteLength - done)
      done += (await this.#file.write(bytes, done, count, offset + done)).bytesWritten
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
    unlinkSync(this.path)
  }
}

/** @param path  `Arena.path`; opened at the first use. */
export function openFileArena(path: string): ArenaClient {
  return new FileArenaClient(path)
}

class FileArenaClient implements ArenaClient {
  readonly #path: string
  #fd: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  writable(_offset: number, sizeBytes: number): Uint8Array {
    return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
  }

  written(offset: number, target: Uint8Array): void {
    for (let done = 0; done < target.byteLength;) {
      const count = Math.min(IO_BYTES_MAX, target.byteLength - done)
      done += writeSync(this.#open(), target, done, count, offset + done)
    }
  }

  readable(offset: number, sizeBytes: number, released?: () => void): Uint8Array {
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
    for (let done = 0; done < sizeBytes;) {
      const count = Math.min(IO_BYTES_MAX, sizeBytes - done)
      const got = readSync(this.#open(), bytes, done, count, offset + done)
      if (got === 0) throw cutShort(this.#path, offset + done)
      done += got
    }
    released?.()
    return bytes
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #open(): number {
    this.#fd ??= openSync(this.#path, constants.O_RDWR)
    return this.#fd
  }
}

const cutShort = (path: string, offset: number): ObjectLostError =>
  new ObjectLostError(
    `The file of the object store ends at ${offset} B: somebody else has cut ${path}. ` +
      'Restart the node.',
    { data: { path, offset } },
  )
