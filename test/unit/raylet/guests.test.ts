// A raylet with guests, over connections in memory: its own driver and workers, and another node
// that is only a channel.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { NodeId, WorkerId } from '../../../runtime/common/ids.ts'
import { toHex } from '../../../runtime/common/ids.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { systemHash, systemRandom } from '../../../runtime/common/random-system.ts'
import { StorageHost } from '../../../runtime/gcs/storage-host.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { driverKey } from '../../../runtime/gcs/tables.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import { Channel } from '../../../runtime/protocol/channel.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import type { Transport } from '../../../runtime/protocol/connection.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { EpochFence } from '../../../runtime/raylet/epoch-fence.ts'
import type {
  PeerRayletCalls,
  PeerRayletNotices,
} from '../../../runtime/raylet/peer-raylet-messages.ts'
import { Raylet } from '../../../runtime/raylet/raylet.ts'
import { PeerNetwork } from '../../support/peer-network.ts'
import { until } from '../../support/waiting.ts'
import { aClass, aDriversJob, units } from './brain.ts'
import { ADDRESS, FakeLauncher, Peer } from './raylet-peers.ts'

type PeerChannel = Channel<PeerRayletCalls, PeerRayletNotices>

const codec = new ValueCodec()
const OWN_ID = 'node-id-bytes.' as NodeId
const OTHER_ID = 'a0'
/** Driven on the other node. */
const job = aDriversJob('job1')

let network: PeerNetwork
let storage: MemoryStorage
let transport: Transport
let launcher: FakeLauncher
let raylet: Raylet

beforeEach(async () => {
  network = new PeerNetwork(systemClock)
  storage = new MemoryStorage()
  transport = memoryTransport(systemClock)
  launcher = new FakeLauncher(transport)
  raylet = makeRaylet()
  await raylet.start()
})
afterEach(() => raylet.stop())

test('GU3: its last guest gone, a job is not said to have ended: its driver goes on', async () => {
  const other = await otherNode()
  await askFor(other, 'guest-1-of-test')
  await until(() => raylet.state.jobs.size === 1)
  other.notify('guestLeft', { client: 'guest-1-of-test' as WorkerId })
  await until(() => raylet.state.jobs.size === 0)
  const cli = await Peer.connect(transport)
  await cli.hello({ workerId: 'somebody-of-test', role: 'cli' })
  expect((await cli.channel.request('state', { kind: 'jobs' })).rows).toEqual([])
  expect(await storage.get(driverKey(toHex(job.jobId)))).toBeUndefined()
})

function makeRaylet(): Raylet {
  const arena = new MemoryArena({ sizeBytes: 2 ** 20 })
  const { sizeBytes } = arena
  const spilling = { arena, spill: undefined, clock: systemClock, log: silentLog }
  const store = new ObjectStore(spilling, { sizeBytes })
  return new Raylet(
    {
      ...{ transport, launcher, storage, codec, clock: systemClock },
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

async function otherNode(): Promise<PeerChannel> {
  const identity = { cluster: 'test', nodeId: OTHER_ID, epoch: 1 }
  const address = raylet.nodeAddress ?? ''
  const made = await network.transportOf(identity).connect(address)
  const channel: PeerChannel = new Channel(made, { clock: systemClock, codec })
  channel.start({
    notified: () => undefined,
    requested: () => undefined,
    closed: () => undefined,
  })
  return channel
}

/** One lease for a process of the other node. */
function askFor(other: PeerChannel, client: string): Promise<PeerRayletCalls['askLeases'][1]> {
  return other.request('askLeases', {
    ...{ client: client as WorkerId, classId: 1, spec: aClass(), count: 1, hops: 1 },
    owner: { role: 'worker', address: `@${client}`, job, driver: 'driver-of-a0' as WorkerId },
  })
}
