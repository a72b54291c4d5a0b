// Objects between nodes: real stores in memory, the real pull manager, directory and lanes; what
// nodes say to each other is handed over directly, and what they send in bulk can be damaged, cut
// and stopped.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { Clock } from '../../../runtime/common/clock.ts'
import {
  ObjectCorruptedError,
  ObjectLostError,
  ObjectNotFoundError,
  ObjectStoreFullError,
  StoppedError,
  VirgaError,
} from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import { spillFailed } from '../../../runtime/objects/spill.ts'
import type { BulkConnection } from '../../../runtime/protocol/bulk.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import type { Connection } from '../../../runtime/protocol/connection.ts'
import { ObjectPulls, type ObjectPullsDeps } from '../../../runtime/raylet/cluster/object-pulls.ts'
import { bulkOver } from '../../support/bulk-over.ts'
import { caught, until } from '../../support/waiting.ts'
import {
  MIB,
  SIZE_BYTES,
  STORE_BYTES,
  make,
  makeLarge,
  read,
  readLarge,
  rowOf,
  sentBy,
  type SmallNode,
  type TestNode,
} from './pulling-node.ts'

/** How much faster than ours: pauses between attempts are no part of these tests. */
let speed: number
const clock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * speed,
  after: (delayMs, run) => systemClock.after(delayMs / speed, run),
}

let nodes: TestNode[]
/** Pairs of nodes that cannot reach each other. */
let cut: Set<string>
let gone: string | undefined // a process that has left
/** Whom a node is told to read from, the first time that it asks. */
let misled: Map<string, string>
/** Called before each frame that a holder sends. */
let onFrame: (from: string, to: string, frame: Buffer) => 'SEND' | 'DROP' | 'RESET'
let transport: ReturnType<typeof memoryTransport>
beforeEach(() => {
  nodes = []
  speed = 1
  cut = new Set()
  misled = new Map()
  onFrame = () => 'SEND'
  transport = memoryTransport(systemClock)
  nodes.push(...['a', 'b', 'c'].map((nodeId) => aNode(nodeId)))
})
afterEach(async () => {
  for (const { pulls, store } of nodes) {
    pulls.stop()
    store.check()
    await store.close()
  }
})

describe('an object of another node', () => {
  test('comes into the store of whoever reads it, byte for byte', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    const bytes = await make(a, 'object')
    const place = await b.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
    b.store.unpin('client', 'object')
    expect(b.store.list()).toMatchObject([{ state: 'SEALED', sizeBytes: SIZE_BYTES }])
  })

  test('comes once, however many want it at once, and then is there', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    await Promise.all(Array.from({ length: 20 }, () => b.pulls.pin('client', 'object')))
    await b.pulls.pin('client', 'object')
    expect(sentBy(a)).toBe(SIZE_BYTES)
  })

  test('is asked of the node that is said to hold it alone, and of all where that has none', async () => {
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    await b.pulls.pin('client', 'object', ['a'])
    expect(b.asked).toEqual(['a joinReaders'])
    await c.pulls.pin('client', 'object', ['nobody'])
    expect(c.asked).toContain('b holds')
  })

  test('F41: a damaged piece is asked of another holder, and none is kept', async () => {
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    const bytes = await make(a, 'object')
    await b.pulls.pin('client', 'object')
    a.damages = true
    const place = await c.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(c, place.offset), bytes)).toBe(0)
  })

  test('F41: of which only damaged bytes come is corrupted, and its room is given back', async () => {
    speed = 5 // a busy machine stands still for a while
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    a.damages = true
    const error = await caught(b.pulls.pin('client', 'object'), ObjectCorruptedError)
    expect(Object.keys(error.data['holders'] as object)).toEqual(['a'])
    await until(() => b.store.stats().usedBytes === 0)
  })

  test('a holder that goes away meanwhile is replaced by another', async () => {
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    await b.pulls.pin('client', 'object')
    const pinned = c.pulls.pin('client', 'object')
    a.away = true
    await pinned
    expect(c.store.sizeOf('object')).toBe(SIZE_BYTES)
  })

  test('which its only holder drops while it is read is nowhere at once, not after many tries', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    onFrame = (from) => {
      if (from !== 'a' || a.store.sizeOf('object') === undefined) return 'SEND'
      a.store.free(['object'])
      return 'RESET'
    }
    await caught(b.pulls.pin('client', 'object'), ObjectNotFoundError)
    expect(b.asked.filter((each) => each === 'a holds').length).toBeLessThan(6)
  })

  test('which nobody has is not found, with the words of the store', async () => {
    const [a] = nodes as [TestNode]
    await caught(a.pulls.pin('client', 'nothing'), ObjectNotFoundError)
  })

  test('OD4: which nobody has is asked for again while a node is silent', async () => {
    speed = 20
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    a.away = true
    const pinned = b.pulls.pin('client', 'object')
    await until(() => b.asked.length > 4)
    a.away = false
    expect((await pinned).sizeBytes).toBe(SIZE_BYTES)
  })

  test('whose only holder is gone for good is lost', async () => {
    speed = 20
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    onFrame = () => 'RESET'
    await caught(b.pulls.pin('client', 'object'), ObjectLostError)
    await until(() => b.store.stats().usedBytes === 0)
  })

  test('that is larger than the store of its reader is refused with both sizes', async () => {
    const [a] = nodes as [TestNode]
    await make(a, 'object')
    const small = aNode('small', 4 * MIB)
    nodes.push(small)
    const error = await caught(small.pulls.pin('client', 'object'), ObjectStoreFullError)
    expect(error.data).toMatchObject({ sizeBytes: SIZE_BYTES, capacityBytes: 4 * MIB })
  })

  test('that is made again here while its copy does not come is there for who waited', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
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
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    await b.pulls.pin('client', 'object')
    b.store.unpin('client', 'object')
    c.pulls.free(['object']) // its owner lives there
    await until(() => nodes.every(({ store }) => store.stats().usedBytes === 0))
    await caught(b.pulls.pin('client', 'object'), ObjectNotFoundError)
  })

  test('that is freed while it comes is not found, and its room is given back', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    onFrame = () => {
      onFrame = () => 'SEND'
      a.pulls.free(['object'])
      return 'SEND'
    }
    await caught(b.pulls.pin('client', 'object'), ObjectNotFoundError)
    await until(() => b.store.stats().usedBytes === 0)
  })
})

describe('an object that is larger than the store', () => {
  test('of its reader comes into a file there, and goes when it is freed', async () => {
    const [a] = nodes as [TestNode]
    const bytes = await make(a, 'object')
    const small = aSmallNode('small')
    expect(Buffer.compare(await readLarge(small, 'object'), bytes)).toBe(0)
    expect(small.spill.paths).toHaveLength(1)
    small.store.unpin('client', 'object')
    a.pulls.free(['object'])
    await until(() => small.spill.paths.length === 0)
  })

  test('is read through one buffer again and again: fresh ones would grow by 64 MiB', async () => {
    const maker = aSmallNode('maker')
    const bytes = await makeLarge(maker, 'object')
    const buffers = new Set<ArrayBufferLike>()
    const readDirect = maker.spill.readDirect.bind(maker.spill)
    maker.spill.readDirect = async (...part) => {
      const piece = await readDirect(...part)
      buffers.add(piece.buffer)
      return piece
    }
    expect(Buffer.compare(await readLarge(aSmallNode('reader'), 'object'), bytes)).toBe(0)
    expect(buffers.size).toBe(1)
  })

  test('of its maker comes into the arena of a larger one, out of a file', async () => {
    const [a] = nodes as [TestNode]
    const bytes = await makeLarge(aSmallNode('small'), 'object')
    const place = await a.pulls.pin('client', 'object')
    expect(place.path).toBeUndefined()
    expect(Buffer.compare(await read(a, place.offset), bytes)).toBe(0)
  })

  test('of all that read it is handed on while it comes, as in the arena', async () => {
    const maker = aSmallNode('maker')
    const readers = ['d', 'e', 'f', 'g', 'h', 'i'].map((nodeId) => aSmallNode(nodeId))
    const bytes = await makeLarge(maker, 'object')
    const got = await Promise.all(readers.map((each) => readLarge(each, 'object')))
    for (const each of got) expect(Buffer.compare(each, bytes)).toBe(0)
    expect(sentBy(maker) / SIZE_BYTES).toBeLessThan(3)
  })

  test('F41: and damaged on the disk of one holder is read from another', async () => {
    const [a] = nodes as [TestNode]
    const small = aSmallNode('small')
    const bytes = await makeLarge(small, 'object')
    const copy = await a.pulls.pin('client', 'object')
    expect(copy.sizeBytes).toBe(SIZE_BYTES)
    const [path = ''] = small.spill.paths
    small.spill.files.bytesOf(path)[5 * MIB] = 255 - (bytes[5 * MIB] ?? 0)
    const reader = aSmallNode('reader')
    expect(Buffer.compare(await readLarge(reader, 'object'), bytes)).toBe(0)
  })

  test('F41: and damaged on the only disk is corrupted, and leaves no part behind', async () => {
    speed = 5
    const small = aSmallNode('small')
    const bytes = await makeLarge(small, 'object')
    small.spill.files.bytesOf(small.spill.paths[0] ?? '')[5 * MIB] = 255 - (bytes[5 * MIB] ?? 0)
    const reader = aSmallNode('reader')
    await caught(reader.pulls.pin('client', 'object'), ObjectCorruptedError)
    await until(() => reader.spill.paths.length === 0)
    const asked = { from: 'reader', type: 'holds', message: { objectIds: ['object'] }, link }
    expect(await small.pulls.requested(asked)).toEqual({ nodeId: 'small', held: [] })
  })

  test('F66: and than the disk of its reader is refused by name, before a byte is sent', async () => {
    const [a] = nodes as [TestNode]
    await make(a, 'object')
    const small = aSmallNode('small', 8 * MIB)
    const error = await caught(small.pulls.pin('client', 'object'), ObjectStoreFullError)
    expect(error.message).toContain('the spill place cannot take it')
    expect([sentBy(a), small.spill.paths]).toEqual([0, []])
  })

  test('F66: and fills the disk half-way is refused at once, and leaves no part behind', async () => {
    const [a] = nodes as [TestNode]
    await make(a, 'object')
    const small = aSmallNode('small')
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
    const [a] = nodes as [TestNode]
    await make(a, 'object', 40 * MIB)
    const small = aSmallNode('small')
    let frames = 0
    onFrame = () => {
      if (++frames === 20) small.pulls.clientLeft('client')
      return 'SEND'
    }
    await caught(small.pulls.pin('client', 'object'), StoppedError)
    await until(() => small.spill.paths.length === 0)
  })
})

describe('a pull', () => {
  test('F06: by a node that keeps it makes its copy the one that may not be dropped', async () => {
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    const message = { objectId: 'object' }
    expect(await b.pulls.requested({ from: 'a', type: 'keepObject', message, link })).toBe(true)
    a.store.free(['object']) // it has left
    expect(b.store.holding('object')).toMatchObject({ isPrimary: true })
    expect(b.store.stats().droppableBytes).toBe(0)
    expect((await c.pulls.pin('client', 'object', ['a'])).sizeBytes).toBe(SIZE_BYTES)
  })

  test('OP4: whose readers have all left ends, and its holder stops', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object', 40 * MIB)
    let frames = 0
    onFrame = () => {
      if (++frames === 3) b.pulls.clientLeft('client')
      return 'SEND'
    }
    await caught(b.pulls.pin('client', 'object'), StoppedError)
    await until(() => b.store.stats().usedBytes === 0)
    expect(sentBy(a)).toBeLessThan(30 * MIB)
    expect((await b.pulls.pin('other', 'object')).sizeBytes).toBe(40 * MIB)
  })

  test('OP4: which its process takes back ends, and begins anew when it asks again', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object', 40 * MIB)
    let frames = 0
    let again: Promise<unknown> | undefined
    onFrame = () => {
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
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object', 40 * MIB)
    let frames = 0
    onFrame = () => {
      if (++frames === 3) b.pulls.unwant('client', 'object')
      return 'SEND'
    }
    await caught(b.pulls.pin('client', 'object'), StoppedError)
    await until(() => b.store.stats().usedBytes === 0)
    expect(sentBy(a)).toBeLessThan(30 * MIB)
  })

  test('OP4: that goes on for others pins nothing for a reader that has left', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    const left = caught(b.pulls.pin('leaver', 'object'), StoppedError)
    gone = 'leaver'
    await Promise.all([left, b.pulls.pin('client', 'object')])
    expect(b.store.list()).toMatchObject([{ pinnerCount: 1 }])
  })

  test('F18: goes on when its connection is reset in the middle of a piece', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    const bytes = await make(a, 'object')
    let frames = 0
    onFrame = () => (++frames === 7 ? 'RESET' : 'SEND')
    const place = await b.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
  })

  test('F18: goes on over a new connection when nothing comes any more on the old one', async () => {
    speed = 20
    const [a, b] = nodes as [TestNode, TestNode]
    const bytes = await make(a, 'object')
    let frames = 0
    onFrame = () => (++frames > 6 && frames < 9 ? 'DROP' : 'SEND')
    const place = await b.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
  })

  test('F15: of an object whose holder cannot be reached goes through another node', async () => {
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    const bytes = await make(a, 'object')
    cut.add('a b').add('b a')
    const place = await b.pulls.pin('client', 'object', ['a'])
    expect(Buffer.compare(await read(b, place.offset), bytes)).toBe(0)
    expect(sentBy(c)).toBe(SIZE_BYTES)
    expect(sentBy(a)).toBe(SIZE_BYTES)
  })

  test('F15: two nodes that are cut off from the only holder do not wait for each other', async () => {
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    nodes.push(aNode('d'))
    const bytes = await make(a, 'object')
    for (const each of ['b', 'c']) cut.add(`a ${each}`).add(`${each} a`)
    const places = await Promise.all(
      [b, c].map((each) => each.pulls.pin('client', 'object', ['a'])),
    )
    for (const [index, each] of [b, c].entries()) {
      expect(Buffer.compare(await read(each, places[index]?.offset ?? 0), bytes)).toBe(0)
    }
    expect(sentBy(a)).toBe(SIZE_BYTES)
  })

  test('OP6: by nodes that were told to read from each other goes on as soon as one has seen it', async () => {
    speed = 5
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    await make(a, 'object')
    const frames: string[] = []
    onFrame = (from, to, frame) => {
      if (frame.length < 1_000) frames.push(`${from} to ${to}`)
      return 'SEND'
    }
    misled.set('b', 'c').set('c', 'b')
    await Promise.all([b, c].map((each) => each.pulls.pin('client', 'object', ['a'])))
    expect(frames.filter((each) => each === 'c to b').length).toBeLessThan(10)
  })

  test('of many nodes at once leaves the first holder twice, and nobody more often', async () => {
    const [a] = nodes as [TestNode]
    for (const nodeId of ['d', 'e', 'f', 'g', 'h', 'i']) nodes.push(aNode(nodeId))
    const bytes = await make(a, 'object')
    const readers = nodes.slice(1)
    const places = await Promise.all(readers.map((each) => each.pulls.pin('c', 'object', ['a'])))
    for (const [index, each] of readers.entries()) {
      expect(Buffer.compare(await read(each, places[index]?.offset ?? 0), bytes)).toBe(0)
    }
    const sent = nodes.map((each) => sentBy(each) / SIZE_BYTES)
    expect(sent[0]).toBe(2)
    expect(Math.max(...sent)).toBe(2)
    expect(sent.reduce((sum, each) => sum + each, 0)).toBe(8)
  })

  test('by nodes that come one after the other is shared by all that have it', async () => {
    const [a] = nodes as [TestNode]
    for (const nodeId of ['d', 'e', 'f', 'g', 'h', 'i']) nodes.push(aNode(nodeId))
    await make(a, 'object')
    for (const each of nodes.slice(1)) await each.pulls.pin('c', 'object', ['a'])
    expect(Math.max(...nodes.map((each) => sentBy(each) / SIZE_BYTES))).toBeLessThan(3)
  })
})

/** A node whose store is smaller than the objects of these tests; what it cannot hold are files. */
function aSmallNode(nodeId: string, spillBytes = 64 * MIB): SmallNode {
  const spill = new MemorySpill({ capacityBytes: spillBytes })
  const node = { ...aNode(nodeId, 4 * MIB, spill), spill }
  nodes.push(node)
  return node
}

function aNode(nodeId: string, sizeBytes = STORE_BYTES, spill?: MemorySpill): TestNode {
  const arena = new MemoryArena({ sizeBytes })
  const store = new ObjectStore({ arena, spill, clock: systemClock, log: silentLog }, { sizeBytes })
  const asked: string[] = []
  const find = (to: string): TestNode | undefined =>
    cut.has(`${nodeId} ${to}`) ? undefined : nodes.find((each) => each.nodeId === to && !each.away)
  const reach = (to: string): TestNode => {
    const other = find(to)
    if (other === undefined) throw new VirgaError(`node ${to} does not answer`)
    return other
  }
  const ask = async (to: string, type: string, message: object): Promise<never> => {
    asked.push(`${to} ${type}`)
    const { pulls: other } = reach(to)
    const source = misled.get(nodeId)
    if (type === 'joinReaders' && source !== undefined) {
      misled.delete(nodeId)
      return { sizeBytes: SIZE_BYTES, source } as never
    }
    return (await other.requested({ from: nodeId, type, message, link })) as never
  }
  const member: ObjectPullsDeps['member'] = {
    ...{ ask, others: () => member.nodes().filter((each) => each.nodeId !== nodeId) },
    askEach: async (type, message) => {
      const answers: never[] = []
      const silent: string[] = []
      for (const other of nodes.filter((each) => each.nodeId !== nodeId)) {
        await ask(other.nodeId, type, message).then(
          (answer) => answers.push(answer),
          () => silent.push(other.nodeId),
        )
      }
      return { answers, silent }
    },
    tell: (to, type, message) => {
      if (type === 'freeObjects') find(to)?.pulls.freed(message as never)
      else find(to)?.pulls.copyIs({ from: nodeId, type, message, link })
    },
    tellAll: (type, message) => {
      for (const each of member.others()) member.tell(each.nodeId, type, message)
    },
    nodes: () => nodes.map((each) => rowOf(each.nodeId)),
  }
  const connectBulk = async (to: string): Promise<BulkConnection> => {
    const { pulls: holder } = reach(to)
    const address = `${nodeId} to ${to} ${Math.random()}`
    await transport.listen(address, (end) => {
      holder.serve(asBulk(faulty(end, to, nodeId), nodeId))
    })
    return asBulk(await transport.connect(address), to)
  }
  const deps = { member, nodeId, transport: { connectBulk }, clock, log: silentLog }
  const pulls = new ObjectPulls({ ...deps, isHere: (by) => by !== gone, store: () => store })
  return { nodeId, arena, store, pulls, asked, damages: false, away: false }
}

const asBulk = (connection: Connection, nodeId: string): BulkConnection =>
  bulkOver(Object.assign(connection, { peer: { cluster: '', nodeId, epoch: 1 } }))

/** The end of a holder. */
function faulty(end: Connection, from: string, to: string): Connection {
  const send = end.send.bind(end)
  end.send = (frame) => {
    const holder = nodes.find((each) => each.nodeId === from)
    if (holder?.damages === true) frame[frame.length - 7] = 255 - (frame.at(-7) ?? 0)
    const what = holder?.away === true ? 'RESET' : onFrame(from, to, frame)
    if (what === 'SEND') send(frame)
    if (what === 'RESET') {
      send(frame.subarray(0, frame.length / 2))
      end.close()
    }
  }
  return end
}

const link = { id: 1, notify: () => undefined }
