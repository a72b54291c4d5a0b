// The arena in shared memory (Linux): a file in /dev/shm that never has a name, so that nothing is
// left behind whatever dies; clients open it as /proc/<raylet>/fd/N.
// Invariants (with AA1 to AA3 of arena-access.ts):
//   AS1. Pages are fallocated before anyone may touch them, and the file is never cut: touching a
//       page that a full tmpfs cannot give is SIGBUS.
//   AS2. Producers write through one shared map of the whole file, which also shows what little is
//       read to decode a value. Readers get a private map each, over memory that V8 owns
//       (mappings-shm.ts); below MAPPED_BYTES_MIN, and when there are too many maps, a copy.
import { closeSync, constants, ftruncateSync, openSync } from 'node:fs'
import { assert } from '../common/assert.ts'
import { CapacityError } from '../common/errors.ts'
import { MAPPED_BYTES_MIN, PAGE_BYTES } from './arena.ts'
import type { Arena, ArenaClient } from './arena-access.ts'
import { MAP_SHARED, fallocate, libc, mapOver, populate } from './libc-shm.ts'
import { Mappings, type MappingsDeps } from './mappings-shm.ts'

export { MAPPINGS_MAX } from './mappings-shm.ts'

/** Node has no name for it; with O_DIRECTORY it makes a file without a name. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
/** Page tables are filled ahead for ranges from here on; the unit in which that is remembered. */
const GRANULE_BYTES = 256 * 1024
/** From here on a call out of V8 costs less than it gains. */
const NATIVE_COPY_BYTES_MIN = 64 * 1024
/** Collections are not asked for below an eighth of the arena, within these. */
const COLLECT_BYTES_MIN = 64 * 1024 * 1024
const COLLECT_BYTES_MAX = 1024 * 1024 * 1024

export interface ShmArenaOptions {
  /** What it may grow to: whole pages. */
  readonly sizeBytes: number
  /** A tmpfs. Default: /dev/shm. */
  readonly folder?: string
}

/**
 * Makes the arena of a node; nothing is committed yet.
 * @throws CapacityError when there is no shared memory here, so that the caller takes
 * arena-file.ts. `data.reason`: 'no-koffi' or 'no-shm'.
 */
export function createShmArena(options: ShmArenaOptions): Arena {
  const { sizeBytes, folder = '/dev/shm' } = options
  assert(sizeBytes % PAGE_BYTES === 0, `arena of ${sizeBytes} B is not whole pages`)
  libc()
  try {
    const fd = openSync(folder, constants.O_RDWR | O_TMPFILE, 0o600)
    ftruncateSync(fd, sizeBytes)
    return new ShmArena(fd, sizeBytes)
  } catch (cause) {
    throw new CapacityError(
      `No shared memory: a file of ${sizeBytes} B cannot be made in ${folder}. Mount a tmpfs ` +
        'there, or set VIRGA_OBJECT_STORE=file.',
      { cause, data: { reason: 'no-shm', folder } },
    )
  }
}

class ShmArena implements Arena {
  readonly path: string
  readonly sizeBytes: number
  readonly #fd: number
  #shared: SharedMap | undefined
  #committedBytes = 0

  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd
    this.sizeBytes = sizeBytes
    this.path = `/proc/${process.pid}/fd/${fd}`
  }

  get committedBytes(): number {
    return this.#committedBytes
  }

  async grow(toBytes: number): Promise<void> {
    const fromBytes = this.#committedBytes
    if (toBytes <= fromBytes) return
    assert(toBytes <= this.sizeBytes, `arena of ${this.sizeBytes} B cannot grow to ${toBytes} B`)
    const errno = await fallocate(this.#fd, fromBytes, toBytes - fromBytes)
    if (errno !== 0) {
      throw new CapacityError(
        `Shared memory is full: the object store cannot grow from ${fromBytes} to ${toBytes} B ` +
          `(errno ${errno}). Enlarge /dev/shm (docker run --shm-size), or free objects.`,
        { data: { reason: 'no-space', errno, fromBytes, toBytes } },
      )
    }
    this.#committedBytes = Math.max(this.#committedBytes, toBytes)
  }

  async read(offset: number, sizeBytes: number): Promise<Uint8Array> {
    return this.#map().range(offset, sizeBytes)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.writable(offset, bytes.byteLength).set(bytes)
  }

  writable(offset: number, sizeBytes: number): Uint8Array {
    return this.#map().range(offset, sizeBytes)
  }

  async close(): Promise<void> {
    closeSync(this.#fd)
  }

  #map(): SharedMap {
    this.#shared ??= new SharedMap(this.#fd, this.sizeBytes)
    return this.#shared
  }
}

/**
 * The arena of a node as a driver or worker of it sees it.
 * @param path  `Arena.path`; opened at the first use, because many processes never need it.
 */
export function openShmArena(path: string, sizeBytes: number, deps: MappingsDeps): ShmArenaClient {
  return new ShmArenaClient(path, sizeBytes, deps)
}

export class ShmArenaClient implements ArenaClient {
  readonly #path: string
  readonly #sizeBytes: number
  readonly #deps: MappingsDeps
  #fd: number | undefined
  #shared: SharedMap | undefined
  #mappings: Mappings | undefined

  constructor(path: string, sizeBytes: number, deps: MappingsDeps) {
    this.#path = path
    this.#sizeBytes = sizeBytes
    this.#deps = deps
  }

  /** How many ranges are mapped in this process, and their sum. */
  get mapped(): { readonly count: number; readonly bytes: number } {
    return { count: this.#mappings?.count ?? 0, bytes: this.#mappings?.bytes ?? 0 }
  }

  writable(offset: number, sizeBytes: number): Uint8Array {
    const shared = this.#map()
    shared.warm(offset, sizeBytes)
    return shared.range(offset, sizeBytes)
  }

  /** V8 copies into shared buffers word by word, because others may race; nobody does here yet. */
  copy(target: Uint8Array, source: Uint8Array): void {
    if (source.byteLength < NATIVE_COPY_BYTES_MIN) target.set(source)
    else libc().memcpy(target, source, source.byteLength)
  }

  written(): void {
    // It was filled in place.
  }

  inPlace(offset: number, sizeBytes: number): Uint8Array {
    return this.#map().range(offset, sizeBytes)
  }

  readable(offset: number, sizeBytes: number, released?: () => void): Uint8Array {
    if (sizeBytes >= MAPPED_BYTES_MIN) {
      assert(offset % PAGE_BYTES === 0, `object of ${sizeBytes} B at arena offset ${offset}`)
      const view = this.#openMappings().map(offset, sizeBytes, released)
      if (view !== undefined) return view
    }
    const copy = new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
    copy.set(this.#map().range(offset, sizeBytes))
    released?.()
    return copy
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
    this.#shared = undefined
    this.#mappings = undefined // its releases go on
  }

  #open(): number {
    this.#fd ??= openSync(this.#path, constants.O_RDWR)
    return this.#fd
  }

  #map(): SharedMap {
    this.#shared ??= new SharedMap(this.#open(), this.#sizeBytes)
    return this.#shared
  }

  #openMappings(): Mappings {
    const eighth = this.#sizeBytes / 8
    this.#mappings ??= new Mappings(this.#deps, {
      fd: this.#open(),
      collectBytesMin: Math.min(COLLECT_BYTES_MAX, Math.max(COLLECT_BYTES_MIN, eighth)),
    })
    return this.#mappings
  }
}

/** The whole file, mapped shared; costs address space only until it is touched. */
class SharedMap {
  readonly #bytes: Uint8Array
  /** Granules whose page tables are filled already in this process. */
  readonly #warm: Uint8Array

  constructor(fd: number, sizeBytes: number) {
    this.#bytes = new Uint8Array(new SharedArrayBuffer(sizeBytes, { maxByteLength: sizeBytes }))
    this.#warm = new Uint8Array(Math.ceil(sizeBytes / GRANULE_BYTES))
    if (!mapOver(this.#bytes, MAP_SHARED, { fd, offset: 0 })) {
      throw new CapacityError(
        `The object store of ${sizeBytes} B cannot be mapped into this process. Raise its limit ` +
          'on address space (ulimit -v), or make the store smaller.',
        { data: { reason: 'no-space', sizeBytes } },
      )
    }
  }

  range(offset: number, sizeBytes: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + sizeBytes)
  }

  /** Prepares the granules that lie wholly within the range for writing, each once. */
  warm(offset: number, sizeBytes: number): void {
    const end = Math.floor((offset + sizeBytes) / GRANULE_BYTES)
    let first = -1
    for (let granule = Math.ceil(offset / GRANULE_BYTES); granule < end; granule++) {
      if (this.#warm[granule] === 0) {
        this.#warm[granule] = 1
        if (first < 0) first = granule
      } else if (first >= 0) {
        this.#populate(first, granule)
        first = -1
      }
    }
    if (first >= 0) this.#populate(first, end)
  }

  #populate(first: number, end: number): void {
    populate(this.#bytes.subarray(first * GRANULE_BYTES, end * GRANULE_BYTES))
  }
}
