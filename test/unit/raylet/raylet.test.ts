// The shell over memory connections, with workers that are only a channel: no process, no socket.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { ActorId, ObjectId, WorkerId } from '../../../runtime/common/ids.ts'
import { ProtocolError, UsageError } from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { systemHash, systemRandom } from '../../../runtime/common/random-system.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import type { Transport } from '../../../runtime/protocol/connection.ts'
import type { RayletNotices } from '../../../runtime/protocol/messages.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import type { MemoryProbe } from '../../../runtime/raylet/memory-probe.ts'
import { Raylet } from '../../../runtime/raylet/raylet.ts'
import { caught, until } from '../../support/waiting.ts'
import { aClass, aDriversJob, anActor, units } from './brain.ts'
import { ADDRESS, FIRST_PID, FakeLauncher, Peer } from './raylet-peers.ts'

const PEAK_BYTES = 5_000_000

const memory: MemoryProbe = {
  read: (pids) => ({
    usedBytes: 0,
    totalBytes: 2 ** 30,
    processes: new Map(
      pids
        .filter((pid) => pid >= FIRST_PID)
        .map((pid) => [pid, { rssBytes: 1, peakRssBytes: PEAK_BYTES }]),
    ),
  }),
}

let transport: Transport
let launcher: FakeLauncher
let raylet: Raylet
let left: Promise<void>

async function startRaylet(owned = false, numCpus = 2): Promise<void> {
  transport = memoryTransport(systemClock)
  launcher = new FakeLauncher(transport)
  const arena = new MemoryArena({ sizeBytes: 2 ** 20 })
  const sizeBytes = arena.sizeBytes
  raylet = new Raylet(
    {
      transport,
      launcher,
      openStore: () =>
        Promise.resolve({
          store: new ObjectStore(
            { arena, spill: undefined, clock: systemClock, log: silentLog },
            { sizeBytes },
          ),
          arena: { kind: 'memory', path: '', sizeBytes },
        }),
      storage: new MemoryStorage(),
      clock: systemClock,
      random: systemRandom,
      hash: systemHash,
      log: silentLog,
      codec: new ValueCodec(),
      memory,
    },
    {
      address: ADDRESS,
      sessionDir: '/nowhere',
      totals: units({ CPU: numCpus }),
      workersMax: 16,
      owned,
      epoch: 7,
      pid: 1,
    },
  )
  left = new Promise((resolve) => {
    raylet.onLeft = resolve
  })
  await raylet.start()
}

async function aDriver(name = 'driver-1-of-test'): Promise<Peer> {
  const driver = await Peer.connect(transport)
  await driver.hello({ workerId: name, job: aDriversJob('job1') })
  return driver
}

beforeEach(() => startRaylet())
afterEach(() => raylet.stop())

describe('hello', () => {
  test('a driver is welcomed with what it needs to know, and its workers are started', async () => {
    const driver = await Peer.connect(transport)
    const welcome = await driver.hello({ workerId: 'driver-1-of-test', job: aDriversJob('job1') })
    expect(welcome).toMatchObject({
      epoch: 7,
      jobId: 'job1',
      namespace: 'default',
      arena: { kind: 'memory' },
      totals: units({ CPU: 2 }),
    })
    expect(launcher.started).toHaveLength(2)
  })

  test('B11: another protocol, or none, is refused with both versions named', async () => {
    const peer = await Peer.connect(transport)
    const error = await caught(
      peer.hello({ workerId: 'x', protocolMin: 8, protocolMax: 9 }),
      ProtocolError,
    )
    expect(error.message).toContain('speaks 1, the other side 8 to 9')
    const newer = { workerId: 'x', protocolMin: 8, protocolMax: 9, role: 'autoscaler' as 'cli' }
    const peerOfAnother = await Peer.connect(transport)
    expect((await caught(peerOfAnother.hello(newer), ProtocolError)).message).toBe(error.message)
    const stranger = await Peer.connect(transport)
    await caught(stranger.hello({ workerId: 'x', magic: 'http' as 'virga' }), ProtocolError)
    await caught(stranger.hello({ workerId: 'x', protocolMin: '1' as never }), ProtocolError)
  })

  test('a worker that nobody started is refused', async () => {
    const peer = await Peer.connect(transport)
    await caught(peer.hello({ workerId: 'nobody-knows-me', role: 'worker' }), ProtocolError)
  })

  test('nothing is answered before hello', async () => {
    const peer = await Peer.connect(transport)
    await caught(peer.channel.request('state', { kind: 'nodes' }), ProtocolError)
  })

  test('a second driver with the same job id gets another one', async () => {
    await aDriver()
    const second = await Peer.connect(transport)
    const welcome = await second.hello({ workerId: 'driver-2-of-test', job: aDriversJob('job1') })
    expect(welcome.jobId).not.toBe('job1')
  })
})

describe('leases', () => {
  test('from wish to grant to the death of the worker, with its last words and peak memory', async () => {
    const driver = await aDriver()
    driver.channel.notify('wantLeases', { classId: 3, count: 1, spec: aClass() })
    const granted = await driver.told('leaseGranted')
    expect(granted).toMatchObject({ classId: 3, leaseId: 1 })
    const worker = launcher.started.find((each) => each.worker.workerId === granted['workerId'])
    worker?.events.output('stderr', Buffer.from('last words\n'))
    worker?.events.exited({ code: 3, signal: null })
    const broken = await driver.told('leaseBroken')
    expect(broken['exit']).toMatchObject({ code: 3, stderrTail: ['last words'], cause: 'CRASHED' })
    expect(broken['exit']).toMatchObject({ peakRssBytes: PEAK_BYTES })
  })

  test('what a worker prints reaches the driver, all of it once drained', async () => {
    const driver = await aDriver()
    launcher.started[0]?.events.output('stdout', Buffer.from('one\ntwo\n'))
    await driver.channel.request('drainOutput', {})
    const { lines } = await driver.told('output')
    expect(lines).toMatchObject([{ text: 'one' }, { text: 'two' }])
  })
})

describe('actors', () => {
  test('names are claimed in the GCS, found by it, and free after death', async () => {
    const driver = await aDriver()
    const owner = 'driver-1-of-test' as WorkerId
    const spec = anActor({ actorId: 'a1' as ActorId, name: 'counter', owner })
    const find = () =>
      driver.channel.request('findActor', { name: 'counter', namespace: 'default' })
    expect(await find()).toBeUndefined()
    await driver.channel.request('createActor', spec)
    expect(await find()).toMatchObject({ actorId: 'a1' })
    const second = anActor({ actorId: 'a2' as ActorId, name: 'counter', owner })
    const refusal = await caught(driver.channel.request('createActor', second), UsageError)
    expect(refusal.code).toBe('ERR_ACTOR_ALREADY_EXISTS')
    const existing = await driver.channel.request('createActor', {
      ...second,
      actorId: 'a3' as ActorId,
      getIfExists: true,
    })
    expect(existing).toMatchObject({ actorId: 'a1' })
    await driver.channel.request('killActor', {
      homeId: '',
      actorId: 'a1' as ActorId,
      noRestart: true,
    })
    expect((await caught(find(), UsageError)).message).toContain('killed with kill()')
    await driver.channel.request('createActor', { ...second, actorId: 'a4' as ActorId })
    expect(await find()).toMatchObject({ actorId: 'a4' })
  })

  test('GW3: a name that the GCS cannot hold is refused to who takes it, and who looks it up', async () => {
    const driver = await aDriver()
    const name = 'x'.repeat(2_000)
    const spec = anActor({ actorId: 'a1' as ActorId, name, owner: 'driver-1-of-test' as WorkerId })
    const refusal = await caught(driver.channel.request('createActor', spec), UsageError)
    expect(refusal.message).toContain('use a shorter name')
    expect(raylet.state.actors.get('a1' as ActorId)?.phase).toBe('DEAD')
    const find = driver.channel.request('findActor', { name, namespace: 'default' })
    expect((await caught(find, UsageError)).message).toBe(refusal.message)
  })
})

describe('objects', () => {
  test('are made, sealed and pinned through the raylet', async () => {
    const driver = await aDriver()
    const objectId = 'object-id-of-20-byte' as ObjectId
    const { offset } = await driver.channel.request('storeCreate', { objectId, sizeBytes: 100 })
    await driver.channel.request('storeSeal', { objectId })
    expect(await driver.channel.request('storePin', { objectId })).toMatchObject({
      offset,
      sizeBytes: 100,
    })
    const { rows } = await driver.channel.request('state', { kind: 'objects' })
    expect(rows).toMatchObject([{ sizeBytes: 100, state: 'SEALED', pinnerCount: 1 }])
  })

  test('a driver that leaves gives up its pins', async () => {
    const keeper = await aDriver()
    const other = await Peer.connect(transport)
    await other.hello({ workerId: 'driver-2-of-test', job: aDriversJob('job2') })
    const objectId = 'object-id-of-20-byte' as ObjectId
    await keeper.channel.request('storeCreate', { objectId, sizeBytes: 100 })
    await keeper.channel.request('storeSeal', { objectId })
    await other.channel.request('storePin', { objectId })
    other.channel.close()
    await until(async () => {
      const { rows } = await keeper.channel.request('state', { kind: 'objects' })
      return rows[0]?.['pinnerCount'] === 0
    })
  })
})

describe('state', () => {
  test('tells nodes, resources, workers, jobs, and why something waits', async () => {
    const driver = await aDriver()
    const ask = async (kind: string, limit?: number) =>
      driver.channel.request('state', { kind, ...(limit === undefined ? {} : { limit }) })
    driver.channel.notify('wantLeases', { classId: 0, count: 5, spec: aClass({ name: 'square' }) })
    await until(() => driver.seen.filter((each) => each.type === 'leaseGranted').length === 2)
    expect((await ask('nodes')).rows).toMatchObject([
      { alive: true, epoch: 7, resources: { CPU: 2 }, available: {}, pid: 1 },
    ])
    expect((await ask('resources')).rows).toEqual([{ name: 'CPU', total: 2, free: 0 }])
    expect((await ask('workers')).rows).toHaveLength(2)
    expect(await ask('workers', 1)).toMatchObject({ dropped: 1, rows: [{ state: 'LEASED' }] })
    expect((await ask('jobs')).rows).toMatchObject([{ state: 'RUNNING', name: 'job job1' }])
    expect((await ask('why')).rows).toMatchObject([
      { kind: 'task', name: 'square', count: 3, why: 'needs CPU: 1, 0 free' },
    ])
    await caught(ask('nonsense'), ProtocolError)
  })
})

describe('the end', () => {
  test('BN2: stop ends workers that leave by themselves, without a signal', async () => {
    await aDriver()
    await until(() => [...raylet.state.workers.values()].every((each) => each.phase === 'IDLE'))
    await raylet.stop()
    expect(launcher.signals).toEqual([])
    await expect(transport.connect(ADDRESS)).rejects.toThrow()
  })

  test('BN2: those that have not said hello yet are killed at once', async () => {
    await aDriver()
    await raylet.stop()
    expect(launcher.signals).toEqual(['SIGKILL', 'SIGKILL'])
  })

  test('BN2: and kills those that do not', async () => {
    launcher.stubborn = true
    await aDriver()
    await raylet.stop()
    expect(launcher.signals).toEqual(['SIGKILL', 'SIGKILL'])
  })

  test('F70: one made for a driver leaves when that driver does', async () => {
    await raylet.stop()
    await startRaylet(true)
    const driver = await aDriver()
    driver.channel.close()
    await left
    expect(raylet.state.workers.size).toBe(0)
  })

  test('the end of a job that never had a worker is listed as any', async () => {
    await raylet.stop()
    await startRaylet(false, 0)
    const driver = await aDriver()
    driver.channel.close()
    await until(() => raylet.state.jobs.size === 0)
    const cli = await Peer.connect(transport)
    await cli.hello({ workerId: 'somebody-of-test', role: 'cli' })
    const { rows } = await cli.channel.request('state', { kind: 'jobs' })
    expect(rows.map((row) => row['state'])).toEqual(['FINISHED'])
  })

  test('one that serves several drivers goes on without one of them', async () => {
    const first = await aDriver()
    const second = await Peer.connect(transport)
    await second.hello({ workerId: 'driver-2-of-test', job: aDriversJob('job2') })
    first.channel.close()
    await until(() => raylet.state.jobs.size === 1)
    const { rows } = await second.channel.request('state', { kind: 'jobs' })
    expect(rows.map((row) => [row['name'], row['state']])).toEqual([
      ['job job1', 'FINISHED'],
      ['job job2', 'RUNNING'],
    ])
  })
})

const aRun = (indices: number[], startsMs: number[]): object => ({
  ...{ parent: 'p', name: 'f', kind: 'task', state: 'FINISHED', attempt: 0 },
  indices: Float64Array.from(indices),
  startsMs: Float64Array.from(startsMs),
  endsMs: Float64Array.from(indices),
})

describe('malformed messages', () => {
  const good = aClass()
  test.each<[keyof RayletNotices, unknown]>([
    ['wantLeases', null],
    ['unblocked', undefined],
    ['progress', 5],
    ['wantLeases', { classId: 1, count: 2, spec: {} }],
    ['wantLeases', { classId: 1, count: -2, spec: good }],
    ['wantLeases', { classId: 1, count: 2, spec: { ...good, demand: { CPU: -1 } } }],
    ['wantLeases', { classId: {}, count: Number.NaN, spec: null }],
    ['blocked', { waitId: 1, taskId: 't' }],
    ['storeFree', { objectIds: [1] }],
    ['progress', {}],
    ['taskEvents', { pid: 1, runs: [{}], droppedCount: 0 }],
    ['taskEvents', { pid: 1, runs: [aRun([1, 2], [1])], droppedCount: 0 }],
    ['takeTokens', { name: 'x', count: 'all' }],
  ])('B01 %s that is none closes its own connection, and others go on', async (type, message) => {
    const driver = await aDriver()
    const bad = await aDriver('driver-2-of-test')
    bad.channel.notify(type, message as never)
    await until(() => bad.closed)
    driver.channel.notify('wantLeases', { classId: 3, count: 1, spec: good })
    expect(await driver.told('leaseGranted')).toMatchObject({ classId: 3 })
  })

  test.each(['ok', 'failed'])('B01 a reply %s without content does the same', async (type) => {
    const bad = await aDriver()
    bad.channel.notify(type as never, null as never)
    await until(() => bad.closed)
    const driver = await aDriver('driver-2-of-test')
    expect(await driver.channel.request('state', { kind: 'groups' })).toMatchObject({ rows: [] })
  })

  test('B01 a request that is none is refused, with the field named', async () => {
    const driver = await aDriver()
    const bad = driver.channel.request('createGroup', { groupId: 'g', bundles: 5 } as never)
    expect((await caught(bad, ProtocolError)).message).toContain("field 'jobId'")
    const { rows } = await driver.channel.request('state', { kind: 'groups' })
    expect(rows).toEqual([])
  })
})
