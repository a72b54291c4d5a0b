// A raylet with guests, over connections in memory: its own driver and workers, and other nodes
// that run nothing.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { Clock } from '../../../runtime/common/clock.ts'
import type { ActorId, NodeId, WorkerId } from '../../../runtime/common/ids.ts'
import { fromHex, toHex } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { systemHash, systemRandom } from '../../../runtime/common/random-system.ts'
import { readActor, registerActor } from '../../../runtime/gcs/actors.ts'
import { readNode, sendCommand } from '../../../runtime/gcs/nodes.ts'
import { StorageHost } from '../../../runtime/gcs/storage-host.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { heldPartition, nodeKey } from '../../../runtime/gcs/tables.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import type { Transport } from '../../../runtime/protocol/connection.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { encodeMade } from '../../../runtime/raylet/actors/actor-origin.ts'
import { ClusterMember } from '../../../runtime/raylet/cluster/cluster-member.ts'
import { EpochFence } from '../../../runtime/raylet/cluster/epoch-fence.ts'
import type {
  PeerMessage,
  PeerRayletCalls,
  PeerRayletNotices,
} from '../../../runtime/raylet/cluster/peer-raylet-messages.ts'
import { Raylet } from '../../../runtime/raylet/raylet.ts'
import { PeerNetwork } from '../../support/peer-network.ts'
import { until } from '../../support/waiting.ts'
import { aClass, aDriversJob, anActor, units } from './brain.ts'
import { ADDRESS, FakeLauncher, Peer } from './raylet-peers.ts'

interface OtherNode {
  readonly member: ClusterMember
  readonly told: readonly PeerRayletNotices['toClient'][]
}

const codec = new ValueCodec()
const SPEED = 5
/** Heartbeats are seconds apart. */
const clock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * SPEED,
  after: (delayMs, run) => systemClock.after(delayMs / SPEED, run),
}
const OWN_ID = 'node-id-bytes.' as NodeId
const OWN = { nodeId: toHex(OWN_ID), epoch: 1 }
const DRIVER = 'driver-of-a0' as WorkerId
const job = aDriversJob('job1')

let network: PeerNetwork
let storage: MemoryStorage
let transport: Transport
let launcher: FakeLauncher
let raylet: Raylet
let others: OtherNode[]

beforeEach(async () => {
  network = new PeerNetwork(clock)
  storage = new MemoryStorage()
  transport = memoryTransport(clock)
  launcher = new FakeLauncher(transport)
  others = []
  raylet = makeRaylet()
  await raylet.start()
})
afterEach(async () => {
  for (const { member } of others) member.clusterEnds('BY_ANOTHER')
  await Promise.all(others.map(({ member }) => member.leave()))
  await raylet.stop()
})

test('who joins listens already: the workers of a guest may dial at once', async () => {
  await raylet.stop()
  const joined = async (): Promise<boolean> =>
    (await storage.get(nodeKey(toHex(OWN_ID)))) !== undefined
  storage = new MemoryStorage()
  let joinedBefore: boolean | undefined
  const listen: Transport['listen'] = async (...args) => {
    joinedBefore = await joined()
    return memory.listen(...args)
  }
  const memory = transport
  transport = { listen, connect: (address) => memory.connect(address) }
  raylet = makeRaylet()
  await raylet.start()
  expect(await joined()).toBe(true)
  expect(joinedBefore).toBe(false)
})

test('a command of the GCS is carried out, and said to be', async () => {
  expect(await sendCommand({ storage, clock, random: systemRandom }, toHex(OWN_ID), 'drain')).toBe(
    true,
  )
  await until(async () => (await readNode(storage, toHex(OWN_ID)))?.doneCommand === 1)
  expect(raylet.state.draining).toBe(true)
})

test('GU3: its last guest gone, a job is not said to have ended: its driver goes on', async () => {
  const other = await otherNode('a0')
  await askFor(other, 'guest-1-of-test')
  await until(() => raylet.state.jobs.size === 1)
  other.member.tell(toHex(OWN_ID), 'guestLeft', { client: 'guest-1-of-test' as WorkerId })
  await until(() => raylet.state.jobs.size === 0)
  const cli = await Peer.connect(transport)
  await cli.hello({ workerId: 'somebody-of-test', role: 'cli' })
  expect((await cli.channel.request('state', { kind: 'jobs' })).rows).toEqual([])
  expect(await storage.query('cluster', heldPartition(OWN))).toEqual([])
})

test('what a task of a task prints reaches the driver, whose node asked for nothing here', async () => {
  const [home, between] = [await otherNode('a0'), await otherNode('a1')]
  await askFor(between, 'guest-1-of-test')
  await until(() => between.told.some(({ type }) => type === 'leaseGranted'))
  launcher.started[0]?.events.output('stdout', Buffer.from('one\n'))
  await until(() => home.told.length > 0)
  expect(home.told).toMatchObject([{ client: DRIVER, type: 'output' }])
  expect(home.told[0]?.message).toMatchObject({ lines: [{ text: 'one' }] })
})

test('F07, AW3: whether the actors of a node that was dead before it joined are started again, it asks those that may know', async () => {
  let hasMet = true
  const asked: object[] = []
  await otherNode('a0', ({ type, message }) => {
    if (type === 'hasMet') asked.push(message)
    return type === 'goneActor' ? undefined : { hasMet }
  })
  const [gone, actorId] = ['d0', 'ab'.repeat(12)]
  const name = { namespace: 'default', name: 'c' }
  const spec = anActor({ actorId: fromHex(actorId) as ActorId, owner: DRIVER, ...name })
  const from = { homeId: gone, ownerAddress: '@d', drivenAt: gone }
  const made = { spec, origin: { ...from, job, driver: DRIVER } }
  const row = { actorId, owner: '0a', name, detached: true, maxRestarts: 1, nodeId: gone, epoch: 1 }
  await registerActor(storage, { ...row, spec: encodeMade(codec, made) }, 5)
  const driver = await Peer.connect(transport)
  await driver.hello({ workerId: 'driver-of-test', job })
  expect(await driver.channel.request('findActor', name)).toMatchObject({ className: 'Counter' })
  expect(asked).toEqual([{ nodeId: gone, epoch: 1 }])
  expect(await readActor(storage, actorId)).toMatchObject({ state: 'PENDING_CREATION' })
  hasMet = false
  expect(await driver.channel.request('findActor', name)).toBeUndefined()
  expect(await readActor(storage, actorId)).toMatchObject({ state: 'DEAD' })
})

test('PE4: who connects after a death is told of it with its welcome', async () => {
  const gone = await otherNode('a0')
  const first = await Peer.connect(transport)
  await first.hello({ workerId: 'first-of-test', job })
  await gone.member.leave()
  const ended = [['a0', 1]]
  await until(() => first.seen.some(({ type }) => type === 'livesEnded'))
  const second = await Peer.connect(transport)
  await second.hello({ workerId: 'second-of-test', role: 'cli' })
  const livesEnded = ({ seen }: Peer): unknown => seen.find(({ type }) => type === 'livesEnded')
  expect(livesEnded(second)).toEqual({ type: 'livesEnded', message: { ended } })
  expect(livesEnded(first)).toEqual(livesEnded(second))
  others.splice(others.indexOf(gone), 1)
})

function makeRaylet(): Raylet {
  const arena = new MemoryArena({ sizeBytes: 2 ** 20 })
  const { sizeBytes } = arena
  const spilling = { arena, spill: undefined, clock, log: silentLog }
  const store = new ObjectStore(spilling, { sizeBytes })
  return new Raylet(
    {
      ...{ transport, launcher, storage, codec, clock },
      ...{ random: systemRandom, hash: systemHash, log: silentLog },
      openStore: () => Promise.resolve({ store, arena: { kind: 'memory', path: '', sizeBytes } }),
      cluster: {
        transport: network.transportOf({ cluster: 'test', nodeId: toHex(OWN_ID), epoch: 1 }),
        ...{ listenAt: '127.0.0.1:0', fence: new EpochFence(), host: new StorageHost(storage) },
      },
    },
    {
      ...{ address: ADDRESS, sessionDir: '/nowhere', totals: units({ CPU: 2 }), workersMax: 16 },
      ...{ owned: false, nodeId: OWN_ID, epoch: 1, pid: 1 },
    },
  )
}

/** Another member, that runs nothing: it remembers what it is told for its clients. */
async function otherNode(
  nodeId: string,
  requested: (message: PeerMessage) => unknown = () => undefined,
): Promise<OtherNode> {
  const told: PeerRayletNotices['toClient'][] = []
  const fence = new EpochFence()
  const transport = network.transportOf({ cluster: 'test', nodeId, epoch: 1 })
  const cluster = { transport, listenAt: '127.0.0.1:0', fence, host: undefined }
  const member = new ClusterMember(
    { cluster, storage, codec, clock, random: systemRandom, log: silentLog },
    {
      expelled: () => undefined,
      confirmed: () => undefined,
      command: () => undefined,
      nodes: () => undefined,
      localRows: () => ({ rows: [], dropped: 0 }),
      stopped: () => undefined,
      requested,
      notified: ({ type, message }) => {
        if (type === 'toClient') told.push(message as PeerRayletNotices['toClient'])
      },
      lost: () => undefined,
      linkClosed: () => undefined,
      bulk: () => undefined,
    },
  )
  await member.start({ nodeId, pid: 2, totals: {}, labels: {} }, 1)
  const node = { member, told }
  others.push(node)
  return node
}

/** One lease for a process of that node, of a job that a0 drives. */
function askFor({ member }: OtherNode, client: string): Promise<PeerRayletCalls['askLeases'][1]> {
  const owner = {
    role: 'worker',
    address: `@${client}`,
    job,
    driver: DRIVER,
    drivenAt: 'a0',
  } as const
  const message = {
    client: client as WorkerId,
    classId: 1,
    spec: aClass(),
    count: 1,
    known: 0,
    hops: 1,
  }
  return member.ask(toHex(OWN_ID), 'askLeases', { ...message, owner }, 5_000)
}
