// A limiter over nodes on hosts of their own, with their GCS in DynamoDB, while the network between
// them is cut: what it allows holds throughout, and all that waits for it runs once the cut heals.
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, expect, it } from 'vitest'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { until } from '../../support/waiting.ts'
import { describeApart } from './hosts-apart.ts'
import { keeperOf, Limited, seenBy } from './limited.ts'

const ALLOWED = 2
/** Longer than a connection outlives a cut, shorter than a node does. */
const CUT_MS = 15_000
/** Both together go on for 20 s without any cut. */
const WORK = { limits: { concurrency: ALLOWED }, count: 40, workMs: 500 }
/** Longer than both ends of a connection take to notice a cut; work that lasts as long. */
const LONG_CUT_MS = 25_000
const TEST_MS = 180_000

describeApart('a limiter over nodes whose network is cut', TEST_MS, (apart) => {
  let limited: Limited
  beforeEach(() => {
    limited = new Limited(apart.cluster)
  })

  /** Who gives the tokens out, and the two others. */
  const roles = (): { keeper: number; one: number; other: number } => {
    const keeper = keeperOf(apart.cluster)
    const [one = 0, other = 0] = [0, 1, 2].filter((host) => host !== keeper)
    return { keeper, one, other }
  }

  /** Drivers on both hosts; all of their tasks run, however the network was cut meanwhile. */
  const throughCut = async (
    hosts: readonly number[],
    cut: () => void | Promise<void>,
    cutMs: number,
  ): Promise<void> => {
    const programs = hosts.map((host) => limited.start({ ...WORK, host }))
    await until(() => limited.runningCount() === ALLOWED)
    await cut()
    await wait(cutMs)
    apart.network.heal()
    const seen = await seenBy(...programs)
    expect(seen).toHaveLength(hosts.length * WORK.count)
    expect(Math.max(...seen.map(({ atOnce }) => atOnce))).toBe(ALLOWED)
  }

  it(
    'F16: a node that hears no word of the keeper, but is heard by it',
    async () => {
      const { keeper, one, other } = roles()
      const cut = (): void => {
        apart.network.cut(keeper, one, 'oneWay')
      }
      await throughCut([one, other], cut, CUT_MS)
      expect(await apart.cluster.dead()).toEqual([])
    },
    TEST_MS,
  )

  it(
    'F16: a node that hears the keeper, and of which the keeper hears nothing',
    async () => {
      const { keeper, one, other } = roles()
      const cut = (): void => {
        apart.network.cut(one, keeper, 'oneWay')
      }
      await throughCut([one, other], cut, CUT_MS)
      expect(await apart.cluster.dead()).toEqual([])
    },
    TEST_MS,
  )

  it(
    'F14: the keeper is cut from the GCS until its lease is over',
    async () => {
      const { keeper, one, other } = roles()
      const cut = (): void => {
        apart.network.cut(keeper, 'outside')
      }
      await throughCut([one, other], cut, LEASE_MS)
      expect(await apart.cluster.dead()).toEqual([])
    },
    TEST_MS,
  )

  it(
    'F13: a blackout of all connections',
    async () => {
      const { keeper, one } = roles()
      const cut = (): void => {
        apart.isolateAll()
      }
      await throughCut([keeper, one], cut, CUT_MS)
    },
    TEST_MS,
  )

  it(
    'F15: a task that is cut off from its owner runs again only when it has ended',
    async () => {
      const { one } = roles()
      const limits = { concurrency: 1 }
      const program = limited.start({ limits, host: one, count: 2, workMs: LONG_CUT_MS })
      const others = [0, 1, 2].filter((host) => host !== one)
      const runsAt = async (host: number): Promise<boolean> =>
        (await apart.cluster.rows('workers', host)).some(({ state }) => state === 'LEASED')
      await until(async () => (await Promise.all(others.map(runsAt))).includes(true))
      for (const host of others) apart.network.cut(one, host)
      await wait(LONG_CUT_MS)
      apart.network.heal()
      const seen = await seenBy(program)
      expect(seen.map(({ atOnce }) => atOnce)).toEqual([1, 1])
    },
    TEST_MS,
  )
})
