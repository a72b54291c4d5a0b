// Nodes that are killed, stopped or slow while a program works.
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { isRunning } from '../../support/is-running.ts'
import { processesOf, signal } from '../../support/node-processes.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'
import type { Ten } from './fixtures/steady.mts'
import { allLease, Steady } from './steady.ts'

const HOSTS = 3
/** Of silence, until all are told that a node is dead; with what a busy machine adds. */
const DEATH_MS = 45_000
const TEST_MS = 120_000

const cloud = await startCloud()
describeOn(cloud, 'a cluster of three nodes', (emulator) => {
  let cluster: SeveralNodes
  beforeEach(async () => {
    const { endpoint } = emulator
    cluster = await SeveralNodes.start({ hosts: HOSTS, numCpus: 2, network: undefined, endpoint })
    await cluster.settled()
  })
  afterEach(() => cluster.remove())
  afterAll(() => emulator.stop())

  it(
    'F08: one that was stopped past its lease, and goes on, is no node any more',
    async () => {
      const steady = await Steady.on(cluster, 0)
      const { pid, nodeId } = cluster.on(1)
      process.kill(pid, 'SIGSTOP')
      await until(
        async () => (await cluster.dead()).some((row) => row['nodeId'] === nodeId),
        DEATH_MS,
      )
      await steady.goesOn()
      process.kill(pid, 'SIGCONT')
      await until(() => !isRunning(pid))
      await steady.goesOn()
      expect((await steady.story()).failures).toEqual([])
      expect((await cluster.dead()).map((row) => row['nodeId'])).toEqual([nodeId])
    },
    TEST_MS,
  )

  it(
    'F10: all are lost: the driver is told, and new ones go on with the same tables',
    async () => {
      const before = await Steady.on(cluster, 0)
      await Promise.all(cluster.nodes.map(({ host }) => cluster.kill(host)))
      const { stderr, code } = await before.program.ended
      expect(code).not.toBe(0)
      expect(stderr).toContain('NodeDiedError')
      for (let host = 0; host < HOSTS; host += 1) await cluster.add(host)
      const after = await Steady.on(cluster, 0)
      expect((await after.story()).failures).toEqual([])
      await allLease(cluster, 0)
      await until(async () => (await cluster.dead()).length === HOSTS, DEATH_MS)
    },
    TEST_MS,
  )

  // Ratios of times taken in one run, and where tasks ran: nothing here is an absolute time.
  it(
    'F11: one that gets a twentieth of its time is not killed, gets no leases, and makes nobody wait',
    async () => {
      const steady = await Steady.on(cluster, 0)
      const { pid, nodeId } = cluster.on(1)
      const runsThere = (tens: readonly Ten[]): boolean =>
        tens.some(({ nodes }) => nodes.includes(nodeId))
      const isSlow = async (): Promise<boolean> =>
        (await cluster.rows('nodes', 1)).some(
          (row) => row['nodeId'] === nodeId && row['isSlow'] === true,
        )
      await until(() => steady.tens.length >= BASE_TENS)
      const base = p99(steady.tens.slice(2)) // its workers have started

      const during = await whileSlow(pid, async () => {
        await until(() => isSlow())
        await steady.goesOn() // what runs there ends
        await steady.goesOn()
        const windows: (readonly Ten[])[] = []
        do {
          const from = steady.tens.length
          await until(() => steady.tens.length >= from + BASE_TENS)
          windows.push(steady.tens.slice(from))
        } while (windows.length < TRIES && fastest(windows) >= 2 * base)
        return windows
      })

      expect(runsThere(during.flat())).toBe(false)
      expect(fastest(during)).toBeLessThan(2 * base)
      await until(async () => !(await isSlow()))
      // Twice what the two others have room for.
      const others = await Promise.all([0, 2].map((host) => Steady.on(cluster, host)))
      await until(() => [steady, ...others].some(({ tens }) => runsThere(tens.slice(-BASE_TENS))))
      for (const each of [steady, ...others]) expect((await each.story()).failures).toEqual([])
      expect(await cluster.dead()).toEqual([])
      await cluster.settled(HOSTS)
    },
    TEST_MS,
  )
})

/** Ten chains each, whose times are compared: for p99 of a few hundred. */
const BASE_TENS = 30
/** What else the machine does makes some slow as well; a slow node would make all of them. */
const TRIES = 3
const SLICE_MS = 500

const p99 = (tens: readonly Ten[]): number => {
  const all = tens.flatMap(({ tookMs }) => tookMs).toSorted((a, b) => a - b)
  return all[Math.floor(0.99 * all.length)] ?? Number.NaN
}

const fastest = (windows: readonly (readonly Ten[])[]): number => Math.min(...windows.map(p99))

/** A raylet and its workers get a twentieth of the time until that has ended. */
async function whileSlow<T>(pid: number, run: () => Promise<T>): Promise<T> {
  let isOver = false
  const slowDown = async (): Promise<void> => {
    while (!isOver) {
      for (const each of processesOf(pid)) signal(each, 'SIGSTOP')
      await wait(0.95 * SLICE_MS)
      for (const each of processesOf(pid)) signal(each, 'SIGCONT')
      await wait(0.05 * SLICE_MS)
    }
  }
  const slowed = slowDown()
  try {
    return await run()
  } finally {
    isOver = true
    await slowed
  }
}
