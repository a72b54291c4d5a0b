// What only a disk can get wrong: it fills up, breaks, runs out of handles, and never quite tells.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FileSpill } from '../../../runtime/objects/spill-file.ts'
import type { SpillSource } from '../../../runtime/objects/spill.ts'
import { type FailingDisk, diskOf } from './spill-disk.ts'

const MIB = 1024 * 1024
const OBJECT: SpillSource = {
  sizeBytes: 9 * MIB,
  read: async (_at, count) => new Uint8Array(count),
}

describe('spilling to a folder', () => {
  let folder: string
  let disk: FailingDisk
  let place: FileSpill

  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'virga-spill-')), 'spill')
    disk = diskOf()
    disk.isFull = false
    place = new FileSpill({ folder, disk })
  })

  afterEach(() => {
    rmSync(join(folder, '..'), { recursive: true })
  })

  it('lets nobody else read what it writes', async () => {
    const [range] = await place.write([OBJECT])
    expect(statSync(range?.path ?? '').mode & 0o777).toBe(0o600)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  })

  it.each([
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
    ['EIO', 'disk'],
    ['EROFS', 'disk'],
  ])('F66 F67: %s in the middle of a write leaves no file', async (code, reason) => {
    disk.writeError = code
    disk.failAfterBytes = 5 * MIB
    await expect(place.write([OBJECT])).rejects.toMatchObject({
      code: 'ERR_CAPACITY',
      data: { reason },
    })
    expect(readdirSync(folder)).toEqual([])
    disk.writeError = undefined
    expect(await place.write([OBJECT])).toHaveLength(1)
  })

  it('F66: leaves a twentieth of the disk, or 1 GiB, to everybody else', async () => {
    const { blocks, bsize } = await disk.statfs(join(folder, '../..'))
    const reserveBytes = Math.min(1024 * MIB, 0.05 * blocks * bsize)
    disk.isFull = true
    disk.freeBytes = reserveBytes + 8 * MIB
    await expect(place.write([OBJECT])).rejects.toMatchObject({ data: { reason: 'disk-full' } })
    disk.freeBytes = reserveBytes + 10 * MIB
    expect(await place.write([OBJECT])).toHaveLength(1)
  })

  it('F66: counts writes that are still under way', async () => {
    const { blocks, bsize } = await disk.statfs(join(folder, '../..'))
    disk.isFull = true
    disk.freeBytes = Math.min(1024 * MIB, 0.05 * blocks * bsize) + 12 * MIB
    const results = await Promise.allSettled([place.write([OBJECT]), place.write([OBJECT])])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('F67: an unreadable object is damaged; no more open files is something that passes', async () => {
    const [range] = await place.write([OBJECT])
    if (range === undefined) throw new Error('a range was due')
    const sink = async (): Promise<void> => undefined
    disk.readError = 'EIO'
    await expect(place.read(range, sink)).rejects.toMatchObject({
      code: 'ERR_OBJECT_CORRUPTED',
      data: { got: { code: 'EIO' } },
    })
    disk.readError = undefined
    disk.openError = 'EMFILE'
    await expect(place.read(range, sink)).rejects.toMatchObject({ code: 'ERR_CAPACITY' })
    disk.openError = undefined
    await place.read(range, sink)
  })

  it('F69: too many open files is an error that passes, for writers too', async () => {
    disk.openError = 'EMFILE'
    await expect(place.write([OBJECT])).rejects.toMatchObject({ code: 'ERR_CAPACITY' })
    await expect(place.openDirect(MIB)).rejects.toMatchObject({ code: 'ERR_CAPACITY' })
    disk.openError = undefined
    expect(await place.write([OBJECT])).toHaveLength(1)
  })

  it('lets the event loop turn between any two pieces of 4 MiB', async () => {
    let turnCount = 0
    let pieceCount = 0
    let isOver = false
    const turnsAtPiece: number[] = []
    const tick = (): void => {
      turnCount += 1
      if (!isOver) setImmediate(tick)
    }
    const piece = new Uint8Array(4 * MIB).fill(7)
    const read = async (_at: number, sizeBytes: number): Promise<Uint8Array> => {
      turnsAtPiece.push(turnCount)
      return piece.subarray(0, sizeBytes)
    }
    tick()
    const [range] = await place.write([{ sizeBytes: 64 * MIB, read }])
    if (range === undefined) throw new Error('a range was due')
    await place.read(range, async () => {
      turnsAtPiece.push(turnCount)
      pieceCount += 1
    })
    isOver = true
    expect(pieceCount).toBe(16)
    expect(new Set(turnsAtPiece).size).toBe(32)
  })
})
