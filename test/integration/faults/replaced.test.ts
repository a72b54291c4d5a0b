// Nodes that are lost and have others in their place: on the same port at once, or all of them. The
// driver's node stays; it runs no tasks itself, as that of a driver outside of the fleet.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeAddressOf } from '../../../runtime/protocol/node-identity.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'
import type { Story } from './fixtures/one-host.mts'
import { allLease, fixture, Steady } from './steady.ts'

/** Of silence, until all are told that a node is dead; with what a busy machine adds. */
const DEATH_MS = 45_000
const TEST_MS = 120_000

describe('of nodes that are lost and replaced', () => {
  let cluster: SeveralNodes
  let port: number | undefined

  beforeAll(async () => {
    const preload = pathToFileURL(fixture('same-port.mts')).href
    cluster = await SeveralNodes.start({
      ...{ hosts: 3, network: undefined, numCpus: (host) => (host === 0 ? 0 : 2) },
      env: (host) =>
        port === undefined || host !== 1
          ? {}
          : { NODE_OPTIONS: `--import ${preload}`, VIRGA_TEST_PORT: String(port) },
    })
    await cluster.settled()
  }, TEST_MS)
  afterAll(() => cluster.remove())
  const deadIds = async () => (await cluster.dead()).map((row) => row['nodeId'])

  it(
    'F09: one on the port of the one before it is another node: no call for that one reaches it',
    async () => {
      const program = cluster.program(0, fixture('one-host.mts'), ['1'])
      await until(() => program.output.stdout.includes('ready') || program.child.exitCode !== null)
      const before = cluster.on(1)
      port = nodeAddressOf(before.nodeAddress ?? '').port
      await cluster.kill(1)
      const after = await cluster.add(1)
      port = undefined
      expect(nodeAddressOf(after.nodeAddress ?? '').port).toBe(
        nodeAddressOf(before.nodeAddress ?? '').port,
      )
      const { code, stdout, stderr } = await program.ended
      expect(code, stderr).toBe(0)
      const story = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Story
      expect(new Set(story.answeredBy)).toEqual(new Set([before.nodeId]))
      expect(story.end).toBe('ActorDiedError')
      expect(story.tasksOn).toEqual([after.nodeId, after.nodeId])
      // It was called for the one before it, and has not let those in.
      const log = readFileSync(join(after.sessionDir, 'logs', 'raylet.log'), 'utf8')
      const refused = log.split('\n').filter((line) => line.includes('a peer was not let in'))
      expect(refused.some((line) => line.includes(before.nodeId))).toBe(true)
      await until(async () => (await deadIds()).includes(before.nodeId), DEATH_MS)
      expect(await deadIds()).toEqual([before.nodeId])
    },
    TEST_MS,
  )

  it(
    'F10: all that have CPUs are lost, and others come: the driver waits, and its work ends right',
    async () => {
      const steady = await Steady.on(cluster, 0)
      const lost = [1, 2].map((host) => cluster.on(host).nodeId)
      await Promise.all([1, 2].map((host) => cluster.kill(host)))
      const added = await Promise.all([1, 2].map((host) => cluster.add(host)))
      await steady.goesOn()
      expect((await steady.story()).failures).toEqual([])
      await allLease(cluster, 0, added)
      await until(async () => {
        const dead = await deadIds()
        return lost.every((nodeId) => dead.includes(nodeId))
      }, DEATH_MS)
      await until(async () => (await cluster.leased()).length === 0)
    },
    TEST_MS,
  )
})
