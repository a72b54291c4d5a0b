// Real nodes with the GCS in DynamoDB, on machines whose clocks jump and whose names fail, and of
// whose calls to the GCS half arrive twice.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy.ts'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { RETRY_TOKENS_MAX } from '../../../runtime/gcs/retry-budget.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'
import type { Story } from './fixtures/doubled.mts'
import { AWS_NAME, OddMachines } from './odd-machines.ts'
import { allLease, fixture, Steady } from './steady.ts'

const HOSTS = 3
const TEST_MS = 120_000
/** Of AWS, in a raylet: tables, bodies, spilled objects. */
const CLIENTS = 3
/** Above what any node calls the GCS for while it only works: heartbeats, lineage, a read. */
const CALLS_PER_S = 10

/** A node that had nothing to tell has no log. */
function logOf({ sessionDir }: { readonly sessionDir: string }): string {
  const path = join(sessionDir, 'logs', 'raylet.log')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

const failuresIn = (log: string): number => log.split('a call to the GCS failed').length - 1

const cloud = await startCloud()
describeOn(cloud, 'three nodes', (emulator) => {
  const machines = new OddMachines()
  let gcs: FaultProxy
  let cluster: SeveralNodes

  beforeAll(async () => {
    gcs = await startFaultProxy(emulator.endpoint, 19)
    cluster = await SeveralNodes.start({
      ...{ hosts: HOSTS, numCpus: 2, network: undefined },
      endpoint: gcs.endpoint.replace('127.0.0.1', AWS_NAME),
      env: (host) => machines.env(host),
    })
    await cluster.settled()
  }, TEST_MS)
  afterEach(async () => {
    gcs.set([])
    cluster.endPrograms()
    await cluster.settled(HOSTS)
  })
  afterAll(async () => {
    await cluster.remove()
    await gcs.stop()
    await emulator.stop()
    machines.remove()
  })

  it(
    'F19: of calls to the GCS that arrive twice, half of all, the second has no effect',
    async () => {
      gcs.set([{ fault: 'duplicate', when: { chance: 0.5 } }])
      const journal = join(cluster.runtimeDir, 'journal')
      const { ended } = cluster.program(0, fixture('doubled.mts'), [journal])
      const { code, stdout, stderr } = await ended
      expect(code, stderr).toBe(0)
      const story = JSON.parse(stdout.trim()) as Story
      expect(story.sum).toBe(story.tasks)
      expect(story.actors).toBe(1) // of those that all asked for by one name
      const entries = readFileSync(journal, 'utf8').trim().split('\n')
      expect(entries).toHaveLength(story.calls)
      expect(new Set(entries).size).toBe(story.calls)
      const writes = ['UpdateItem', 'BatchWriteItem', 'TransactWriteItems', 'DeleteItem']
      const made = writes.map((operation) => gcs.calls.get(operation) ?? 0)
      expect(made.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20)
    },
    TEST_MS,
  )

  it(
    'F23: names that do not resolve are an outage: work goes on, calls are few, nobody dies',
    async () => {
      const steady = await Steady.on(cluster, 0)
      const hosts = cluster.nodes.map(({ host }) => host)
      const logged = cluster.nodes.map((each) => logOf(each).length)
      const before = hosts.map((host) => machines.lookups(host))
      for (const host of hosts) machines.forgetNames(host)
      const beganMs = performance.now()
      while (performance.now() < beganMs + LEASE_MS / 2) {
        gcs.hangUp() // a connection that they have needs no name
        await steady.goesOn()
      }
      const seconds = (performance.now() - beganMs) / 1000
      for (const host of hosts) {
        const tries = machines.lookups(host) - (before[host] ?? 0)
        expect(tries).toBeGreaterThan(0)
        expect(tries).toBeLessThan(1.2 * CALLS_PER_S * seconds + RETRY_TOKENS_MAX)
        machines.knowNames(host)
      }
      await steady.goesOn()
      expect((await steady.story()).failures).toEqual([])
      await cluster.settled(HOSTS)
      expect(await cluster.dead()).toEqual([])
      const logs = cluster.nodes.map(logOf)
      expect(logs.some((log) => log.includes('getaddrinfo ENOTFOUND'))).toBe(true)
      for (const [i, log] of logs.entries()) {
        // Each of them tells once a minute: so what F19 let one tell just now stands for this.
        expect(failuresIn(log)).toBeGreaterThan(0)
        expect(failuresIn(log.slice(logged[i]))).toBeLessThanOrEqual(CLIENTS)
      }
    },
    TEST_MS,
  )

  it(
    'F26: wall clocks that jump, by -30 s and by +10 min, and back: nobody dies, all get leases',
    async () => {
      const steady = await Steady.on(cluster, 0)
      await machines.setClock(1, -30_000)
      await machines.setClock(2, 600_000)
      const endMs = performance.now() + 1.5 * LEASE_MS
      while (performance.now() < endMs) await steady.goesOn()
      expect((await steady.story()).failures).toEqual([])
      // What is leased from now on is leased after the jump, and by who lives in another time.
      await allLease(cluster, 0)
      await allLease(cluster, 2)
      const other = await Steady.on(cluster, 2)
      await machines.setClock(1, 0)
      await machines.setClock(2, 0)
      await other.goesOn()
      expect((await other.story()).failures).toEqual([])
      expect(await cluster.dead()).toEqual([])
    },
    TEST_MS,
  )
})
