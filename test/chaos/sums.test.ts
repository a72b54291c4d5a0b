// Five real nodes, their GCS in DynamoDB, of whose calls 30 % fail; workers, raylets and with them
// drivers are killed at random, nodes are cut off for five seconds every thirty. Nothing is lost,
// nothing comes out twice or wrong, and no resource stays taken. `npm run chaos` runs all of it:
// 20,000 tasks, 30 nodes and 150 workers killed.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeOn, startCloud } from '../support/emulator.ts'
import { startFaultProxy, type FaultProxy, type FaultRule } from '../support/fault-proxy.ts'
import { makeNamespaces, whyNoNamespaces, type Namespaces } from '../support/namespaces.ts'
import { scaled } from '../support/scale.ts'
import { SeveralNodes, type Program } from '../support/several-nodes.ts'
import { until } from '../support/waiting.ts'
import type { Said, Todo } from './fixtures/sums.mts'
import { Storm } from './storm.ts'

const HOSTS = 5
const LENGTH = 20
const CHAINS = scaled(20_000) / LENGTH
const NODE_KILLS = scaled(30, 3)
const WORKER_KILLS = scaled(150)
/** Within which all is as before, once nothing fails any more. */
const CALM_MS = 60_000
const TEST_MS = 1_800_000

const seed = Number(process.env['VIRGA_TEST_SEED'] ?? Date.now() % 100_000)

/** 30 % of all calls, a third of them after they were done. */
const FAILING: readonly FaultRule[] = [
  { fault: 'error-before', when: { chance: 0.1 } },
  { fault: 'execute-then-error', when: { chance: 0.1 } },
  { fault: 'throttle', when: { chance: 0.12 } },
]

const why = whyNoNamespaces()
if (why !== undefined) console.warn(`Nobody is cut off here: ${why}`)
const cloud = await startCloud('ministack')

describeOn(cloud, `chaos on ${HOSTS} nodes, seed ${seed}`, (emulator) => {
  let network: Namespaces | undefined
  let gcs: FaultProxy
  let cluster: SeveralNodes
  beforeAll(async () => {
    network = why === undefined ? makeNamespaces(HOSTS) : undefined
    gcs = await startFaultProxy(emulator.endpoint, seed, network?.outside)
    cluster = await SeveralNodes.start({
      ...{ hosts: HOSTS, numCpus: 1, network },
      endpoint: gcs.endpoint,
    })
    await cluster.settled()
    gcs.set(FAILING)
  }, TEST_MS)
  afterAll(async () => {
    await cluster.remove()
    await gcs.stop()
    network?.remove()
    await emulator.stop()
  })

  it(
    `${CHAINS * LENGTH} dependent tasks come to what they should`,
    async () => {
      const storm = new Storm(cluster, network, seed)
      const ended = new Map<number, number>()
      let program: Program | undefined
      let drivers = 0
      let driverHost = 0
      const heard = (said: Said): void => {
        if (said.kind === 'error') expect(said.name).toBe('NodeDiedError')
        if (said.kind !== 'chain') return
        expect(said.value).toBe(valueOf(said.chain))
        expect(ended.has(said.chain)).toBe(false)
        ended.set(said.chain, said.value)
      }
      const drive = async (): Promise<void> => {
        while (ended.size < CHAINS) {
          const { host } = storm.aNode()
          driverHost = host
          const left = Array.from({ length: CHAINS }, (_, i) => i).filter((i) => !ended.has(i))
          const file = join(cluster.runtimeDir, 'todo.json')
          const todo: Todo = { chains: left, length: LENGTH, ballastBytes: 16 }
          writeFileSync(file, JSON.stringify(todo))
          drivers += 1
          program = cluster.program(host, join(import.meta.dirname, 'fixtures/sums.mts'), [file])
          const said = listen(program, heard)
          const { code, stderr } = await program.ended
          said()
          expect([code, stderr]).toEqual([expect.toSatisfy((each) => each === 0 || each === 3), ''])
        }
      }
      // Paced by the chains that have ended, so that all of the work is hit.
      const hit = async (kills: number, count: () => number, kill: () => Promise<void>) => {
        while (ended.size < CHAINS) {
          if (count() < kills * (ended.size / CHAINS)) await kill()
          else await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
      const { counts } = storm
      const replaceNode = async (): Promise<void> => {
        await storm.replaceNode(counts.raylets % 3 === 1 ? driverHost : undefined)
      }
      try {
        await Promise.all([
          drive(),
          hit(NODE_KILLS, () => counts.raylets, replaceNode),
          hit(
            WORKER_KILLS,
            () => counts.workers,
            () => storm.killWorker(),
          ),
        ])
      } finally {
        storm.end()
      }
      expect(drivers).toBeGreaterThan(1)
      expect([counts.raylets, counts.workers]).toEqual([NODE_KILLS, WORKER_KILLS])
      gcs.set([])
      await cluster.settled(HOSTS, CALM_MS)
      await until(async () => (await cluster.leased()).length === 0, CALM_MS)
    },
    TEST_MS,
  )
})

/** What the chain comes to: the same arithmetic, here. */
function valueOf(chain: number): number {
  let value = chain
  for (let index = 0; index < LENGTH; index += 1) value = (value * 31 + index) % 1_000_003
  return value
}

/** @returns what to call at the end, for the last lines. */
function listen({ child, output }: Program, heard: (said: Said) => void): () => void {
  let read = 0
  const look = (): void => {
    for (let end = output.stdout.indexOf('\n', read); end >= 0;) {
      heard(JSON.parse(output.stdout.slice(read, end)) as Said)
      read = end + 1
      end = output.stdout.indexOf('\n', read)
    }
  }
  child.stdout?.on('data', look)
  return look
}
