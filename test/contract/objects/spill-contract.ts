// What every spill place does, wherever it writes.
import { describe, expect, it } from 'vitest'
import type { DirectAccess } from '../../../runtime/objects/arena-access.ts'
import type {
  SpillFailure,
  SpillPlace,
  SpillRange,
  SpillSource,
} from '../../../runtime/objects/spill.ts'

export const MIB = 1024 * 1024

/** Offset and size: whole pieces, parts of one, over the ends of some, the rest, nothing. */
const PARTS: readonly (readonly [number, number])[] = [
  [0, 4 * MIB],
  [5, 1000],
  [4 * MIB - 1, 2],
  [3 * MIB, 6 * MIB],
  [8 * MIB, MIB],
  [9 * MIB, 0],
]

type Change = (bytes: Uint8Array) => Uint8Array

export interface SpillCase {
  readonly name: string
  readonly make: () => {
    readonly place: SpillPlace
    readonly direct: DirectAccess
    /** How many files there are. */
    readonly countFiles: () => Promise<number>
    /** Changes bytes behind the back of the place; undefined deletes the file. */
    readonly damage: (path: string, change: Change | undefined) => Promise<void>
  }
  /** A place where 4 MiB do not fit before `heal`; for an object with a file of its own: the disk. */
  readonly makeFull: () => {
    readonly place: SpillPlace
    /** Why not. */
    readonly reason: SpillFailure
    readonly countFiles: () => Promise<number>
    readonly heal: () => void
  }
}

export function spillContract({ name, make, makeFull }: SpillCase): void {
  describe(`${name} as a spill place`, () => {
    it('fuses objects into one file and gives each back', async () => {
      const { place, countFiles } = make()
      const objects = [0, 1, 1000, 5 * MIB + 3, 70_000].map(pattern)
      const ranges = await place.write(objects.map(sourceOf))
      expect(await countFiles()).toBe(1)
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
      expect(await countFiles()).toBe(1)
      expect(Buffer.compare(await readAll(place, two), pattern(2000))).toBe(0)
      await place.remove(two)
      await place.remove(two)
      expect(await countFiles()).toBe(0)
    })

    it.each([
      ['a flipped bit', (bytes: Uint8Array) => flip(bytes, 150_000)],
      ['a cut', (bytes: Uint8Array) => bytes.slice(0, 150_000)],
    ])('F41 F68: finds %s in one object and still reads the other', async (_damage, change) => {
      const { place, damage } = make()
      const [one, two] = await place.write([pattern(100_000), pattern(100_000)].map(sourceOf))
      if (one === undefined || two === undefined) throw new Error('two ranges were due')
      await damage(two.path, change)
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
      await damage(range.path, change)
      await expect(readAll(place, range)).rejects.toMatchObject({ code: 'ERR_OBJECT_CORRUPTED' })
    })

    it('F66: refuses what does not fit, leaves nothing behind, and takes it when it fits', async () => {
      const { place, reason, countFiles, heal } = makeFull()
      const sources = [pattern(4 * MIB)].map(sourceOf)
      const full = { code: 'ERR_CAPACITY', data: { reason } }
      await expect(place.write(sources)).rejects.toMatchObject(full)
      const direct = { code: 'ERR_CAPACITY', data: { reason: 'disk-full' } }
      await expect(place.openDirect(4 * MIB)).rejects.toMatchObject(direct)
      expect(await countFiles()).toBe(0)
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
      await damage(path, (whole) => flip(whole, 5 * MIB))
      await expect(direct.read(range)).rejects.toMatchObject({ code: 'ERR_OBJECT_CORRUPTED' })
      await place.remove(range)
      expect(await countFiles()).toBe(0)
      const aborted = await place.openDirect(1000)
      await place.abortDirect(aborted)
      await place.abortDirect(aborted)
      expect(await countFiles()).toBe(0)
    })

    it('takes the parts of such an object in any order, and gives any part of it', async () => {
      const { place, direct, countFiles } = make()
      const bytes = pattern(9 * MIB)
      const path = await place.openDirect(bytes.byteLength)
      const part = (at: number, count: number): Uint8Array => bytes.subarray(at, at + count)
      for (const at of [8 * MIB, 0, 4 * MIB]) await place.writeDirect(path, at, part(at, 4 * MIB))
      const early = await place.readDirect(path, 4 * MIB, 100)
      expect(Buffer.compare(early, part(4 * MIB, 100))).toBe(0)
      const range = await place.sealDirect(path, bytes.byteLength)
      expect(Buffer.compare(await direct.read(range), bytes)).toBe(0)
      for (const [at, count] of PARTS) {
        const read = await place.readDirect(path, at, count)
        expect(Buffer.compare(read, part(at, count))).toBe(0)
      }
      await expect(place.readDirect(path, 9 * MIB, 1)).rejects.toThrow('behind the end')
      await place.remove(range)
      await expect(place.readDirect(path, 0, 1)).rejects.toThrow('is gone by now')
      expect(await countFiles()).toBe(0)
    })

    it.each([
      ['a flipped bit', (bytes: Uint8Array) => flip(bytes, 5 * MIB)],
      ['a cut', (bytes: Uint8Array) => bytes.slice(0, 5 * MIB)],
    ])('F41: finds %s in a part, and gives the parts before it', async (_damage, change) => {
      const { place, direct, damage } = make()
      const bytes = pattern(9 * MIB)
      const path = await place.openDirect(bytes.byteLength)
      await direct.write(path, bytes)
      await place.sealDirect(path, bytes.byteLength)
      await damage(path, change)
      const first = await place.readDirect(path, 0, 4 * MIB)
      expect(Buffer.compare(first, bytes.subarray(0, 4 * MIB))).toBe(0)
      const corrupted = { code: 'ERR_OBJECT_CORRUPTED' }
      await expect(place.readDirect(path, 4 * MIB, 10)).rejects.toMatchObject(corrupted)
    })

    it('takes everything with it when it is closed', async () => {
      const { place, countFiles } = make()
      await place.write([sourceOf(pattern(1000))])
      await place.openDirect(1000)
      await place.close()
      expect(await countFiles()).toBe(0)
    })
  })
}

export function sourceOf(bytes: Uint8Array): SpillSource {
  return {
    sizeBytes: bytes.byteLength,
    read: async (offset, sizeBytes) => bytes.subarray(offset, offset + sizeBytes),
  }
}

export async function readAll(place: SpillPlace, range: SpillRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(range.sizeBytes)
  await place.read(range, async (offset, piece) => {
    bytes.set(piece, offset)
  })
  return bytes
}

export function pattern(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  for (let index = 0; index < sizeBytes; index++) bytes[index] = (index * 7 + (index >> 8)) & 255
  return bytes
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}
