// A spill place in memory, for simulation and tests. It can be full, fail, and hold damaged bytes.
import { assert } from '../common/assert.ts'
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

export interface MemorySpillOptions {
  readonly capacityBytes: number
}

interface MemoryFile {
  readonly bytes: Uint8Array
  readonly live: Set<number>
}

export class MemorySpill implements SpillPlace {
  readonly #files = new Map<string, MemoryFile>()
  #fileCount = 0
  #usedBytes = 0
  capacityBytes: number

  constructor(options: MemorySpillOptions) {
    this.capacityBytes = options.capacityBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get paths(): readonly string[] {
    return [...this.#files.keys()]
  }

  /** The bytes of a file, for a producer of a direct object and for tests that damage them. */
  bytesOf(path: string): Uint8Array {
    const file = this.#files.get(path)
    assert(file !== undefined, `no spill file ${path}`)
    return file.bytes
  }

  /** Puts other bytes in the place of a file's, as a failing disk would. */
  replace(path: string, bytes: Uint8Array): void {
    const file = this.#files.get(path)
    assert(file !== undefined, `no spill file ${path}`)
    this.#files.set(path, { bytes, live: file.live })
  }

  /** What the clients of a store with this place use. */
  get direct(): DirectAccess {
    return {
      write: async (path, bytes) => {
        this.bytesOf(path).set(bytes)
      },
      read: async (place) => {
        const bytes = new Uint8Array(place.sizeBytes)
        await this.read(place, async (at, piece) => {
          bytes.set(piece, at)
        })
        return bytes
      },
    }
  }

  async write(sources: readonly SpillSource[]): Promise<readonly SpillRange[]> {
    const path = this.#open(sources.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    const bytes = this.bytesOf(path)
    const ranges: SpillRange[] = []
    let offset = 0
    for (const { sizeBytes, read } of sources) {
      for (let done = 0; done < sizeBytes; done += SPILL_PIECE_BYTES) {
        const piece = await read(done, Math.min(SPILL_PIECE_BYTES, sizeBytes - done))
        bytes.set(piece, offset + done)
      }
      ranges.push(this.#keep(path, offset, sizeBytes))
      offset += sizeBytes
    }
    return ranges
  }

  async read(range: SpillRange, sink: SpillSink): Promise<void> {
    const file = this.#files.get(range.path)
    if (file === undefined) throw corrupted(range, { code: 'ENOENT' })
    const bytes = file.bytes.subarray(range.offset, range.offset + range.sizeBytes)
    for (let done = 0; done < bytes.byteLength; done += SPILL_PIECE_BYTES) {
      await sink(done, bytes.subarray(done, done + SPILL_PIECE_BYTES))
    }
    checkRange(range, bytes.byteLength, sumOf(bytes))
  }

  async remove({ path, offset }: SpillRange): Promise<void> {
    const file = this.#files.get(path)
    file?.live.delete(offset)
    if (file?.live.size === 0) await this.abortDirect(path)
  }

  async openDirect(sizeBytes: number): Promise<string> {
    return this.#open(sizeBytes)
  }

  async sealDirect(path: string, sizeBytes: number): Promise<SpillRange> {
    return this.#keep(path, 0, sizeBytes)
  }

  async abortDirect(path: string): Promise<void> {
    this.#usedBytes -= this.#files.get(path)?.bytes.byteLength ?? 0
    this.#files.delete(path)
  }

  async close(): Promise<void> {
    this.#files.clear()
    this.#usedBytes = 0
  }

  #open(sizeBytes: number): string {
    if (this.#usedBytes + sizeBytes > this.capacityBytes) {
      throw spillFailed(`The spill place of ${this.capacityBytes} B is full.`, 'disk-full')
    }
    const path = `memory-${this.#fileCount++}`
    this.#files.set(path, { bytes: new Uint8Array(sizeBytes), live: new Set() })
    this.#usedBytes += sizeBytes
    return path
  }

  #keep(path: string, offset: number, sizeBytes: number): SpillRange {
    const file = this.#files.get(path)
    assert(file !== undefined, `no spill file ${path}`)
    file.live.add(offset)
    const checksum = sumOf(file.bytes.subarray(offset, offset + sizeBytes))
    return { path, offset, sizeBytes, checksum }
  }
}

/** FNV-1a: this file may not reach for zlib, and its sums are never compared with another's. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193)
  return sum >>> 0
}
