// A spill place in memory, for simulation and tests. It can be full, fail, and hold damaged bytes.
import { assert } from '../common/assert.ts'
import type { DirectAccess } from './arena-access.ts'
import {
  FusedSpill,
  type SpillMedium,
  type SpillReader,
  type SpillWriter,
  directAccess,
} from './spill-files.ts'
import { type SpillRange, corrupted, spillFailed } from './spill.ts'

export interface MemorySpillOptions {
  readonly capacityBytes: number
}

export class MemorySpill extends FusedSpill {
  readonly files: MemoryFiles
  /** What the clients of a store with this place use. */
  readonly direct: DirectAccess

  constructor(options: MemorySpillOptions) {
    const files = new MemoryFiles(options.capacityBytes)
    super(files, files)
    this.files = files
    this.direct = directAccess(files)
  }
}

class MemoryFiles implements SpillMedium {
  readonly #files = new Map<string, Uint8Array>()
  #fileCount = 0
  #usedBytes = 0
  capacityBytes: number

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  /** The bytes of a file, for tests that damage them. */
  bytesOf(path: string): Uint8Array {
    const bytes = this.#files.get(path)
    assert(bytes !== undefined, `no spill file ${path}`)
    return bytes
  }

  /** Puts other bytes in the place of a file's, as a failing disk would; none: it is gone. */
  replace(path: string, bytes?: Uint8Array): void {
    if (bytes === undefined) this.#files.delete(path)
    else this.#files.set(path, bytes)
  }

  async create(sizeBytes: number): Promise<SpillWriter> {
    if (this.#usedBytes + sizeBytes > this.capacityBytes) {
      throw spillFailed(`The spill place of ${this.capacityBytes} B is full.`, 'disk-full')
    }
    const path = `memory-${this.#fileCount++}`
    this.#files.set(path, new Uint8Array(sizeBytes))
    this.#usedBytes += sizeBytes
    return this.open(path)
  }

  async open(path: string): Promise<SpillWriter> {
    const file = this.bytesOf(path)
    return {
      path,
      write: async (bytes, at) => {
        file.set(bytes, at)
      },
      close: async () => undefined,
    }
  }

  async openRange(range: SpillRange): Promise<SpillReader> {
    const file = this.#files.get(range.path)
    if (file === undefined) throw corrupted(range, { code: 'ENOENT' })
    return {
      read: async (into, at) => {
        const bytes = file.subarray(at, at + into.byteLength)
        into.set(bytes)
        return bytes.byteLength
      },
      close: async () => undefined,
    }
  }

  async delete(path: string): Promise<void> {
    this.#usedBytes -= this.#files.get(path)?.byteLength ?? 0
    this.#files.delete(path)
  }

  /** FNV-1a: this file may not reach for zlib, and its sums are never compared with another's. */
  sum(bytes: Uint8Array, checksum: number): number {
    let sum = checksum ^ 0x811c9dc5
    for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193)
    return (sum ^ 0x811c9dc5) >>> 0
  }
}
