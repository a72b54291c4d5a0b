// Objects that are larger than a store come from other nodes into files, and out of them.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  ObjectCorruptedError,
  ObjectStoreFullError,
  StoppedError,
} from '../../../runtime/common/errors.ts'
import { spillFailed } from '../../../runtime/objects/spill.ts'
import { caught, until } from '../../support/waiting.ts'
import {
  MIB,
  SIZE_BYTES,
  make,
  makeLarge,
  read,
  readLarge,
  sentBy,
  type TestNode,
} from './pulling-node.ts'
import { PullingWorld, link } from './pulling-world.ts'

let world: PullingWorld
beforeEach(() => {
  world = new PullingWorld()
})
afterEach(() => world.close())

describe('an object that is larger than the store', () => {
  test('of its reader comes into a file there, and goes when it is freed', async () => {
    const [a] = world.nodes as [TestNode]
    const bytes = await make(a, 'object')
    const small = world.aSmallNode('small')
    expect(Buffer.compare(await readLarge(small, 'object'), bytes)).toBe(0)
    expect(small.spill.paths).toHaveLength(1)
    small.store.unpin('client', 'object')
    a.pulls.free(['object'])
    await until(() => small.spill.paths.length === 0)
  })

  test('is read through one buffer again and again: fresh ones would grow by 64 MiB', async () => {
    const maker = world.aSmallNode('maker')
    const bytes = await makeLarge(maker, 'object')
    const buffers = new Set<ArrayBufferLike>()
    const readDirect = maker.spill.readDirect.bind(maker.spill)
    maker.spill.readDirect = async (...part) => {
      const piece = await readDirect(...part)
      buffers.add(piece.buffer)
      return piece
    }
    expect(Buffer.compare(await readLarge(world.aSmallNode('reader'), 'object'), bytes)).toBe(0)
    expect(buffers.size).toBe(1)
  })

  test('of its maker comes into the arena of a larger one, out of a file', async () => {
    const [a] = world.nodes as [TestNode]
    const bytes = await makeLarge(world.aSmallNode('small'), 'object')
    const place = await a.pulls.pin('client', 'object')
    expect(place.path).toBeUndefined()
    expect(Buffer.compare(await read(a, place.offset), bytes)).toBe(0)
  })

  test('of all that read it is handed on while it comes, as in the arena', async () => {
    const maker = world.aSmallNode('maker')
    const readers = ['d', 'e', 'f', 'g', 'h', 'i'].map((nodeId) => world.aSmallNode(nodeId))
    const bytes = await makeLarge(maker, 'object')
    const got = await Promise.all(readers.map((each) => readLarge(each, 'object')))
    for (const each of got) expect(Buffer.compare(each, bytes)).toBe(0)
    expect(sentBy(maker) / SIZE_BYTES).toBeLessThan(3)
  })

  test('F41: and damaged on the disk of one holder is read from another', async () => {
    const [a] = world.nodes as [TestNode]
    const small = world.aSmallNode('small')
    const bytes = await makeLarge(small, 'object')
    const copy = await a.pulls.pin('client', 'object')
    expect(copy.sizeBytes).toBe(SIZE_BYTES)
    const [path = ''] = small.spill.paths
    small.spill.files.bytesOf(path)[5 * MIB] = 255 - (bytes[5 * MIB] ?? 0)
    const reader = world.aSmallNode('reader')
    expect(Buffer.compare(await readLarge(reader, 'object'), bytes)).toBe(0)
  })

  test('F41: and damaged on the only disk is corrupted, and leaves no part behind', async () => {
    world.speed = 5
    const small = world.aSmallNode('small')
    const bytes = await makeLarge(small, 'object')
    small.spill.files.bytesOf(small.spill.paths[0] ?? '')[5 * MIB] = 255 - (bytes[5 * MIB] ?? 0)
    const reader = world.aSmallNode('reader')
    await caught(reader.pulls.pin('client', 'object'), ObjectCorruptedError)
    await until(() => reader.spill.paths.length === 0)
    const asked = { from: 'reader', type: 'holds', message: { objectIds: ['object'] }, link }
    expect(await small.pulls.requested(asked)).toEqual({ nodeId: 'small', held: [] })
  })

  test('F66: and than the disk of its reader is refused by name, before a byte is sent', async () => {
    const [a] = world.nodes as [TestNode]
    await make(a, 'object')
    const small = world.aSmallNode('small', 8 * MIB)
    const error = await caught(small.pulls.pin('client', 'object'), ObjectStoreFullError)
    expect(error.message).toContain('the spill place cannot take it')
    expect(sentBy(a)).toBe(0)
    expect(small.spill.paths).toEqual([])
  })

  test('F66: and fills the disk half-way is refused at once, and leaves no part behind', async () => {
    const [a] = world.nodes as [TestNode]
    await make(a, 'object')
    const small = world.aSmallNode('small')
    const { files } = small.spill
    let writes = 0
    const open = files.open.bind(files)
    files.open = async (path) => {
      const file = await open(path)
      if (++writes > 9) file.write = () => Promise.reject(spillFailed('full', 'disk-full'))
      return file
    }
    const error = await caught(small.pulls.pin('client', 'object'), ObjectStoreFullError)
    expect(error.message).toContain('its disk could not take all of it: full')
    await until(() => small.spill.paths.length === 0)
  })

  test('OP4: whose readers have all left leaves no part behind', async () => {
    const [a] = world.nodes as [TestNode]
    await make(a, 'object', 40 * MIB)
    const small = world.aSmallNode('small')
    let frames = 0
    world.onFrame = () => {
      if (++frames === 20) small.pulls.clientLeft('client')
      return 'SEND'
    }
    await caught(small.pulls.pin('client', 'object'), StoppedError)
    await until(() => small.spill.paths.length === 0)
  })
})
