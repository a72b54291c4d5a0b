// Nodes on hosts of their own, and the network between them cut while a program works: nobody is
// declared dead who lives, no task fails, and what was cut goes on once it heals.
import { setTimeout as wait } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { until } from '../../support/waiting.ts'
import { describeApart, HOSTS } from './hosts-apart.ts'
import { allLease, fixture, Steady } from './steady.ts'

/** Other nodes suspect each other in this time, and connections stay open. */
const BLACKOUT_MS = 5_000
const SLOW_BYTES_PER_S = 64_000
/** A cut that connections do not outlive is waited for; and a busy machine starts nodes slowly. */
const LONG_TEST_MS = 90_000

describeApart('a cluster whose network is cut', LONG_TEST_MS, (apart) => {
  it('F13: a blackout of 5 s kills nobody and fails nothing', async () => {
    const steady = await Steady.on(apart.cluster, 0)
    apart.isolateAll()
    await wait(BLACKOUT_MS)
    apart.network.heal()
    await steady.goesOn()
    expect((await steady.story()).failures).toEqual([])
    await allLease(apart.cluster, 0)
  })

  it(
    'F14: a node that is cut from the GCS goes on, leases nothing new once its lease is over, and does again',
    async () => {
      const steady = await Steady.on(apart.cluster, 0)
      apart.network.cut(1, 'outside')
      await wait(LEASE_MS)
      const late = apart.cluster.program(0, fixture('on-hosts.mts'), ['1'])
      const elsewhere = await apart.cluster.program(0, fixture('on-hosts.mts'), ['2']).ended
      expect(elsewhere.stdout.trim()).toBe(apart.cluster.on(2).nodeId)
      await steady.goesOn()
      expect(late.output.stdout).toBe('')
      apart.network.heal()
      expect((await late.ended).stdout.trim()).toBe(apart.cluster.on(1).nodeId)
      expect((await steady.story()).failures).toEqual([])
    },
    LONG_TEST_MS,
  )

  it('F15: of two nodes that cannot reach each other neither is dead, and work goes on at once', async () => {
    const steady = await Steady.on(apart.cluster, 0)
    apart.network.cut(0, 1)
    await wait(BLACKOUT_MS)
    await steady.goesOn()
    apart.network.heal()
    await steady.goesOn()
    expect((await steady.story()).failures).toEqual([])
  })

  it(
    'F15: what was in flight when they were cut is run elsewhere, though they stay cut',
    async () => {
      const steady = await Steady.on(apart.cluster, 0)
      apart.network.cut(0, 1)
      await steady.goesOn()
      const { failures } = await steady.story()
      expect(failures).toEqual([])
      expect(await apart.cluster.dead(2)).toEqual([])
    },
    LONG_TEST_MS,
  )

  it(
    'F16: a link that loses one direction is as one that loses both',
    async () => {
      const steady = await Steady.on(apart.cluster, 0)
      apart.network.cut(1, 0, 'oneWay')
      await steady.goesOn()
      const { failures } = await steady.story()
      expect(failures).toEqual([])
      expect(await apart.cluster.dead(2)).toEqual([])
    },
    LONG_TEST_MS,
  )

  it('F24: links of 64 kB/s are slow, and that is all', async () => {
    for (let host = 0; host < HOSTS; host += 1) apart.network.slow(host, SLOW_BYTES_PER_S)
    const steady = await Steady.on(apart.cluster, 0)
    await wait(BLACKOUT_MS)
    await steady.goesOn()
    expect((await steady.story()).failures).toEqual([])
    await allLease(apart.cluster, 0)
  })

  it('F71: a driver whose node is cut off for 5 s gets all its results', async () => {
    const { output, ended } = apart.cluster.program(0, fixture('long-calls.mts'), [
      String(BLACKOUT_MS),
    ])
    await until(() => output.stdout.includes('started'))
    await until(async () => (await apart.cluster.leased()).length > 0)
    apart.network.isolate(0)
    await wait(BLACKOUT_MS)
    apart.network.heal()
    const { stdout } = await ended
    const { hosts, told } = JSON.parse(stdout.split('\n')[1] ?? '') as Record<string, string[]>
    expect(hosts).toHaveLength(HOSTS)
    expect(told).toEqual(hosts)
  })
})
