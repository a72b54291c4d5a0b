// The allocator alone and against a model that knows every byte.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ARENA_BYTES_MAX,
  ArenaAllocator,
  MAPPED_BYTES_MIN,
  PAGE_BYTES,
  blockBytesOf,
} from '../../../runtime/objects/arena.ts'

const MIB = 1024 * 1024

describe('the arena allocator', () => {
  it('gives 64-byte places to small blocks and whole pages to those that may be mapped', () => {
    const arena = new ArenaAllocator(MIB)
    expect(arena.allocate(1)).toBe(0)
    expect(arena.allocate(65)).toBe(64)
    const mapped = arena.allocate(MAPPED_BYTES_MIN)
    expect(mapped).toBe(PAGE_BYTES)
    expect(arena.allocate(MAPPED_BYTES_MIN + 1)).toBe(PAGE_BYTES + MAPPED_BYTES_MIN)
    expect(arena.allocatedBytes).toBe(64 + 128 + MAPPED_BYTES_MIN + MAPPED_BYTES_MIN + PAGE_BYTES)
    arena.check()
  })

  it('fills the padding below an aligned block with small ones', () => {
    const arena = new ArenaAllocator(MIB)
    arena.allocate(64)
    arena.allocate(MAPPED_BYTES_MIN)
    expect(arena.allocate(PAGE_BYTES - 64)).toBe(64)
    arena.check()
  })

  it('reuses what was freed last before anything fresh', () => {
    const arena = new ArenaAllocator(64 * MIB)
    const blocks = Array.from({ length: 8 }, () => arena.allocate(MIB) ?? -1)
    const fresh = arena.freshOffset
    for (const index of [1, 3, 5]) arena.free(blocks[index] ?? -1)
    expect(arena.allocate(MIB)).toBe(blocks[5])
    expect(arena.allocate(MIB)).toBe(blocks[3])
    expect(arena.allocate(MIB)).toBe(blocks[1])
    expect(arena.freshOffset).toBe(fresh)
  })

  it('stays within the touched bytes when one size comes and goes', () => {
    const arena = new ArenaAllocator(64 * MIB)
    for (let round = 0; round < 1000; round++) arena.free(arena.allocate(3 * MIB + 5) ?? -1)
    expect(arena.freshOffset).toBe(blockBytesOf(3 * MIB + 5))
  })

  it('uses the free end of the touched bytes together with fresh ones', () => {
    const arena = new ArenaAllocator(4 * MIB)
    arena.free(arena.allocate(3 * MIB) ?? -1)
    expect(arena.allocate(4 * MIB)).toBe(0)
    arena.check()
  })

  it('merges neighbours, so that the whole can be given again', () => {
    const arena = new ArenaAllocator(16 * MIB)
    const blocks = Array.from({ length: 16 }, () => arena.allocate(MIB) ?? -1)
    expect(arena.allocate(1)).toBeUndefined()
    for (const index of [7, 9, 8, 0, 15, 1, 2, 14, 3, 13, 4, 12, 5, 11, 6, 10]) {
      arena.free(blocks[index] ?? -1)
      arena.check()
    }
    expect(arena.allocate(16 * MIB)).toBe(0)
  })

  it('finds a fitting block wherever it lies among many of its class', () => {
    const arena = new ArenaAllocator(200 * 65 * 1024)
    const blocks: number[] = []
    for (let index = 0; index < 100; index++) {
      blocks.push(arena.allocate(index === 0 ? 33_920 : 33_000) ?? -1)
      arena.allocate(64)
    }
    while (arena.allocate(64) !== undefined);
    for (const block of blocks) arena.free(block)
    expect(arena.allocate(33_920)).toBe(blocks[0])
  })

  it('grows, and never shrinks', () => {
    const arena = new ArenaAllocator(0)
    expect(arena.allocate(1)).toBeUndefined()
    arena.grow(PAGE_BYTES)
    expect(arena.allocate(1)).toBe(0)
    expect(() => {
      arena.grow(0)
    }).toThrow('cannot grow')
  })

  it('lays out as much as 256 GiB', () => {
    const arena = new ArenaAllocator(ARENA_BYTES_MAX)
    expect(arena.allocate(ARENA_BYTES_MAX)).toBe(0)
    arena.free(0)
    const half = Math.floor(ARENA_BYTES_MAX / PAGE_BYTES / 2) * PAGE_BYTES
    expect([arena.allocate(half), arena.allocate(half), arena.allocate(half)]).toEqual([
      0,
      half,
      undefined,
    ])
    arena.check()
    expect(() => {
      arena.grow(ARENA_BYTES_MAX + PAGE_BYTES)
    }).toThrow('cannot grow')
  })

  it('refuses to free what it did not give', () => {
    const arena = new ArenaAllocator(MIB)
    const offset = arena.allocate(100) ?? -1
    arena.free(offset)
    expect(() => {
      arena.free(offset)
    }).toThrow('nothing is allocated')
    expect(() => {
      arena.free(4096)
    }).toThrow('nothing is allocated')
  })

  it('never gives a byte twice and never loses one, in random programs', () => {
    const size = fc.oneof(
      fc.integer({ min: 0, max: 300 }),
      fc.integer({ min: 1, max: 200_000 }),
      fc.constantFrom(65_472, 65_473, 65_535, 65_536, 65_537, 4096),
    )
    const step = fc.record({
      size,
      freeAt: fc.double({ min: 0, max: 1, noNaN: true }),
      isFree: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const arena = new ArenaAllocator(PAGE_BYTES)
        const owned = new Map<number, number>()
        for (const { size: sizeBytes, freeAt, isFree } of steps) {
          if (isFree && owned.size > 0) {
            const offset = [...owned.keys()][Math.floor(freeAt * (owned.size - 1))] ?? -1
            arena.free(offset)
            owned.delete(offset)
          } else {
            const offset = arena.allocate(sizeBytes)
            if (offset === undefined) arena.grow(arena.sizeBytes + 32 * PAGE_BYTES)
            else place(owned, offset, sizeBytes)
          }
          arena.check()
        }
        const sum = [...owned.values()].reduce((total, bytes) => total + bytes, 0)
        expect(arena.allocatedBytes).toBe(sum)
        for (const offset of owned.keys()) arena.free(offset)
        arena.check()
        expect(arena.allocatedBytes).toBe(0)
        expect(arena.allocate(arena.sizeBytes)).toBe(0)
      }),
      { numRuns: 150 },
    )
  })

  it('fails only when no free run is long enough', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(sizes, fc.infiniteStream(fc.boolean()), (units, isFreed) => {
        const arena = new ArenaAllocator(64 * PAGE_BYTES)
        const owned = new Map<number, number>()
        for (const count of units) {
          const sizeBytes = count * 64
          const offset = arena.allocate(sizeBytes)
          if (offset !== undefined) place(owned, offset, sizeBytes)
          else expect(longestGap(owned, arena.sizeBytes)).toBeLessThan(sizeBytes)
          for (const taken of [...owned.keys()].slice(0, 2)) {
            if (isFreed.next().value !== true) continue
            arena.free(taken)
            owned.delete(taken)
          }
        }
      }),
    )
  })

  it('does a million turns in seconds of CPU, with thousands of blocks at a time', () => {
    const arena = new ArenaAllocator(1024 * MIB)
    const owned: number[] = []
    let seed = 42
    const next = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return seed % below
    }
    const before = process.cpuUsage()
    for (let turn = 0; turn < 1_000_000; turn++) {
      if (owned.length > 5000) {
        const index = next(owned.length)
        const last = owned.pop() ?? -1
        if (index < owned.length) {
          arena.free(owned[index] ?? -1)
          owned[index] = last
        } else arena.free(last)
      }
      const offset = arena.allocate(1 + next(turn % 10 === 0 ? 900_000 : 20_000))
      if (offset !== undefined) owned.push(offset)
    }
    const cpuMs = process.cpuUsage(before).user / 1000
    arena.check()
    expect(owned.length).toBeGreaterThan(4000)
    expect(cpuMs).toBeLessThan(10_000)
  })
})

/** Records a block in the model; throws when it overlaps another. */
function place(owned: Map<number, number>, offset: number, sizeBytes: number): void {
  const end = offset + blockBytesOf(sizeBytes)
  for (const [otherOffset, otherBytes] of owned) {
    if (offset < otherOffset + otherBytes && otherOffset < end) {
      throw new Error(`${offset}-${end} overlaps ${otherOffset}+${otherBytes}`)
    }
  }
  owned.set(offset, end - offset)
}

function longestGap(owned: ReadonlyMap<number, number>, sizeBytes: number): number {
  let longest = 0
  let end = 0
  for (const [offset, bytes] of [...owned].sort(([one], [other]) => one - other)) {
    longest = Math.max(longest, offset - end)
    end = offset + bytes
  }
  return Math.max(longest, sizeBytes - end)
}
