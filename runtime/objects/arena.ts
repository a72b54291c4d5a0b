// Which bytes of the arena belong to whom: an allocator over [0, sizeBytes) that never touches the
// bytes themselves. Free blocks are kept by size class (powers of two, each cut in 16), last freed
// first, so that a choice costs a few steps whatever the number of blocks.
// Invariants, asserted by check():
//   AR1. Blocks lie end to end from 0 to freshOffset; beyond it nothing was ever handed out.
//   AR2. allocated + free + fresh = sizeBytes, and no two blocks overlap.
//   AR3. No two free blocks are neighbours: they are merged at once.
//   AR4. Offsets are multiples of 64; those of 64 KiB and more are multiples of the page, and such
//       a block shares no page with another, so that it can be mapped alone.
//   AR5. Touched bytes are reused before fresh ones: first touch is 10 to 50 times slower.
// Source: TLSF (Masmano et al., ECRTS 2004) for the classes and neighbour links.
import { assert } from '../common/assert.ts'

export const PAGE_BYTES = 4096
/** Blocks of this size and more are page-aligned, and may be mapped by readers. */
export const MAPPED_BYTES_MIN = 64 * 1024
/** Sizes are counted in units of 64 B in 32 bits: 256 GiB, less a page. */
export const ARENA_BYTES_MAX = 2 ** 38 - PAGE_BYTES

const UNIT_BYTES = 64
const STEP_BITS = 4
const STEPS = 1 << STEP_BITS
const LEVELS = 30
/** How many blocks of one class are looked at before the next class is tried. */
const LOOK_MAX = 8

interface Block {
  readonly offset: number
  sizeBytes: number
  isFree: boolean
  /** Neighbours in the arena. */
  below: Block | undefined
  above: Block | undefined
  /** Neighbours in the list of a size class. */
  newer: Block | undefined
  older: Block | undefined
}

export class ArenaAllocator {
  #sizeBytes: number
  #freshOffset = 0
  #allocatedBytes = 0
  #highest: Block | undefined
  readonly #allocated = new Map<number, Block>()
  readonly #newest = new Array<Block | undefined>(LEVELS * STEPS).fill(undefined)
  readonly #steps = new Uint16Array(LEVELS)
  #levels = 0

  /** @param sizeBytes  a whole number of pages, at most ARENA_BYTES_MAX; 0 is an arena to grow. */
  constructor(sizeBytes: number) {
    this.#sizeBytes = 0
    this.grow(sizeBytes)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Bytes in allocated blocks, their rounding included. */
  get allocatedBytes(): number {
    return this.#allocatedBytes
  }

  get freeBytes(): number {
    return this.#sizeBytes - this.#allocatedBytes
  }

  /** Where untouched bytes begin. */
  get freshOffset(): number {
    return this.#freshOffset
  }

  /** Adds fresh bytes at the end. Repeating with the same size does nothing; it never shrinks. */
  grow(sizeBytes: number): void {
    const isValid = sizeBytes >= this.#sizeBytes && sizeBytes % PAGE_BYTES === 0
    assert(isValid && sizeBytes <= ARENA_BYTES_MAX, `arena cannot grow to ${sizeBytes} B`)
    this.#sizeBytes = sizeBytes
  }

  /** @returns the offset of a block of at least `sizeBytes`, or undefined when none fits. */
  allocate(sizeBytes: number): number | undefined {
    const align = alignmentOf(sizeBytes)
    const needBytes = blockBytesOf(sizeBytes)
    if (needBytes > this.freeBytes) return undefined
    const block =
      this.#find(needBytes, align, LOOK_MAX) ??
      this.#takeFresh(needBytes, align) ??
      this.#find(needBytes, align, Infinity)
    if (block === undefined) return undefined
    return this.#carve(block, alignUp(block.offset, align), needBytes)
  }

  /** Gives a block back. @throws AssertionError when no block is allocated at `offset`. */
  free(offset: number): void {
    const block = this.#allocated.get(offset)
    assert(block !== undefined, `free of arena offset ${offset}, where nothing is allocated`)
    this.#allocated.delete(offset)
    this.#allocatedBytes -= block.sizeBytes
    const { below, above } = block
    if (above?.isFree === true) {
      this.#unlist(above)
      this.#absorb(block, above)
    }
    if (below?.isFree === true) {
      this.#unlist(below)
      this.#absorb(below, block)
      this.#list(below)
    } else this.#list(block)
  }

  /** Asserts AR1 to AR4 by a walk over all blocks; for tests and simulation. */
  check(): void {
    let count = 0
    let freeBytes = 0
    let upper: Block | undefined
    let end = this.#freshOffset
    for (let block = this.#highest; block !== undefined; block = block.below) {
      assert(block.offset + block.sizeBytes === end, `a gap or overlap below arena offset ${end}`)
      assert(block.above === upper, `broken neighbour link at arena offset ${block.offset}`)
      assert(!(block.isFree && upper?.isFree === true), `unmerged neighbours at ${block.offset}`)
      assert(block.offset % alignmentOf(block.sizeBytes) === 0 || block.isFree, 'unaligned block')
      assert(block.isFree !== this.#allocated.has(block.offset), `block ${block.offset} is lost`)
      if (block.isFree) freeBytes += block.sizeBytes
      else count += 1
      end = block.offset
      upper = block
    }
    assert(end === 0 && count === this.#allocated.size, 'the blocks do not begin at 0')
    const fresh = this.#sizeBytes - this.#freshOffset
    assert(this.#allocatedBytes + freeBytes + fresh === this.#sizeBytes, 'bytes were lost')
    assert(this.#listedBytes() === freeBytes, 'a free block is in no list, or in two')
  }

  #listedBytes(): number {
    let sum = 0
    for (const [index, newest] of this.#newest.entries()) {
      const bit = (this.#steps[index >> STEP_BITS] ?? 0) & (1 << (index & (STEPS - 1)))
      assert((bit !== 0) === (newest !== undefined), `class ${index} and its bit disagree`)
      for (let block = newest; block !== undefined; block = block.older) sum += block.sizeBytes
    }
    return sum
  }

  /** The last freed block that fits, of the smallest class that has one. */
  #find(needBytes: number, align: number, lookMax: number): Block | undefined {
    let index = this.#nextClass(classOf(needBytes))
    while (index !== undefined) {
      let block = this.#newest[index]
      for (let looked = 0; block !== undefined && looked < lookMax; looked++) {
        const start = alignUp(block.offset, align)
        if (start + needBytes <= block.offset + block.sizeBytes) return block
        block = block.older
      }
      index = this.#nextClass(index + 1)
    }
    return undefined
  }

  /** The first class from `index` on that has a block. */
  #nextClass(index: number): number | undefined {
    let level = index >> STEP_BITS
    if (level >= LEVELS) return undefined
    let steps = (this.#steps[level] ?? 0) & (~0 << (index & (STEPS - 1)))
    if (steps === 0) {
      const levels = level + 1 < LEVELS ? this.#levels & (~0 << (level + 1)) : 0
      if (levels === 0) return undefined
      level = lowestBit(levels)
      steps = this.#steps[level] ?? 0
    }
    return (level << STEP_BITS) | lowestBit(steps)
  }

  /** Moves freshOffset up; the free block that ends there is used up first (AR5). */
  #takeFresh(needBytes: number, align: number): Block | undefined {
    const last = this.#highest?.isFree === true ? this.#highest : undefined
    const offset = last?.offset ?? this.#freshOffset
    const end = alignUp(offset, align) + needBytes
    if (end > this.#sizeBytes) return undefined
    if (last !== undefined) {
      this.#unlist(last)
      last.sizeBytes = end - offset
      this.#list(last)
      this.#freshOffset = end
      return last
    }
    const block = newBlock(offset, end - offset, this.#highest, undefined)
    if (this.#highest !== undefined) this.#highest.above = block
    this.#highest = block
    this.#freshOffset = end
    this.#list(block)
    return block
  }

  /** Makes [start, start + needBytes) of a free block an allocated one; the rest stays free. */
  #carve(block: Block, start: number, needBytes: number): number {
    this.#unlist(block)
    const end = block.offset + block.sizeBytes
    let taken = block
    if (start > block.offset) {
      taken = newBlock(start, end - start, block, block.above)
      this.#link(taken)
      block.sizeBytes = start - block.offset
      this.#list(block)
    }
    if (start + needBytes < end) {
      const rest = newBlock(start + needBytes, end - start - needBytes, taken, taken.above)
      this.#link(rest)
      taken.sizeBytes = needBytes
      this.#list(rest)
    }
    taken.isFree = false
    this.#allocated.set(start, taken)
    this.#allocatedBytes += needBytes
    return start
  }

  #link(block: Block): void {
    if (block.below !== undefined) block.below.above = block
    if (block.above === undefined) this.#highest = block
    else block.above.below = block
  }

  #absorb(block: Block, above: Block): void {
    block.sizeBytes += above.sizeBytes
    block.above = above.above
    if (above.above === undefined) this.#highest = block
    else above.above.below = block
  }

  #list(block: Block): void {
    const index = classOf(block.sizeBytes)
    const level = index >> STEP_BITS
    const newest = this.#newest[index]
    block.isFree = true
    block.newer = undefined
    block.older = newest
    if (newest !== undefined) newest.newer = block
    this.#newest[index] = block
    this.#steps[level] = (this.#steps[level] ?? 0) | (1 << (index & (STEPS - 1)))
    this.#levels |= 1 << level
  }

  #unlist(block: Block): void {
    const { newer, older } = block
    if (older !== undefined) older.newer = newer
    if (newer !== undefined) {
      newer.older = older
      return
    }
    const index = classOf(block.sizeBytes)
    this.#newest[index] = older
    if (older !== undefined) return
    const level = index >> STEP_BITS
    const steps = (this.#steps[level] ?? 0) & ~(1 << (index & (STEPS - 1)))
    this.#steps[level] = steps
    if (steps === 0) this.#levels &= ~(1 << level)
  }
}

/** What a block for `sizeBytes` takes up: whole units, or whole pages where it may be mapped. */
export function blockBytesOf(sizeBytes: number): number {
  return Math.max(UNIT_BYTES, alignUp(sizeBytes, alignmentOf(sizeBytes)))
}

const alignmentOf = (sizeBytes: number): number =>
  sizeBytes > MAPPED_BYTES_MIN - UNIT_BYTES ? PAGE_BYTES : UNIT_BYTES

const alignUp = (value: number, align: number): number => Math.ceil(value / align) * align

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits)

/** The class whose blocks are no smaller than any of a lower class. */
function classOf(sizeBytes: number): number {
  const units = sizeBytes / UNIT_BYTES
  if (units < STEPS) return units
  const log2 = 31 - Math.clz32(units)
  return ((log2 - STEP_BITS + 1) << STEP_BITS) | ((units >>> (log2 - STEP_BITS)) & (STEPS - 1))
}

function newBlock(
  offset: number,
  sizeBytes: number,
  below: Block | undefined,
  above: Block | undefined,
): Block {
  return { offset, sizeBytes, isFree: true, below, above, newer: undefined, older: undefined }
}
