// The store as the raylet has it, over real shared memory and a real folder: bytes go in, out to
// disk, and come back; disks fail, clients die, and memory stays where it was.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Clock } from '../../../runtime/common/clock.ts'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { ProtocolError } from '../../../runtime/common/errors.ts'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { type Log, silentLog } from '../../../runtime/common/log.ts'
import type { Arena, ArenaClient } from '../../../runtime/objects/arena-access.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { createShmArena, openShmArena } from '../../../runtime/objects/arena-shm.ts'
import { FileSpill, directFiles } from '../../../runtime/objects/spill-file.ts'
import { ObjectStore, type ObjectStoreOptions } from '../../../runtime/objects/store.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { scaled } from '../../support/scale.ts'
import { type FailingDisk, diskOf } from './spill-disk.ts'

const MIB = 1024 * 1024

describe('the object store of a node', () => {
  let folder: string
  let disk: FailingDisk
  let arena: Arena
  let client: ArenaClient
  let store: ObjectStore
  let warnings: string[]

  const open = (options: ObjectStoreOptions & { clock?: Clock; arena?: Arena }): void => {
    arena = options.arena ?? createShmArena({ sizeBytes: options.sizeBytes })
    client =
      arena instanceof MemoryArena
        ? arena.open()
        : openShmArena(arena.path, arena.sizeBytes, {
            clock: systemClock,
            finalization: systemFinalization,
          })
    const spill = new FileSpill({ folder, disk })
    const clock = options.clock ?? systemClock
    const clients = {
      askRelease: (): void => {
        systemFinalization.collect()
      },
      describe: (clientId: string): string => `the ${clientId}`,
    }
    const log: Log = { ...silentLog, warn: (message) => warnings.push(message) }
    warnings = []
    store = new ObjectStore({ arena, spill, clock, log, clients }, options)
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'virga-store-'))
    disk = diskOf()
    disk.isFull = false
  })

  afterEach(async () => {
    client.close()
    await store.close()
    expect(readdirSync(folder)).toEqual([])
    rmSync(folder, { recursive: true })
  })

  const put = async (id: string, bytes: Uint8Array): Promise<void> => {
    const { offset, path } = await store.create('maker', id, bytes.byteLength)
    if (path === undefined) {
      const target = client.writable(offset, bytes.byteLength)
      target.set(bytes)
      client.written(offset, target)
    } else await directFiles.write(path, bytes)
    await store.seal(id)
  }

  /** Reads an object whole, and gives its pin back. */
  const get = async (id: string): Promise<Uint8Array> => {
    const { offset, sizeBytes, path, checksum = 0 } = await store.pin('reader', id)
    const bytes =
      path === undefined
        ? client.readable(offset, sizeBytes).slice()
        : await directFiles.read({ path, offset, sizeBytes, checksum })
    store.unpin('reader', id)
    return bytes
  }

  it('spills what it has no room for, and restores it byte for byte', async () => {
    open({ sizeBytes: 16 * MIB })
    const objects = Array.from({ length: 60 }, (_, index) => pattern(MIB + index * 1000, index))
    for (const [index, bytes] of objects.entries()) await put(`${index}`, bytes)
    expect(store.stats().totals.spilledBytes).toBeGreaterThan(40 * MIB)
    expect(readdirSync(folder).length).toBeGreaterThan(0)
    for (const [index, bytes] of objects.entries()) {
      expect(Buffer.compare(await get(`${index}`), bytes)).toBe(0)
    }
    store.check()
    store.free(objects.map((_, index) => `${index}`))
    await expect.poll(() => readdirSync(folder)).toEqual([])
    expect(store.stats()).toMatchObject({ usedBytes: 0, objectCount: 0, pinnedBytes: 0 })
  })

  it('takes an object larger than itself, on disk', async () => {
    open({ sizeBytes: 4 * MIB })
    const bytes = pattern(10 * MIB, 3)
    await put('big', bytes)
    expect(Buffer.compare(await get('big'), bytes)).toBe(0)
    expect(store.list()).toMatchObject([{ objectId: 'big', state: 'SPILLED' }])
    store.free(['big'])
    await expect.poll(() => readdirSync(folder)).toEqual([])
  })

  it('gives another node no byte behind the end of an object', async () => {
    open({ sizeBytes: 8 * MIB })
    await put('asked for', pattern(MIB, 1))
    await put('behind it', pattern(MIB, 2))
    await put('in a file', pattern(10 * MIB, 3))
    for (const id of ['asked for', 'in a file']) {
      const place = await store.pin('another node', id)
      const last = await store.partOf(place, place.sizeBytes - 10, 10)
      expect(last).toHaveLength(10)
      await expect(store.partOf(place, place.sizeBytes - 10, 11)).rejects.toThrow(ProtocolError)
      store.unpin('another node', id)
    }
  })

  it.each([
    ['F68: a flipped bit', (bytes: Buffer) => flip(bytes)],
    ['F41: a cut', (bytes: Buffer) => bytes.subarray(0, bytes.byteLength / 2)],
  ])('%s in a spill file is never handed out', async (_damage, change) => {
    open({ sizeBytes: 8 * MIB })
    for (let index = 0; index < 30; index++) await put(`${index}`, pattern(MIB, index))
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      writeFileSync(path, change(readFileSync(path)))
    }
    const states = store.list().filter(({ state }) => state === 'SPILLED')
    expect(states.length).toBeGreaterThan(10)
    let refusedCount = 0
    for (let index = 0; index < 30; index++) {
      try {
        expect(Buffer.compare(await get(`${index}`), pattern(MIB, index))).toBe(0)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_OBJECT_CORRUPTED' })
        refusedCount += 1
      }
    }
    expect(refusedCount).toBeGreaterThan(5)
    store.check()
  })

  it('F66: a full disk blocks the producer, who goes on when objects are freed', async () => {
    open({ sizeBytes: 4 * MIB })
    disk.isFull = true
    for (let index = 0; index < 4; index++) await put(`${index}`, pattern(MIB, index))
    let isDone = false
    const blocked = put('more', pattern(MIB, 9)).then(() => (isDone = true))
    await get('0')
    expect(isDone).toBe(false)
    expect(store.stats().waitingCount).toBe(1)
    store.free(['2'])
    await blocked
    expect(Buffer.compare(await get('more'), pattern(MIB, 9))).toBe(0)
  })

  it('F66: a full disk is an error after 30 s, and no object is lost by it', async () => {
    const clock = new HandClock()
    open({ sizeBytes: 4 * MIB, clock })
    disk.writeError = 'ENOSPC'
    for (let index = 0; index < 4; index++) await put(`${index}`, pattern(MIB, index))
    const refused = put('more', pattern(MIB, 9)).then(
      () => undefined,
      (error: unknown) => error,
    )
    await expect.poll(() => warnings.length).toBe(1)
    expect(warnings[0]).toContain('The disk is full')
    clock.turn(30_000)
    expect(await refused).toMatchObject({
      code: 'ERR_OBJECT_STORE_FULL',
      cause: { code: 'ERR_CAPACITY', data: { reason: 'disk-full' } },
    })
    for (let index = 0; index < 4; index++) {
      expect(Buffer.compare(await get(`${index}`), pattern(MIB, index))).toBe(0)
    }
  })

  it('stops writing what was freed meanwhile, and when it is closed', async () => {
    open({ sizeBytes: 100 * MIB })
    const piecesOf = slowReads(arena)
    await put('freed', pattern(90 * MIB, 1))
    await expect.poll(() => store.list()[0]?.state).toBe('SPILLING')
    store.free(['freed'])
    await expect.poll(() => store.stats().usedBytes).toBe(0)
    expect(piecesOf()).toBeLessThan(20)
    expect(warnings).toEqual([])
    expect(readdirSync(folder)).toEqual([])
    await put('kept', pattern(90 * MIB, 2))
    await expect.poll(() => store.list()[0]?.state).toBe('SPILLING')
    await store.close()
    expect(piecesOf()).toBeLessThan(40)
  })

  it('closes, and gives its memory back, although what was spilled cannot be deleted', async () => {
    open({ sizeBytes: 8 * MIB })
    for (let index = 0; index < 30; index++) await put(`${index}`, pattern(MIB, index))
    await expect.poll(() => readdirSync(folder).length).toBeGreaterThan(1)
    let closed = 0
    const close = arena.close.bind(arena)
    arena.close = () => {
      closed += 1
      return close()
    }
    disk.unlinkError = 'EIO'
    await store.close()
    expect(closed).toBe(1)
    expect(warnings.filter((line) => line.startsWith('spilled objects were left'))).toHaveLength(1)
    for (const name of readdirSync(folder)) rmSync(join(folder, name))
  })

  it('names who holds what when it stays full', async () => {
    const clock = new HandClock()
    open({ sizeBytes: 4 * MIB, clock })
    for (let index = 0; index < 3; index++) await put(`${index}`, pattern(MIB, index))
    for (const index of [0, 1]) await store.pin('reader', `${index}`)
    await store.pin('other', '1')
    const { offset } = await store.create('maker', 'unsealed', MIB)
    expect(offset).toBeGreaterThan(0)
    await store.pin('reader', '2')
    const refused = put('more', pattern(MIB, 9)).catch((error: unknown) => error)
    await expect.poll(() => store.stats().waitingCount).toBe(1)
    clock.turn(70)
    expect(store.waiting()).toEqual([{ kind: 'put', count: 1, oldestMs: 70 }])
    clock.turn(30_000)
    expect(await refused).toMatchObject({
      code: 'ERR_OBJECT_STORE_FULL',
      message: expect.stringContaining(`${3 * MIB} B in 3 by the reader, `) as string,
      data: {
        holders: [
          { client: 'the reader', objectCount: 3, heldBytes: 3 * MIB },
          { client: 'the other', objectCount: 1, heldBytes: MIB },
          { client: 'the maker', objectCount: 1, heldBytes: MIB },
        ],
      },
    })
  })

  it('lives with the memory it gets when there is less than it wanted', async () => {
    const short = new MemoryArena({ sizeBytes: 16 * MIB, backedBytes: 5 * MIB })
    open({ sizeBytes: 16 * MIB, arena: short })
    for (let index = 0; index < 20; index++) await put(`${index}`, pattern(MIB, index))
    expect(store.stats().sizeBytes).toBeLessThanOrEqual(5 * MIB)
    for (let index = 0; index < 20; index++) {
      expect(Buffer.compare(await get(`${index}`), pattern(MIB, index))).toBe(0)
    }
  })

  it('answers everybody who waits when a client exits and when it is closed', async () => {
    open({ sizeBytes: 4 * MIB })
    await put('a', pattern(3 * MIB, 1))
    await store.pin('reader', 'a')
    const waiting = ['one', 'two'].map((id) => store.create(id, id, 2 * MIB))
    const outcomes = Promise.allSettled(waiting)
    store.clientExited('one')
    await store.close()
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_STOPPED' } })
    }
    await expect(store.create('x', 'x', 1)).rejects.toMatchObject({ code: 'ERR_STOPPED' })
  })

  it('puts a thousand times its size through itself in steady memory', async () => {
    const sizeBytes = 100 * MIB
    open({ sizeBytes })
    const bytes = pattern(10 * MIB, 1)
    const roundCount = scaled((1000 * sizeBytes) / bytes.byteLength)
    let rssBytes = 0
    for (let round = 0; round < roundCount; round++) {
      const id = `${round}`
      await put(id, bytes)
      const { offset } = await store.pin('reader', id)
      const seen = client.readable(offset, bytes.byteLength, () => {
        store.unpin('reader', id)
      })
      if (seen[round] !== bytes[round]) throw new Error('a wrong byte')
      store.free([id])
      if (round === 100) rssBytes = process.memoryUsage().rss
    }
    const { committedBytes, totals } = store.stats()
    expect(committedBytes).toBeLessThanOrEqual(sizeBytes)
    expect(totals.createdBytes).toBe(roundCount * bytes.byteLength)
    expect(process.memoryUsage().rss - rssBytes).toBeLessThan(150 * MIB)
    store.check()
  }, 300_000)

  it('passes many times its size through the disk, every byte as it was', async () => {
    open({ sizeBytes: 16 * MIB })
    const roundCount = scaled(4000)
    const live: number[] = []
    for (let round = 0; round < roundCount; round++) {
      await put(`${round}`, pattern(200_000 + (round % 7) * 50_000, round))
      live.push(round)
      const old = live[(round * 7919) % live.length] ?? 0
      expect(Buffer.compare(await get(`${old}`), pattern(200_000 + (old % 7) * 50_000, old))).toBe(
        0,
      )
      if (live.length > 200) store.free([`${live.shift() ?? 0}`])
    }
    store.check()
    expect(store.stats().totals.restoredCount).toBeGreaterThan(roundCount / 4)
    expect(readdirSync(folder).length).toBeLessThan(100)
  }, 300_000)
})

/** Each piece takes a while. @returns how many were read. */
function slowReads(arena: Arena): () => number {
  let pieceCount = 0
  const read = arena.read.bind(arena)
  arena.read = async (offset, sizeBytes) => {
    pieceCount += 1
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    return read(offset, sizeBytes)
  }
  return () => pieceCount
}

function pattern(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  const words = new Uint32Array(bytes.buffer, 0, sizeBytes >> 2)
  for (let index = 0; index < words.length; index++)
    words[index] = Math.imul(index + seed, 2654435761)
  return bytes
}

function flip(bytes: Buffer): Buffer {
  for (let at = 500_000; at < bytes.byteLength; at += MIB) bytes[at] = (bytes[at] ?? 0) ^ 4
  return bytes
}
