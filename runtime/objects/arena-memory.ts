// The arena inside one process: for inline mode, where there is nobody to share with, and for
// simulation. Reads are copies, because inline tasks must not see each other's scribbles either.
import { assert } from '../common/assert.ts'
import { CapacityError } from '../common/errors.ts'
import type { Arena, ArenaClient } from './arena-access.ts'

export interface MemoryArenaOptions {
  readonly sizeBytes: number
  /** Growing beyond this fails, as a full /dev/shm would. Default: sizeBytes. */
  readonly backedBytes?: number
}

export class MemoryArena implements Arena {
  readonly path = 'memory'
  readonly sizeBytes: number
  readonly #backedBytes: number
  readonly #buffer: ArrayBuffer
  #committedBytes = 0

  constructor(options: MemoryArenaOptions) {
    this.sizeBytes = options.sizeBytes
    this.#backedBytes = options.backedBytes ?? options.sizeBytes
    this.#buffer = new ArrayBuffer(0, { maxByteLength: options.sizeBytes })
  }

  get committedBytes(): number {
    return this.#committedBytes
  }

  async grow(toBytes: number): Promise<void> {
    if (toBytes <= this.#committedBytes) return
    if (toBytes > Math.min(this.sizeBytes, this.#backedBytes)) {
      throw new CapacityError(
        `The object store in memory cannot grow to ${toBytes} B: it is limited to ` +
          `${this.#backedBytes} B. Free objects, or give it more.`,
        { data: { reason: 'no-space', toBytes } },
      )
    }
    this.#buffer.resize(toBytes)
    this.#committedBytes = toBytes
  }

  async read(offset: number, sizeBytes: number): Promise<Uint8Array> {
    return this.#view(offset, sizeBytes)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#view(offset, bytes.byteLength).set(bytes)
  }

  writable(offset: number, sizeBytes: number): Uint8Array {
    return this.#view(offset, sizeBytes)
  }

  /** The other side of it; as many as there are users. */
  open(): ArenaClient {
    return {
      writable: (offset, sizeBytes) => this.#view(offset, sizeBytes),
      written: () => undefined,
      readable: (offset, sizeBytes, released) => {
        const copy = this.#view(offset, sizeBytes).slice()
        released?.()
        return copy
      },
      close: () => undefined,
    }
  }

  async close(): Promise<void> {
    this.#committedBytes = 0
    this.#buffer.resize(0)
  }

  #view(offset: number, sizeBytes: number): Uint8Array {
    assert(offset + sizeBytes <= this.#committedBytes, `arena range ${offset}+${sizeBytes}`)
    return new Uint8Array(this.#buffer, offset, sizeBytes)
  }
}
