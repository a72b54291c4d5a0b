// Objects between nodes: real stores in memory and the real pull manager; what nodes say to each
// other is handed over directly, and can be damaged.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { Clock } from '../../../runtime/common/clock.ts'
import {
  CapacityError,
  ObjectLostError,
  ObjectNotFoundError,
  VirgaError,
} from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import { ObjectPulls, type ObjectPullsDeps } from '../../../runtime/raylet/object-pulls.ts'
import { caught, until } from '../../support/waiting.ts'

const MIB = 1024 * 1024
const STORE_BYTES = 32 * MIB
/** More than two chunks. */
const SIZE_BYTES = 9 * MIB

interface TestNode {
  readonly nodeId: string
  readonly arena: MemoryArena
  readonly store: ObjectStore
  readonly pulls: ObjectPulls
  /** Chunks that others read here. */
  readCount: number
  /** What it gives is damaged on its way. */
  damages: boolean
  away: boolean
}

/** Pauses between attempts are no part of these tests. */
const fastClock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * 100,
  after: (delayMs, run) => systemClock.after(delayMs / 100, run),
}

let nodes: TestNode[]
beforeEach(() => {
  nodes = ['a', 'b', 'c'].map(aNode)
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
    expect(a.readCount).toBe(3)
  })

  test('F41: a damaged chunk is asked of another holder, and none is written', async () => {
    const [a, b, c] = nodes as [TestNode, TestNode, TestNode]
    const bytes = await make(a, 'object')
    await b.pulls.pin('client', 'object')
    a.damages = true
    const place = await c.pulls.pin('client', 'object')
    expect(Buffer.compare(await read(c, place.offset), bytes)).toBe(0)
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

  test('which nobody has is not found, with the words of the store', async () => {
    const [a] = nodes as [TestNode]
    await caught(a.pulls.pin('client', 'nothing'), ObjectNotFoundError)
  })

  test('whose only holder gives damaged bytes is lost, and its room is given back', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    a.damages = true
    const error = await caught(b.pulls.pin('client', 'object'), ObjectLostError)
    expect(error.message).toContain('object')
    await until(() => b.store.stats().usedBytes === 0)
  })

  test('that is too large for any store but its own says so', async () => {
    const [a] = nodes as [TestNode]
    const place = { path: 'a file', offset: 0, sizeBytes: 5 }
    const error = await caught(a.store.readPart(place, 0, 5), CapacityError)
    expect(error.message).toContain('larger than the object store')
  })

  test('that is made again here while its copy does not come is there for who waited', async () => {
    const [a, b] = nodes as [TestNode, TestNode]
    await make(a, 'object')
    a.damages = true // so that it takes a while
    const pinned = b.pulls.pin('client', 'object')
    await until(() => a.readCount > 0)
    b.pulls.giveWay('object')
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
})

function aNode(nodeId: string): TestNode {
  const arena = new MemoryArena({ sizeBytes: STORE_BYTES })
  const store = new ObjectStore(
    { arena, spill: undefined, clock: systemClock, log: silentLog },
    { sizeBytes: STORE_BYTES },
  )
  const member: ObjectPullsDeps['member'] = {
    askAll: async (type, message) => {
      const others = nodes.filter((each) => each.nodeId !== nodeId && !each.away)
      return Promise.all(others.map((each) => request(each, nodeId, type, message))) as never
    },
    ask: async (to, type, message) => {
      const other = nodes.find((each) => each.nodeId === to)
      if (other === undefined || other.away) throw new VirgaError(`node ${to} is away`)
      other.readCount += 1
      const given = (await request(other, nodeId, type, message)) as { bytes: Uint8Array }
      if (other.damages) given.bytes[7] = 255 - (given.bytes[7] ?? 0)
      return given
    },
    tellAll: (_, message) => {
      for (const each of nodes) if (each.nodeId !== nodeId) each.pulls.freed(message as never)
    },
  }
  const pulls = new ObjectPulls({ member, clock: fastClock, nodeId, store: () => store })
  return { nodeId, arena, store, pulls, readCount: 0, damages: false, away: false }
}

const link = { id: 1, notify: () => undefined }

const request = (to: TestNode, from: string, type: string, message: object): Promise<unknown> =>
  to.pulls.requested({ from, type, message, link })

async function make({ store, arena }: TestNode, objectId: string): Promise<Buffer> {
  const bytes = Buffer.from(Array.from({ length: SIZE_BYTES / 16 }, (_, i) => i % 251)).fill(
    3,
    0,
    9,
  )
  const whole = Buffer.concat(Array.from({ length: 16 }, () => bytes))
  const { offset } = await store.create('maker', objectId, SIZE_BYTES)
  await arena.write(offset, whole)
  await store.seal(objectId)
  return whole
}

async function read({ arena }: TestNode, offset: number): Promise<Uint8Array> {
  return Uint8Array.from(await arena.read(offset, SIZE_BYTES))
}
