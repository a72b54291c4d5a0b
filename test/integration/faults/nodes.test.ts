// Nodes that are killed, stopped or slow while a program works.
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { isRunning } from '../../support/is-running.ts'
import { processesOf, signal } from '../../support/node-processes.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'
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

  it(
    'F11: one that gets a twentieth of its time is not killed, and the others do not wait for it',
    async () => {
      const steady = await Steady.on(cluster, 0)
      const endMs = performance.now() + SLOW_MS
      while (performance.now() < endMs) {
        for (const pid of processesOf(cluster.on(1).pid)) signal(pid, 'SIGSTOP')
        await wait(0.95 * SLICE_MS)
        for (const pid of processesOf(cluster.on(1).pid)) signal(pid, 'SIGCONT')
        await wait(0.05 * SLICE_MS)
      }
      await steady.goesOn()
      const { failures, tasksOn } = await steady.story()
      expect(failures).toEqual([])
      expect(tasksOn[cluster.on(2).nodeId]).toBeGreaterThan(tasksOn[cluster.on(1).nodeId] ?? 0)
      await cluster.settled(HOSTS)
    },
    TEST_MS,
  )
})

const SLOW_MS = 20_000
const SLICE_MS = 500
