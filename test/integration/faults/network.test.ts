// Nodes on hosts of their own, and the network between them cut while a program works: nobody is
// declared dead who lives, no task fails, and what was cut goes on once it heals.
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts'
import { makeNamespaces, whyNoNamespaces, type Namespaces } from '../../support/namespaces.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'
import { fixture, Steady } from './steady.ts'

const HOSTS = 3
/** Other nodes suspect each other in this time, and connections stay open. */
const BLACKOUT_MS = 5_000
const SLOW_BYTES_PER_S = 64_000
/** A cut that connections do not outlive is waited for; and a busy machine starts nodes slowly. */
const LONG_TEST_MS = 90_000

const why = whyNoNamespaces()
if (why !== undefined) console.warn(`Not tested here: ${why}`)
const cloud = why === undefined ? await startCloud('ministack') : undefined

describeOn(cloud, 'a cluster whose network is cut', (emulator) => {
  let network: Namespaces
  let gcs: FaultProxy
  let cluster: SeveralNodes
  // Called in reverse, also when the start has failed half-way.
  const ends: (() => unknown)[] = [() => emulator.stop()]
  beforeAll(async () => {
    network = makeNamespaces(HOSTS)
    ends.unshift(() => {
      network.remove()
    })
    gcs = await startFaultProxy(emulator.endpoint, 1, network.outside)
    ends.unshift(() => gcs.stop())
    cluster = await SeveralNodes.start({
      ...{ hosts: HOSTS, numCpus: 2, network },
      endpoint: gcs.endpoint,
    })
    ends.unshift(() => cluster.remove())
    await cluster.settled()
  }, LONG_TEST_MS)
  afterEach(async () => {
    network.heal()
    cluster.endPrograms()
    await cluster.settled(HOSTS) // nobody was declared dead
    await until(async () => (await cluster.leased()).length === 0)
  })
  afterAll(async () => {
    for (const end of ends) await end()
  })

  const isolateAll = (): void => {
    for (let host = 0; host < HOSTS; host += 1) network.isolate(host)
  }

  it('F13: a blackout of 5 s kills nobody and fails nothing', async () => {
    const steady = await Steady.on(cluster, 0)
    isolateAll()
    await wait(BLACKOUT_MS)
    network.heal()
    await steady.goesOn()
    const { failures, tasksOn } = await steady.story()
    expect(failures).toEqual([])
    expect(Object.keys(tasksOn)).toHaveLength(HOSTS)
  })

  it(
    'F14: a node that is cut from the GCS goes on, leases nothing new once its lease is over, and does again',
    async () => {
      const steady = await Steady.on(cluster, 0)
      network.cut(1, 'outside')
      await wait(LEASE_MS)
      const late = cluster.program(0, fixture('on-host.mts'), ['1'])
      const elsewhere = await cluster.program(0, fixture('on-host.mts'), ['2']).ended
      expect(elsewhere.stdout.trim()).toBe(cluster.on(2).nodeId)
      await steady.goesOn()
      expect(late.output.stdout).toBe('')
      network.heal()
      expect((await late.ended).stdout.trim()).toBe(cluster.on(1).nodeId)
      expect((await steady.story()).failures).toEqual([])
    },
    LONG_TEST_MS,
  )

  it('F15: of two nodes that cannot reach each other neither is dead, and work goes on at once', async () => {
    const steady = await Steady.on(cluster, 0)
    network.cut(0, 1)
    await wait(BLACKOUT_MS)
    await steady.goesOn()
    network.heal()
    await steady.goesOn()
    expect((await steady.story()).failures).toEqual([])
  })

  it(
    'F15: what was in flight when they were cut is run elsewhere, though they stay cut',
    async () => {
      const steady = await Steady.on(cluster, 0)
      network.cut(0, 1)
      await steady.goesOn()
      const { failures } = await steady.story()
      expect(failures).toEqual([])
      expect(await cluster.dead(2)).toEqual([])
    },
    LONG_TEST_MS,
  )

  it(
    'F16: a link that loses one direction is as one that loses both',
    async () => {
      const steady = await Steady.on(cluster, 0)
      network.cut(1, 0, 'oneWay')
      await steady.goesOn()
      const { failures } = await steady.story()
      expect(failures).toEqual([])
      expect(await cluster.dead(2)).toEqual([])
    },
    LONG_TEST_MS,
  )

  it('F24: links of 64 kB/s are slow, and that is all', async () => {
    for (let host = 0; host < HOSTS; host += 1) network.slow(host, SLOW_BYTES_PER_S)
    const steady = await Steady.on(cluster, 0)
    await wait(BLACKOUT_MS)
    await steady.goesOn()
    const { failures, tasksOn } = await steady.story()
    expect(failures).toEqual([])
    expect(Object.keys(tasksOn)).toHaveLength(HOSTS)
  })

  it('F71: a driver whose node is cut off for 5 s gets all its results', async () => {
    const { output, ended } = cluster.program(0, fixture('long-calls.mts'), [String(BLACKOUT_MS)])
    await until(() => output.stdout.includes('started'))
    await until(async () => (await cluster.leased()).length > 0)
    network.isolate(0)
    await wait(BLACKOUT_MS)
    network.heal()
    const { stdout } = await ended
    const { hosts, told } = JSON.parse(stdout.split('\n')[1] ?? '') as Record<string, string[]>
    expect(hosts).toHaveLength(HOSTS)
    expect(told).toEqual(hosts)
  })
})
