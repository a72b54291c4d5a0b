// Raylets of several nodes as members of one cluster: real connections and channels in memory, real
// membership and GCS, a clock moved by hand.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ProtocolError, type NodeDiedError } from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { declareDead, readNode, type NodeRow } from '../../../runtime/gcs/nodes.ts'
import { StorageHost } from '../../../runtime/gcs/storage-host.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { StorageCalls } from '../../../runtime/gcs/storage-messages.ts'
import { RemoteStorage } from '../../../runtime/gcs/storage-remote.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { Channel } from '../../../runtime/protocol/channel.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { ClusterMember } from '../../../runtime/raylet/cluster/cluster-member.ts'
import { EpochFence } from '../../../runtime/raylet/cluster/epoch-fence.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { seededRandom } from '../../support/seeded.ts'
import { PeerNetwork } from '../../support/peer-network.ts'
import { caught } from '../../support/waiting.ts'

interface TestNode {
  readonly nodeId: string
  readonly member: ClusterMember
  readonly fence: EpochFence
  readonly address: string
  nodes: readonly NodeRow[]
  leaseUntilMs: number
  expelled: NodeDiedError | undefined
  stopped: boolean
}

/** More than from which on one announces what all have to tell. */
const CROWD = 67
const KILLED = 'a3'
const LEFT = 'a2'

const codec = new ValueCodec()
const random = seededRandom(7)
let clock: HandClock
let network: PeerNetwork
let storage: MemoryStorage
let all: TestNode[]

beforeEach(() => {
  clock = new HandClock()
  network = new PeerNetwork(clock)
  storage = new MemoryStorage()
  all = []
})
afterEach(async () => {
  for (const { member } of all) member.clusterEnds('BY_ANOTHER')
  await during(Promise.all(all.map(({ member }) => member.leave())))
})

describe('several raylets as one cluster', () => {
  it('see each other as soon as the last has joined, each with its epoch', async () => {
    await join(4)
    for (const node of all) {
      expect(states(node)).toEqual({ a0: 'ALIVE', a1: 'ALIVE', a2: 'ALIVE', a3: 'ALIVE' })
      expect(node.nodes.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 1])
      expect(node.leaseUntilMs).toBeGreaterThan(clock.monotonicMs())
    }
    expect(all.map(({ member }) => member.isGcsHost)).toEqual([true, false, false, false])
  })

  it('F13: a killed one is suspected within 2 s and dead within 21, and may not come back', async () => {
    const [first, second, third] = await join(4)
    network.kill('a3')
    await clock.advance(2_000)
    const suspecting = [first, second, third].filter(({ member }) => member.isSuspected('a3'))
    expect(suspecting).toHaveLength(3) // all three others watch it
    expect(states(first)).toMatchObject({ a3: 'ALIVE' })
    await clock.advance(19_000)
    expect(await readNode(storage, 'a3')).toMatchObject({ alive: false })
    await clock.advance(4_500) // everybody has looked since
    for (const node of [first, second, third]) {
      expect(states(node)).toEqual({ a0: 'ALIVE', a1: 'ALIVE', a2: 'ALIVE', a3: 'DEAD' })
      expect(node.fence.oldestEpoch('a3')).toBe(2)
      expect(node.member.isSuspected('a3')).toBe(false)
      expect(node.leaseUntilMs).toBeGreaterThan(clock.monotonicMs())
    }
  })

  it('MN2: who is told that one is dead knows it before it answers', async () => {
    const [first, second] = await join(4)
    network.kill('a3')
    const death = { nodeId: 'a3', epoch: 1, death: 'a test' }
    await during(first.member.ask('a1', 'nodeDied', death, 1_000))
    expect(states(second)).toMatchObject({ a0: 'ALIVE', a3: 'DEAD' })
    expect(states(first)).toMatchObject({ a3: 'ALIVE' })
    expect(second.fence.oldestEpoch('a3')).toBe(2)
  })

  it('F14: one that is declared dead while it lives is expelled, and grants nothing after', async () => {
    const [, second] = await join(3)
    const { epoch = 0, heartbeat = 0 } = (await readNode(storage, 'a1')) ?? {}
    await declareDead(
      { storage, clock, random },
      { nodeId: 'a1', epoch, heartbeat, reason: 'a test' },
    )
    await clock.advance(5_000)
    expect(second.expelled?.message).toContain('declared dead (a test)')
    const untilMs = second.leaseUntilMs
    await clock.advance(20_000)
    expect(second.leaseUntilMs).toBe(untilMs)
  })

  it('one that leaves is dead for all at once, without anybody waiting for its lease', async () => {
    const [first, second] = await join(3)
    await during(second.member.leave())
    await clock.advance(4_500)
    expect(states(first)).toMatchObject({ a1: 'DEAD' })
    expect(first.nodes.find(({ nodeId }) => nodeId === 'a1')?.death).toBe('it was shut down')
  })

  it('a leaving node waits no longer than half a second for a GCS that is away', async () => {
    const [, second] = await join(3)
    network.kill('a0')
    const beforeMs = clock.monotonicMs()
    await during(second.member.leave())
    expect(clock.monotonicMs() - beforeMs).toBeLessThan(1_000)
  })

  it('drains: all others see that nothing is to be leased there', async () => {
    const [first, second] = await join(2)
    second.member.drain()
    await clock.advance(9_000)
    expect(states(first)).toEqual({ a0: 'ALIVE', a1: 'DRAINING' })
  })

  it('MN1: whoever says that it has joined is answered when it is seen, of several at once too', async () => {
    const [first] = await join(3)
    const row = await readNode(storage, 'a1')
    const seen = ['fd', 'fe', 'ff'].map(async (nodeId) => {
      const channel = await strangerTo(first, nodeId)
      await channel.request('ping' as never, { newcomer: { ...row, nodeId } } as never)
      return states(first)[nodeId]
    })
    expect(await during(Promise.all(seen))).toEqual(['ALIVE', 'ALIVE', 'ALIVE'])
  })

  it('AN3: a crowd sees who joins, drains, dies and leaves, though one announces for all', async () => {
    await join(CROWD)
    await clock.advance(10_000)
    const staying = all.filter((node) => node.nodeId !== LEFT && node.nodeId !== KILLED)
    const everywhere = (nodeId: string): string[] => [
      ...new Set(staying.map((node) => String(states(node)[nodeId]))),
    ]
    for (const { nodeId } of all) expect(everywhere(nodeId), nodeId).toEqual(['ALIVE'])
    const [, draining, leaving] = all
    draining?.member.drain()
    await during(leaving?.member.leave() ?? Promise.reject(new Error('too few')))
    network.kill(KILLED)
    await clock.advance(35_000)
    expect(everywhere('a1')).toEqual(['DRAINING'])
    expect(everywhere(LEFT)).toEqual(['DEAD'])
    expect(everywhere(KILLED)).toEqual(['DEAD'])
    expect(all.filter(({ expelled }) => expelled !== undefined)).toEqual([])
  })

  it('stops as a whole when one of them says so', async () => {
    const [, second] = await join(3)
    second.member.clusterEnds('BY_THIS_NODE')
    await during(second.member.tellOthers())
    expect(all.map(({ stopped }) => stopped)).toEqual([true, false, true])
  })

  it('each answers for itself, and one that does not answer delays the rest by a second', async () => {
    const [first] = await join(3)
    const rows = await during(first.member.askAll('state', { kind: 'nodes' }))
    expect(rows.map((answer) => answer.rows[0]?.['nodeId'])).toEqual(['a1', 'a2'])
    network.kill('a1')
    const left = await during(first.member.askAll('state', { kind: 'nodes' }))
    expect(left.map((answer) => answer.rows[0]?.['nodeId'])).toEqual(['a2'])
  })

  it('refuses what another version might send, by the name of the node and the field', async () => {
    const [first] = await join(1)
    const channel = await strangerTo(first)
    const bad = { client: 'c', sequence: 0, endedBelow: 0, call: { kind: 'constructor', args: [] } }
    const error = await during(caught(channel.request('storage', bad as never), ProtocolError))
    expect(error.message).toContain('node ff sent')
    expect(error.data).toMatchObject({ type: 'storage', field: 'call' })
    const unknown = caught(channel.request('reboot' as never, {} as never), ProtocolError)
    expect((await during(unknown)).message).toContain('not known here')
  })
})

describe('the node that holds the GCS', () => {
  it('takes the others with it, and another node does not', async () => {
    const [first, second] = await join(3)
    await during(second.member.tellOthers())
    expect(all.map(({ stopped }) => stopped)).toEqual([false, false, false])
    await during(first.member.tellOthers())
    expect(all.map(({ stopped }) => stopped)).toEqual([false, true, true])
  })
})

describe('the fence of epochs', () => {
  it('lets nobody back in by a row that is older than what is known', () => {
    const fence = new EpochFence()
    expect(fence.oldestEpoch('a')).toBe(0)
    fence.learn({ nodeId: 'a', epoch: 3, state: 'DEAD' })
    fence.learn({ nodeId: 'a', epoch: 3, state: 'ALIVE' })
    expect(fence.oldestEpoch('a')).toBe(4)
    fence.learn({ nodeId: 'a', epoch: 5, state: 'ALIVE' })
    expect(fence.oldestEpoch('a')).toBe(5)
  })
})

/** Time passes until it has ended. */
async function during<T>(work: Promise<T>): Promise<T> {
  let ended = false
  const end = (): void => {
    ended = true
  }
  work.then(end, end)
  while (!ended) await clock.advance(10)
  return work
}

/** Nodes a0, a1 … joined one after the other; the first holds the GCS. */
async function join(count: number): Promise<[TestNode, TestNode, TestNode, TestNode]> {
  for (let index = 0; index < count; index += 1) await joinOne(`a${String(index)}`)
  return all as [TestNode, TestNode, TestNode, TestNode]
}

async function joinOne(nodeId: string): Promise<void> {
  const transport = network.transportOf({ cluster: 'test', nodeId, epoch: 1 })
  const fence = new EpochFence()
  const host = all.length === 0 ? new StorageHost(storage) : undefined
  const ports = { transport, listenAt: '127.0.0.1:0', fence, host }
  const reached: Storage =
    host === undefined ? new RemoteStorage({ clock, random, log: silentLog, connect }) : storage
  async function connect(): Promise<Channel<StorageCalls, Record<never, never>>> {
    const made = await transport.connect(all[0]?.address ?? '')
    const channel = new Channel<StorageCalls, Record<never, never>>(made, { clock, codec })
    channel.start({
      notified: () => undefined,
      requested: () => undefined,
      closed: () => undefined,
    })
    return channel
  }
  const told = { nodes: [] as readonly NodeRow[], leaseUntilMs: -Infinity }
  const node: Partial<TestNode> = Object.assign(told, { nodeId, fence, stopped: false })
  const member = new ClusterMember(
    { cluster: ports, storage: reached, clock, random, log: silentLog, codec },
    {
      expelled: (error) => (node.expelled = error),
      confirmed: (untilMs) => (node.leaseUntilMs = untilMs),
      command: () => undefined,
      nodes: (nodes) => (node.nodes = nodes),
      localRows: () => ({ rows: [{ nodeId }], dropped: 0 }),
      stopped: () => (node.stopped = true),
      requested: () => undefined,
      notified: () => undefined,
      lost: () => undefined,
      linkClosed: () => undefined,
      bulk: () => undefined,
    },
  )
  const spec = { nodeId, pid: 1, totals: { CPU: 10_000 }, labels: {} }
  const address = await during(member.start(spec, 1))
  all.push(Object.assign(node, { member, address }) as TestNode)
}

function states({ nodes }: TestNode): Record<string, string> {
  const sorted = [...nodes].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  return Object.fromEntries(sorted.map(({ nodeId, state }) => [nodeId, state]))
}

async function strangerTo(
  { address }: TestNode,
  nodeId = 'ff',
): Promise<Channel<StorageCalls, never>> {
  const identity = { cluster: 'test', nodeId, epoch: 1 }
  const connection = await network.transportOf(identity).connect(address)
  const channel = new Channel<StorageCalls, never>(connection, { clock, codec })
  channel.start({
    notified: () => undefined,
    requested: () => undefined,
    closed: () => undefined,
  })
  return channel
}
