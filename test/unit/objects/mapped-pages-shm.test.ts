// What the kernel says of mappings, asked page by page and read from its list: the same.
import { fstatSync, openSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MAP_PRIVATE, isMapped, libc, mapOver } from '../../../runtime/objects/libc-shm.ts'
import { createShmArena } from '../../../runtime/objects/arena-shm.ts'
import { type MappedPage, stillMapped } from '../../../runtime/objects/mapped-pages-shm.ts'

const MIB = 1024 * 1024
const cannotSay = (): undefined => undefined

describe('what is mapped', () => {
  it('is told page by page and from the list alike, joined neighbours included', async () => {
    const arena = createShmArena({ sizeBytes: 16 * MIB })
    await arena.grow(16 * MIB)
    const fd = openSync(arena.path, 'r+')
    const { ino } = fstatSync(fd)
    const kept = Array.from({ length: 8 }, (_, index) => {
      const bytes = new Uint8Array(new SharedArrayBuffer(2 * MIB, { maxByteLength: 2 * MIB }))
      // The second half follows the first in memory and in the file: the kernel joins them.
      for (const half of [bytes.subarray(0, MIB), bytes.subarray(MIB)]) {
        const offset = index * 2 * MIB + half.byteOffset
        expect(mapOver(half, MAP_PRIVATE, { fd, offset })).toBe(true)
      }
      return bytes
    })
    const pages = kept.flatMap((bytes, index) => {
      const address = Number(libc().address(bytes))
      const first = { address, fileOffset: index * 2 * MIB }
      const second = { address: address + MIB, fileOffset: index * 2 * MIB + MIB }
      return [first, second]
    })
    const other = new Uint8Array(new SharedArrayBuffer(MIB, { maxByteLength: MIB }))
    const wrong: MappedPage[] = [
      { address: Number(libc().address(other)), fileOffset: 0 }, // mapped, but not of the file
      { address: pages[0]?.address ?? 0, fileOffset: MIB }, // of the file, but another page
      { address: 4096, fileOffset: 0 }, // nothing is ever mapped there
    ]
    expect(wrong.map(({ address }) => isMapped(address))).toEqual([true, true, false])
    expect(stillMapped(ino, [...pages, ...wrong])).toEqual(pages)
    expect(stillMapped(ino, [...pages, ...wrong], cannotSay)).toEqual(pages)
    expect(stillMapped(ino + 1, pages)).toEqual([])
    expect(stillMapped(ino + 1, pages, cannotSay)).toEqual([])
    expect([kept.length, other.length]).toEqual([8, MIB])
    await arena.close()
  })
})
