// What every spill place does: a folder on disk, or this process's memory.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DirectAccess } from '../../../runtime/objects/arena-access.ts'
import { FileSpill, type SpillDisk, directFiles } from '../../../runtime/objects/spill-file.ts'
import { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import type { SpillPlace, SpillRange, SpillSource } from '../../../runtime/objects/spill.ts'
import { diskOf } from '../../unit/objects/spill-disk.ts'

const MIB = 1024 * 1024

interface SpillCase {
  readonly name: string
  readonly make: () => {
    readonly place: SpillPlace
    readonly direct: DirectAccess
    /** How many files there are. */
    readonly countFiles: () => number
    /** Changes bytes behind the back of the place; undefined deletes the file. */
    readonly damage: (path: string, change: ((bytes: Uint8Array) => Uint8Array) | undefined) => void
  }
  /** A place where 4 MiB do not fit before `heal`. */
  readonly makeFull: () => { readonly place: SpillPlace; readonly heal: () => void }
}

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-spill-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

const CASES: readonly SpillCase[] = [
  {
    name: 'a folder',
    make: () => ({
      place: new FileSpill({ folder }),
      direct: directFiles,
      countFiles: () => readdirSync(folder).length,
      damage: (path, change) => {
        if (change === undefined) rmSync(path)
        else writeFileSync(path, change(readFileSync(path)))
      },
    }),
    makeFull: () => {
      const disk: SpillDisk & { isFull: boolean } = diskOf({ freeBytes: 0 })
      return {
        place: new FileSpill({ folder, disk }),
        heal: () => {
          disk.isFull = false
        },
      }
    },
  },
  {
    name: 'memory',
    make: () => {
      const place = new MemorySpill({ capacityBytes: 64 * MIB })
      return {
        place,
        direct: place.direct,
        countFiles: () => place.paths.length,
        damage: (path, change) => {
          const { files } = place
          files.replace(path, change?.(files.bytesOf(path)))
        },
      }
    },
    makeFull: () => {
      const place = new MemorySpill({ capacityBytes: MIB })
      return {
        place,
        heal: () => {
          place.files.capacityBytes = 64 * MIB
        },
      }
    },
  },
]

describe.each(CASES)('$name as a spill place', ({ make, makeFull }) => {
  it('fuses objects into one file and gives each back', async () => {
    const { place, countFiles } = make()
    const objects = [0, 1, 1000, 5 * MIB + 3, 70_000].map(pattern)
    const ranges = await place.write(objects.map(sourceOf))
    expect(countFiles()).toBe(1)
    expect(new Set(ranges.map(({ path }) => path)).size).toBe(1)
    for (const [index, range] of [...ranges.entries()].reverse()) {
      expect(Buffer.compare(await readAll(place, range), objects[index] ?? Buffer.of(1))).toBe(0)
    }
  })

  it('reads objects in pieces of at most 4 MiB', async () => {
    const { place } = make()
    const sizes: number[] = []
    const bytes = pattern(9 * MIB)
    const source = sourceOf(bytes)
    const read = (offset: number, sizeBytes: number): Promise<Uint8Array> => {
      sizes.push(sizeBytes)
      return source.read(offset, sizeBytes)
    }
    await place.write([{ sizeBytes: bytes.byteLength, read }])
    expect(Math.max(...sizes)).toBe(4 * MIB)
  })

  it('deletes a file with the last of its ranges, and no sooner', async () => {
    const { place, countFiles } = make()
    const [one, two] = await place.write([pattern(1000), pattern(2000)].map(sourceOf))
    if (one === undefined || two === undefined) throw new Error('two ranges were due')
    await place.remove(one)
    await place.remove(one)
    expect(countFiles()).toBe(1)
    expect(Buffer.compare(await readAll(place, two), pattern(2000))).toBe(0)
    await place.remove(two)
    await place.remove(two)
    expect(countFiles()).toBe(0)
  })

  it.each([
    ['a flipped bit', (bytes: Uint8Array) => flip(bytes, 150_000)],
    ['a cut', (bytes: Uint8Array) => bytes.slice(0, 150_000)],
  ])('F41 F68: finds %s in one object and still reads the other', async (_damage, change) => {
    const { place, damage } = make()
    const [one, two] = await place.write([pattern(100_000), pattern(100_000)].map(sourceOf))
    if (one === undefined || two === undefined) throw new Error('two ranges were due')
    damage(two.path, change)
    const { checksum } = two
    await expect(readAll(place, two)).rejects.toMatchObject({
      code: 'ERR_OBJECT_CORRUPTED',
      data: { expected: { sizeBytes: 100_000, checksum } },
    })
    expect(Buffer.compare(await readAll(place, one), pattern(100_000))).toBe(0)
  })

  it.each([
    ['zeros', (bytes: Uint8Array) => new Uint8Array(bytes.byteLength)],
    ['nothing in it', () => new Uint8Array(0)],
    ['no file', undefined],
  ])('F41: finds %s where an object was', async (_damage, change) => {
    const { place, damage } = make()
    const [range] = await place.write([sourceOf(pattern(100_000))])
    if (range === undefined) throw new Error('a range was due')
    damage(range.path, change)
    await expect(readAll(place, range)).rejects.toMatchObject({ code: 'ERR_OBJECT_CORRUPTED' })
  })

  it('F66: refuses what does not fit, leaves nothing behind, and takes it when it fits', async () => {
    const { place, heal } = makeFull()
    const sources = [pattern(4 * MIB)].map(sourceOf)
    const full = { code: 'ERR_CAPACITY', data: { reason: 'disk-full' } }
    await expect(place.write(sources)).rejects.toMatchObject(full)
    await expect(place.openDirect(4 * MIB)).rejects.toMatchObject(full)
    expect(readdirSync(folder)).toEqual([])
    heal()
    const [range] = await place.write(sources)
    if (range === undefined) throw new Error('a range was due')
    expect(Buffer.compare(await readAll(place, range), pattern(4 * MIB))).toBe(0)
  })

  it('gives an object a file of its own, which its producer fills', async () => {
    const { place, direct, countFiles, damage } = make()
    const bytes = pattern(6 * MIB)
    const path = await place.openDirect(bytes.byteLength)
    await direct.write(path, bytes)
    const range = await place.sealDirect(path, bytes.byteLength)
    expect(Buffer.compare(await direct.read(range), bytes)).toBe(0)
    damage(path, (whole) => flip(whole, 5 * MIB))
    await expect(direct.read(range)).rejects.toMatchObject({ code: 'ERR_OBJECT_CORRUPTED' })
    await place.remove(range)
    expect(countFiles()).toBe(0)
    const aborted = await place.openDirect(1000)
    await place.abortDirect(aborted)
    await place.abortDirect(aborted)
    expect(countFiles()).toBe(0)
  })

  it('takes everything with it when it is closed', async () => {
    const { place, countFiles } = make()
    await place.write([sourceOf(pattern(1000))])
    await place.openDirect(1000)
    await place.close()
    expect(countFiles()).toBe(0)
  })
})

function sourceOf(bytes: Uint8Array): SpillSource {
  return {
    sizeBytes: bytes.byteLength,
    read: async (offset, sizeBytes) => bytes.subarray(offset, offset + sizeBytes),
  }
}

async function readAll(place: SpillPlace, range: SpillRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(range.sizeBytes)
  await place.read(range, async (offset, piece) => {
    bytes.set(piece, offset)
  })
  return bytes
}

function pattern(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  for (let index = 0; index < sizeBytes; index++) bytes[index] = (index * 7 + (index >> 8)) & 255
  return bytes
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}
