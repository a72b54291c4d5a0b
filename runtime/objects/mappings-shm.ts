// The private mappings of this process: which pages of the arena can still be seen from here.
// That a buffer object was collected does not say so: structuredClone() and worker threads make
// further objects over the same memory, and V8 unmaps a little later, on a thread of its own. So a
// mapping is over when its address range is no longer ours.
// Invariants:
//   MP1. `released` runs exactly once per mapping, and never while the range is still mapped.
//   MP2. At most MAPPINGS_MAX live at a time; the caller copies instead. Linux allows 65,530 per
//       process, and V8 and the user need theirs.
//   MP3. V8 does not see the weight of mappings. It is asked to collect when the objects that they
//       hold have doubled in sum since the last time, so that garbage does not keep the store
//       full, and for at most half of the time.
import { fstatSync } from 'node:fs'
import type { Clock, Timer } from '../common/clock.ts'
import type { Finalization } from '../common/finalization.ts'
import { MAP_PRIVATE, libc, mapOver } from './libc-shm.ts'
import { type MappedPage, stillMapped } from './mapped-pages-shm.ts'

export const MAPPINGS_MAX = 32_000

const COLLECT_COUNT_MIN = 4096
const LOOK_AGAIN_MIN_MS = 5
const LOOK_AGAIN_MAX_MS = 1000

interface Mapping extends MappedPage {
  readonly sizeBytes: number
  readonly released: (() => void) | undefined
}

export interface MappingsDeps {
  readonly clock: Clock
  readonly finalization: Finalization
}

export interface MappingsOptions {
  readonly fd: number
  /** Mapped bytes below this are no reason to ask for a collection. */
  readonly collectBytesMin: number
}

export class Mappings {
  readonly #deps: MappingsDeps
  readonly #fd: number
  readonly #collectBytesMin: number
  readonly #inode: number
  readonly #byAddress = new Map<number, Mapping>()
  /** Their buffer object is gone, their memory not yet. */
  readonly #leaving = new Set<Mapping>()
  /** How many mappings each object has, by its place in the file. */
  readonly #countAt = new Map<number, number>()
  #bytes = 0
  #collectAtBytes: number
  #collectAtCount = COLLECT_COUNT_MIN
  #isCollecting = false
  #collectNotBeforeMs = 0
  #isLookingSoon = false
  #lookAgainMs = LOOK_AGAIN_MIN_MS
  #lookAgainTimer: Timer | undefined

  constructor(deps: MappingsDeps, options: MappingsOptions) {
    this.#deps = deps
    this.#fd = options.fd
    this.#inode = fstatSync(options.fd).ino
    this.#collectBytesMin = options.collectBytesMin
    this.#collectAtBytes = options.collectBytesMin
  }

  get count(): number {
    return this.#byAddress.size
  }

  /** Sum of the objects mapped, each counted once. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * A copy-on-write view of a range of the file.
   * @returns undefined when it has to be a copy instead (MP2, or the system refuses).
   */
  map(fileOffset: number, sizeBytes: number, released?: () => void): Uint8Array | undefined {
    if (this.#byAddress.size >= MAPPINGS_MAX) return undefined
    // A growable buffer is the one kind that V8 reserves by mmap and frees by munmap.
    const buffer = new SharedArrayBuffer(sizeBytes, { maxByteLength: sizeBytes })
    const bytes = new Uint8Array(buffer)
    if (!mapOver(bytes, MAP_PRIVATE, { fd: this.#fd, offset: fileOffset })) return undefined
    const mapping = { address: Number(libc().address(bytes)), sizeBytes, fileOffset, released }
    this.#add(mapping)
    this.#deps.finalization.watch(buffer, () => {
      this.#collected(mapping)
    })
    return bytes
  }

  #add(mapping: Mapping): void {
    const former = this.#byAddress.get(mapping.address)
    if (former !== undefined) this.#release(former) // V8 gave the address again: it was unmapped
    this.#byAddress.set(mapping.address, mapping)
    const countBefore = this.#countAt.get(mapping.fileOffset) ?? 0
    this.#countAt.set(mapping.fileOffset, countBefore + 1)
    if (countBefore === 0) this.#bytes += mapping.sizeBytes
    if (this.#bytes > this.#collectAtBytes || this.count > this.#collectAtCount) this.#collectSoon()
  }

  /** Asks for a collection, unless one is due anyway (MP3). */
  #collectSoon(): void {
    if (this.#isCollecting) return
    this.#isCollecting = true
    const { clock } = this.#deps
    const pauseMs = this.#collectNotBeforeMs - clock.monotonicMs()
    const collect = (): void => {
      this.#collect()
    }
    // Not now: when the caller has returned, its temporaries are garbage too.
    if (pauseMs > 0) clock.after(pauseMs, collect)
    else clock.immediate(collect)
  }

  #collect(): void {
    const { clock, finalization } = this.#deps
    this.#isCollecting = false
    this.#collectAtBytes = 2 * this.#bytes
    this.#collectAtCount = 2 * this.count
    const startedAtMs = clock.monotonicMs()
    finalization.collect()
    const endedAtMs = clock.monotonicMs()
    this.#collectNotBeforeMs = endedAtMs + (endedAtMs - startedAtMs)
  }

  /** V8 tells of many at a time, and unmaps meanwhile: they are looked at together, after. */
  #collected(mapping: Mapping): void {
    if (this.#byAddress.get(mapping.address) !== mapping) return // its address was given again
    this.#leaving.add(mapping)
    this.#lookAgainMs = LOOK_AGAIN_MIN_MS
    if (this.#isLookingSoon) return
    this.#isLookingSoon = true
    this.#deps.clock.immediate(() => {
      this.#isLookingSoon = false
      this.#lookAgain()
    })
  }

  #lookAgain(): void {
    if (this.#leaving.size === 0) return
    const staying = new Set(stillMapped(this.#inode, this.#leaving))
    for (const mapping of this.#leaving) if (!staying.has(mapping)) this.#release(mapping)
    if (staying.size === 0 || this.#lookAgainTimer !== undefined) return
    this.#lookAgainTimer = this.#deps.clock.after(this.#lookAgainMs, () => {
      this.#lookAgainTimer = undefined
      this.#lookAgain()
    })
    this.#lookAgainMs = Math.min(2 * this.#lookAgainMs, LOOK_AGAIN_MAX_MS)
  }

  #release(mapping: Mapping): void {
    this.#leaving.delete(mapping)
    this.#byAddress.delete(mapping.address)
    const countAfter = (this.#countAt.get(mapping.fileOffset) ?? 0) - 1
    if (countAfter > 0) this.#countAt.set(mapping.fileOffset, countAfter)
    else {
      this.#countAt.delete(mapping.fileOffset)
      this.#bytes -= mapping.sizeBytes
    }
    const lowerBytes = Math.max(this.#collectBytesMin, 2 * this.#bytes)
    this.#collectAtBytes = Math.min(this.#collectAtBytes, lowerBytes)
    const lowerCount = Math.max(COLLECT_COUNT_MIN, 2 * this.count)
    this.#collectAtCount = Math.min(this.#collectAtCount, lowerCount)
    mapping.released?.()
  }
}
