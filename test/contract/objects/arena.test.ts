// What every arena does, whatever it is made of: shared memory, a file, or this process's memory.
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { createFileArena, openFileArena } from '../../../runtime/objects/arena-file.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { createShmArena, openShmArena } from '../../../runtime/objects/arena-shm.ts'
import type { Arena, ArenaClient } from '../../../runtime/objects/arena-access.ts'

const PAGE_BYTES = 4096
const MIB = 1024 * 1024
interface ArenaCase {
  readonly name: string
  /** An arena of `sizeBytes` with nothing committed. */
  readonly make: (sizeBytes: number) => Promise<Arena>
  /** Another process of the node, as it were. */
  readonly open: (arena: Arena) => ArenaClient
  /** An arena whose memory ends before its size, and the size it cannot grow to. */
  readonly makeShort: () => Promise<{ arena: Arena; tooMuchBytes: number }>
}

let folder = ''
let fileCount = 0

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-arena-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

const CASES: readonly ArenaCase[] = [
  {
    name: 'shared memory',
    make: async (sizeBytes) => createShmArena({ sizeBytes }),
    open: ({ path, sizeBytes }) =>
      openShmArena(path, sizeBytes, { clock: systemClock, finalization: systemFinalization }),
    makeShort: async () => {
      const { blocks, bsize } = statfsSync('/dev/shm')
      const tooMuchBytes = 2 * blocks * bsize // refused as such, before any page is taken
      return { arena: createShmArena({ sizeBytes: tooMuchBytes }), tooMuchBytes }
    },
  },

  {
    name: 'a file',
    make: (sizeBytes) => createFileArena({ path: nextPath(), sizeBytes }),
    open: ({ path }) => openFileArena(path),
    makeShort: async () => {
      const openFile = openOnDiskOf(2 * MIB)
      const arena = await createFileArena({ path: nextPath(), sizeBytes: 8 * MIB, openFile })
      return { arena, tooMuchBytes: 4 * MIB }
    },
  },

  {
    name: 'memory',
    make: async (sizeBytes) => new MemoryArena({ sizeBytes }),
    open: (arena) => (arena as MemoryArena).open(),
    makeShort: async () => ({
      arena: new MemoryArena({ sizeBytes: 8 * MIB, backedBytes: 2 * MIB }),
      tooMuchBytes: 4 * MIB,
    }),
  },
]

describe.each(CASES)('$name as an arena', ({ make, open: openClient, makeShort }) => {
  let arena: Arena
  let producer: ArenaClient
  let reader: ArenaClient

  beforeEach(async () => {
    arena = await make(8 * MIB)
    await arena.grow(4 * MIB)
    producer = openClient(arena)
    reader = openClient(arena)
  })

  afterEach(async () => {
    producer.close()
    reader.close()
    await arena.close()
  })

  const put = (offset: number, bytes: Uint8Array): void => {
    const target = producer.writable(offset, bytes.byteLength)
    target.set(bytes)
    producer.written(offset, target)
  }

  it.each([0, 1, 100, 65_535, 65_536, 65_537, MIB, 3 * MIB + 7])(
    'shows a reader the %i bytes that a producer wrote',
    (sizeBytes) => {
      const bytes = pattern(sizeBytes)
      put(PAGE_BYTES, bytes)
      const inPlace = reader.inPlace?.(PAGE_BYTES, sizeBytes) ?? bytes
      expect(Buffer.compare(inPlace, bytes)).toBe(0)
      const seen = reader.readable(PAGE_BYTES, sizeBytes)
      expect(seen.byteLength).toBe(sizeBytes)
      expect(Buffer.compare(seen, bytes)).toBe(0)
    },
  )

  it.each([1000, 100_000])('keeps what a reader writes from everybody else (%i B)', (sizeBytes) => {
    const bytes = pattern(sizeBytes)
    put(0, bytes)
    const first = reader.readable(0, sizeBytes)
    const second = reader.readable(0, sizeBytes)
    first.fill(255)
    expect(Buffer.compare(second, bytes)).toBe(0)
    expect(Buffer.compare(reader.readable(0, sizeBytes), bytes)).toBe(0)
    expect(Buffer.compare(producer.readable(0, sizeBytes), bytes)).toBe(0)
    expect(first[sizeBytes - 1]).toBe(255)
  })

  it('gives arrays that numbers of eight bytes can be laid over', () => {
    for (const sizeBytes of [800, 80_000]) {
      const written = producer.writable(0, sizeBytes)
      new Float64Array(written.buffer, written.byteOffset, sizeBytes / 8).fill(Math.PI)
      producer.written(0, written)
      const seen = reader.readable(0, sizeBytes)
      const numbers = new Float64Array(seen.buffer, seen.byteOffset, sizeBytes / 8)
      expect(numbers.every((number) => number === Math.PI)).toBe(true)
    }
  })

  it('says at once that a small read holds nothing', () => {
    let releasedCount = 0
    put(0, pattern(100))
    reader.readable(0, 100, () => {
      releasedCount += 1
    })
    expect(releasedCount).toBe(1)
  })

  it('lets the raylet read what was written and write what will be read', async () => {
    const bytes = pattern(200_000)
    put(0, bytes)
    expect(Buffer.compare(await arena.read(100, 5000), bytes.subarray(100, 5100))).toBe(0)
    await arena.write(MIB, bytes)
    expect(Buffer.compare(reader.readable(MIB, bytes.byteLength), bytes)).toBe(0)
  })

  it('grows and keeps what it had', async () => {
    const bytes = pattern(MIB)
    put(3 * MIB, bytes)
    await arena.grow(8 * MIB)
    await arena.grow(PAGE_BYTES)
    expect(arena.committedBytes).toBe(8 * MIB)
    put(7 * MIB, bytes)
    expect(Buffer.compare(reader.readable(3 * MIB, MIB), bytes)).toBe(0)
    expect(Buffer.compare(reader.readable(7 * MIB, MIB), bytes)).toBe(0)
  })

  it('answers CapacityError when it cannot grow, and goes on with what it has', async () => {
    const short = await makeShort()
    await short.arena.grow(MIB)
    await expect(short.arena.grow(short.tooMuchBytes)).rejects.toMatchObject({
      code: 'ERR_CAPACITY',
      data: { reason: 'no-space' },
    })
    expect(short.arena.committedBytes).toBe(MIB)
    const bytes = pattern(MIB)
    await short.arena.write(0, bytes)
    expect(Buffer.compare(await short.arena.read(0, MIB), bytes)).toBe(0)
    await short.arena.close()
  })
})

function pattern(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  for (let index = 0; index < sizeBytes; index++) bytes[index] = (index * 31 + (index >> 8)) & 255
  return bytes
}

const nextPath = (): string => join(folder, `arena-${fileCount++}`)

/** Opens files on a disk where nothing fits beyond `diskBytes`. */
function openOnDiskOf(diskBytes: number): typeof open {
  return async (...args) => {
    const file = await open(...args)
    const write = file.write.bind(file) as (...all: unknown[]) => Promise<unknown>
    const writeUnlessFull = (...all: unknown[]): Promise<unknown> => {
      const [, , sizeBytes, position] = all as [Uint8Array, number, number, number]
      if (position + sizeBytes <= diskBytes) return write(...all)
      return Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
    }
    return Object.assign(file, { write: writeUnlessFull as typeof file.write })
  }
}
