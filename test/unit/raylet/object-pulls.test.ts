// How objects come from other nodes, and pulls go on or end: whatever becomes of who gives and who
// reads.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  ObjectCorruptedError,
  ObjectLostError,
  ObjectNotFoundError,
  ObjectStoreFullError,
  StoppedError,
} from '../../../runtime/common/errors.ts'
import { caught, until } from '../../support/waiting.ts'
import { MIB, SIZE_BYTES, make, read, sentBy, type TestNode } from './pulling-node.ts'
import { PullingWorld, link } from './pulling-world.ts'

let world: PullingWorld
beforeEach(() => {
  world = new PullingWorld()
})
afterEach(() => world.close())

describe('an object of another node', () => {
  test('comes into the store of whoever reads it, byte for byte', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    const bytes = await make(a, 'object')
    const place = await b.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
    b.store.unpin('client', 'object')
    expect(b.store.list()).toMatchObject([{ state: 'SEALED', sizeBytes: SIZE_BYTES }])
  })

  test('comes once, however many want it at once, and then is there', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    await Promise.all(Array.from({ length: 20 }, () => b.pulls.pin('client', 'object')))
    await b.pulls.pin('client', 'object')
    expect(sentBy(a)).toBe(SIZE_BYTES)
  })

  test('is asked of the node that is said to hold it alone, and of all where that has none', async () => {
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    await b.pulls.pin('client', 'object', ['a'])
    expect(b.asked).toEqual(['a joinReaders'])
    await c.pulls.pin('client', 'object', ['nobody'])
    expect(c.asked).toContain('b holds')
  })

  test('F41: a damaged piece is asked of another holder, and none is kept', async () => {
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    const bytes = await make(a, 'object')
    await b.pulls.pin('client', 'object')
    a.damages = true
    const place = await c.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(c, place.offset), bytes)).toBe(0)
  })

  test('F41: of which only damaged bytes come is corrupted, and its room is given back', async () => {
    world.speed = 5 // a busy machine stands still for a while
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    a.damages = true
    const error = await caught(b.pulls.pin('client', 'object'), ObjectCorruptedError)
    expect(Object.keys(error.data['holders'] as object)).toEqual(['a'])
    await until(() => b.store.stats().usedBytes === 0)
  })

  test('a holder that goes away meanwhile is replaced by another', async () => {
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    await b.pulls.pin('client', 'object')
    const pinned = c.pulls.pin('client', 'object')
    a.away = true
    await pinned
    expect(c.store.sizeOf('object')).toBe(SIZE_BYTES)
  })

  test('which its only holder drops while it is read is nowhere at once, not after many tries', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    world.onFrame = (from) => {
      if (from !== 'a' || a.store.sizeOf('object') === undefined) return 'SEND'
      a.store.free(['object'])
      return 'RESET'
    }
    await caught(b.pulls.pin('client', 'object'), ObjectNotFoundError)
    expect(b.asked.filter((each) => each === 'a holds').length).toBeLessThan(6)
  })

  test('which nobody has is not found, with the words of the store', async () => {
    const [a] = world.nodes as [TestNode]
    await caught(a.pulls.pin('client', 'nothing'), ObjectNotFoundError)
  })

  test('OD4: which nobody has is asked for again while a node is silent', async () => {
    world.speed = 20
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    a.away = true
    const pinned = b.pulls.pin('client', 'object')
    await until(() => b.asked.length > 4)
    a.away = false
    expect((await pinned).sizeBytes).toBe(SIZE_BYTES)
  })

  test('whose only holder is gone for good is lost', async () => {
    world.speed = 20
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    world.onFrame = () => 'RESET'
    await caught(b.pulls.pin('client', 'object'), ObjectLostError)
    await until(() => b.store.stats().usedBytes === 0)
  })

  test('that is larger than the store of its reader is refused with both sizes', async () => {
    const [a] = world.nodes as [TestNode]
    await make(a, 'object')
    const small = world.aNode('small', 4 * MIB)
    world.nodes.push(small)
    const error = await caught(small.pulls.pin('client', 'object'), ObjectStoreFullError)
    expect(error.data).toMatchObject({ sizeBytes: SIZE_BYTES, capacityBytes: 4 * MIB })
  })

  test('that is made again here while its copy does not come is there for who waited', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    a.damages = true // so that it takes a while
    const pinned = b.pulls.pin('client', 'object')
    await until(() => b.store.isMaking('object'))
    await b.pulls.giveWay('object')
    await make(b, 'object')
    await pinned
    expect(b.store.list()).toMatchObject([{ state: 'SEALED', creator: 'maker' }])
  })

  test('is freed everywhere when nobody refers to it any more', async () => {
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    await b.pulls.pin('client', 'object')
    b.store.unpin('client', 'object')
    c.pulls.free(['object']) // its owner lives there
    await until(() => world.nodes.every(({ store }) => store.stats().usedBytes === 0))
    await caught(b.pulls.pin('client', 'object'), ObjectNotFoundError)
  })

  test('that is freed while it comes is not found, and its room is given back', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    world.onFrame = () => {
      world.onFrame = () => 'SEND'
      a.pulls.free(['object'])
      return 'SEND'
    }
    await caught(b.pulls.pin('client', 'object'), ObjectNotFoundError)
    await until(() => b.store.stats().usedBytes === 0)
  })
})
describe('a pull', () => {
  test('F06: by a node that keeps it makes its copy the one that may not be dropped', async () => {
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    const message = { objectId: 'object' }
    expect(await b.pulls.requested({ from: 'a', type: 'keepObject', message, link })).toBe(true)
    a.store.free(['object']) // it has left
    expect(b.store.holding('object')).toMatchObject({ isPrimary: true })
    expect(b.store.stats().droppableBytes).toBe(0)
    expect((await c.pulls.pin('client', 'object', ['a'])).sizeBytes).toBe(SIZE_BYTES)
  })

  test('OP4: whose readers have all left ends, and its holder stops', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object', 40 * MIB)
    let frames = 0
    world.onFrame = () => {
      if (++frames === 3) b.pulls.clientLeft('client')
      return 'SEND'
    }
    await caught(b.pulls.pin('client', 'object'), StoppedError)
    await until(() => b.store.stats().usedBytes === 0)
    expect(sentBy(a)).toBeLessThan(30 * MIB)
    expect((await b.pulls.pin('other', 'object')).sizeBytes).toBe(40 * MIB)
  })

  test('OP4: which its process takes back ends, and begins anew when it asks again', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object', 40 * MIB)
    let frames = 0
    let again: Promise<unknown> | undefined
    world.onFrame = () => {
      if (++frames === 3) {
        b.pulls.unwant('client', 'object')
        again = b.pulls.pin('client', 'object')
      }
      return 'SEND'
    }
    await caught(b.pulls.pin('client', 'object'), StoppedError)
    await again
    expect(b.store.list()).toMatchObject([{ state: 'SEALED', pinnerCount: 1 }])
    b.pulls.unwant('client', 'object') // it is here: nothing to take back
    b.store.unpin('client', 'object')
    expect(b.store.list()).toMatchObject([{ pinnerCount: 0 }])
  })

  test('OP4: which its process takes back, and nobody else wants, leaves nothing', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object', 40 * MIB)
    let frames = 0
    world.onFrame = () => {
      if (++frames === 3) b.pulls.unwant('client', 'object')
      return 'SEND'
    }
    await caught(b.pulls.pin('client', 'object'), StoppedError)
    await until(() => b.store.stats().usedBytes === 0)
    expect(sentBy(a)).toBeLessThan(30 * MIB)
  })

  test('OP4: that goes on for others pins nothing for a reader that has left', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    await make(a, 'object')
    const left = caught(b.pulls.pin('leaver', 'object'), StoppedError)
    world.gone = 'leaver'
    await Promise.all([left, b.pulls.pin('client', 'object')])
    expect(b.store.list()).toMatchObject([{ pinnerCount: 1 }])
  })

  test('F18: goes on when its connection is reset in the middle of a piece', async () => {
    const [a, b] = world.nodes as [TestNode, TestNode]
    const bytes = await make(a, 'object')
    let frames = 0
    world.onFrame = () => (++frames === 7 ? 'RESET' : 'SEND')
    const place = await b.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
  })

  test('F18: goes on over a new connection when nothing comes any more on the old one', async () => {
    world.speed = 20
    const [a, b] = world.nodes as [TestNode, TestNode]
    const bytes = await make(a, 'object')
    let frames = 0
    world.onFrame = () => (++frames > 6 && frames < 9 ? 'DROP' : 'SEND')
    const place = await b.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
  })

  test('F15: of an object whose holder cannot be reached goes through another node', async () => {
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    const bytes = await make(a, 'object')
    world.cut.add('a b').add('b a')
    const place = await b.pulls.pin('client', 'object', ['a'])
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
    expect(sentBy(c)).toBe(SIZE_BYTES)
    expect(sentBy(a)).toBe(SIZE_BYTES)
  })

  test('F15: two nodes that are cut off from the only holder do not wait for each other', async () => {
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    world.nodes.push(world.aNode('d'))
    const bytes = await make(a, 'object')
    for (const each of ['b', 'c']) world.cut.add(`a ${each}`).add(`${each} a`)
    const places = await Promise.all(
      [b, c].map((each) => each.pulls.pin('client', 'object', ['a'])),
    )
    for (const [index, each] of [b, c].entries()) {
      expect(Buffer.compare(await read(each, places[index]?.offset ?? 0), bytes)).toBe(0)
    }
    expect(sentBy(a)).toBe(SIZE_BYTES)
  })

  test('OP6: by nodes that were told to read from each other goes on as soon as one has seen it', async () => {
    world.speed = 5
    const [a, b, c] = world.nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    const frames: string[] = []
    world.onFrame = (from, to, frame) => {
      if (frame.length < 1_000) frames.push(`${from} to ${to}`)
      return 'SEND'
    }
    world.misled.set('b', 'c').set('c', 'b')
    await Promise.all([b, c].map((each) => each.pulls.pin('client', 'object', ['a'])))
    expect(frames.filter((each) => each === 'c to b').length).toBeLessThan(10)
  })

  test('of many nodes at once leaves the first holder twice, and nobody more often', async () => {
    const [a] = world.nodes as [TestNode]
    for (const nodeId of ['d', 'e', 'f', 'g', 'h', 'i']) world.nodes.push(world.aNode(nodeId))
    const bytes = await make(a, 'object')
    const readers = world.nodes.slice(1)
    const places = await Promise.all(readers.map((each) => each.pulls.pin('c', 'object', ['a'])))
    for (const [index, each] of readers.entries()) {
      expect(Buffer.compare(await read(each, places[index]?.offset ?? 0), bytes)).toBe(0)
    }
    const sent = world.nodes.map((each) => sentBy(each) / SIZE_BYTES)
    expect(sent[0]).toBe(2)
    expect(Math.max(...sent)).toBe(2)
    expect(sent.reduce((sum, each) => sum + each, 0)).toBe(8)
  })

  test('by nodes that come one after the other is shared by all that have it', async () => {
    const [a] = world.nodes as [TestNode]
    for (const nodeId of ['d', 'e', 'f', 'g', 'h', 'i']) world.nodes.push(world.aNode(nodeId))
    await make(a, 'object')
    for (const each of world.nodes.slice(1)) await each.pulls.pin('c', 'object', ['a'])
    expect(Math.max(...world.nodes.map((each) => sentBy(each) / SIZE_BYTES))).toBeLessThan(3)
  })
})
