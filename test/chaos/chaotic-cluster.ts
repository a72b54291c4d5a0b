// Five real nodes, their GCS in DynamoDB, of whose calls 30 % fail, and a storm over them; and
// programs whose drivers may die with their home raylet, and are started again elsewhere.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { describeOn, startCloud } from '../support/emulator.ts'
import { startFaultProxy, type FaultProxy, type FaultRule } from '../support/fault-proxy.ts'
import { makeNamespaces, whyNoNamespaces, type Namespaces } from '../support/namespaces.ts'
import type { Running } from '../support/running.ts'
import { SeveralNodes } from '../support/several-nodes.ts'
import { until } from '../support/waiting.ts'
import { StaleCommits, watchForStaleCommits } from './stale-commits.ts'
import { Storm } from './storm.ts'

const HOSTS = 5
/** Within which all is as before, once nothing fails any more. */
const CALM_MS = 60_000
/** Of the heavy ones at full size, on a busy machine. */
export const CHAOS_MS = 1_800_000
/** With which a program says that its driver was ended by an error that it printed. */
const DRIVER_ENDED = 3
/** What else ends a driver: its home raylet was killed, maybe before the driver had reached it. */
const HOME_DIED = /^NodeDiedError: |^UsageError: no raylet answers at /

const seed = Number(process.env['VIRGA_TEST_SEED'] ?? Date.now() % 100_000)

/** 30 % of all calls, a third of them after they were done. */
const FAULTS = ['error-before', 'execute-then-error', 'throttle'] as const
const SHARE_EACH = 0.1
/** Rules are drawn in turn, each of the calls that those before it have left. */
const FAILING: readonly FaultRule[] = FAULTS.map((fault, index) => {
  return { fault, when: { chance: SHARE_EACH / (1 - index * SHARE_EACH) } }
})

/** A line of output of any program. */
type Line = { readonly kind: string; readonly name?: string; readonly message?: string }

export interface Work {
  /** A program of fixtures/. It is given the plan in a file. */
  readonly fixture: string
  /** What is left to do, for the next driver. */
  readonly plan: () => object
  /** A line that says neither an error nor the end. */
  readonly heard: (line: Line) => void
  /** Of all work, from 0 to 1, when nothing is left. */
  share(): number
}

export interface Kills {
  readonly nodes: number
  /** Of nodes that stand still, until they are declared dead, and go on then. */
  readonly frozen: number
  readonly workers: number
}

export class ChaoticCluster {
  readonly #network: Namespaces | undefined
  readonly #gcs: FaultProxy
  readonly cluster: SeveralNodes
  readonly #stale = new StaleCommits()
  readonly #stopLooking: () => Promise<void>

  private constructor(
    network: Namespaces | undefined,
    gcs: FaultProxy,
    cluster: SeveralNodes,
    endpoint: string,
  ) {
    this.#network = network
    this.#gcs = gcs
    this.cluster = cluster
    this.#stopLooking = watchForStaleCommits(endpoint, cluster.name, this.#stale)
  }

  static async start(endpoint: string, network: Namespaces | undefined): Promise<ChaoticCluster> {
    const gcs = await startFaultProxy(endpoint, seed, network?.outside)
    const options = { hosts: HOSTS, numCpus: 1, network, endpoint: gcs.endpoint }
    const cluster = await SeveralNodes.start(options)
    await cluster.settled(HOSTS)
    return new ChaoticCluster(network, gcs, cluster, endpoint)
  }

  /** Does all of the work in the storm. @returns how many drivers that took. */
  async through(work: Work, kills: Kills): Promise<number> {
    this.#gcs.set(FAILING)
    const storm = new Storm(this.cluster, this.#network, seed)
    const { counts } = storm
    let drivers = 0
    let home = 0
    const drive = async (): Promise<void> => {
      while (work.share() < 1) {
        home = storm.aNode().host
        drivers += 1
        await this.#drive(work, home)
      }
    }
    // Paced by what has ended, so that all of the work is hit.
    const hit = async (count: number, done: () => number, kill: () => Promise<void>) => {
      while (work.share() < 1) {
        if (done() < count * work.share()) await kill()
        else await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    try {
      await Promise.all([
        drive(),
        hit(
          kills.nodes,
          () => counts.raylets,
          () => storm.replaceNode(counts.raylets % 3 === 1 ? home : undefined),
        ),
        hit(
          kills.frozen,
          () => counts.frozen,
          () => storm.freezeNode((nodeId) => this.#stale.isDead(nodeId)),
        ),
        hit(
          kills.workers,
          () => counts.workers,
          () => storm.killWorker(),
        ),
      ])
      await storm.thawed()
    } finally {
      storm.end()
      this.#gcs.set([])
    }
    // On a busy machine a node takes longer to start than small work to end: fewer are due then.
    expect(counts.raylets > 0).toBe(kills.nodes > 0)
    expect(counts.frozen > 0).toBe(kills.frozen > 0)
    expect(counts.workers).toBeGreaterThan(0)
    if (this.#network !== undefined) expect(counts.cuts).toBeGreaterThan(0)
    console.info(JSON.stringify({ ...counts, drivers }))
    return drivers
  }

  /** Nothing fails any more: all nodes live, nothing of them is taken, and nobody who was declared
   *  dead has decided anything since. */
  async isCalm(): Promise<void> {
    await this.cluster.settled(HOSTS, CALM_MS)
    await until(async () => (await this.cluster.leased()).length === 0, CALM_MS)
    await this.#stopLooking()
    expect(this.#stale.found).toEqual([])
    expect(this.#stale.deaths).toBeGreaterThan(0)
  }

  async remove(): Promise<void> {
    try {
      await this.#stopLooking()
    } finally {
      await this.cluster.remove()
      await this.#gcs.stop()
    }
  }

  async #drive({ fixture, plan, heard }: Work, host: number): Promise<void> {
    const file = join(this.cluster.runtimeDir, 'plan.json')
    writeFileSync(file, JSON.stringify(plan()))
    const program = this.cluster.program(host, join(import.meta.dirname, 'fixtures', fixture), [
      file,
    ])
    const errors: string[] = []
    listen(program, (line) => {
      if (line.kind === 'error') errors.push(`${String(line.name)}: ${String(line.message)}`)
      else if (line.kind !== 'done') heard(line)
    })
    const { code, stderr } = await program.ended
    expect(stderr).toBe('')
    expect(code).toBe(errors.length === 0 ? 0 : DRIVER_ENDED)
    for (const error of errors) expect(error).toMatch(HOME_DIED)
  }
}

/** Lines as they come: what was said before a driver was killed counts. */
function listen({ child, output }: Running, heard: (line: Line) => void): void {
  let read = 0
  child.stdout.on('data', () => {
    for (;;) {
      const end = output.stdout.indexOf('\n', read)
      if (end < 0) return
      const line = JSON.parse(output.stdout.slice(read, end)) as Line
      read = end + 1
      heard(line)
    }
  })
}

/** Tests on such a cluster, one for the whole file. */
export async function describeChaos(
  define: (chaotic: () => ChaoticCluster) => void,
): Promise<void> {
  const why = whyNoNamespaces()
  if (why !== undefined) console.warn(`Nobody is cut off here: ${why}`)
  const cloud = await startCloud()
  describeOn(cloud, `chaos on ${HOSTS} nodes, seed ${seed}`, (emulator) => {
    let network: Namespaces | undefined
    let chaotic: ChaoticCluster | undefined
    beforeAll(async () => {
      network = why === undefined ? makeNamespaces(HOSTS) : undefined
      chaotic = await ChaoticCluster.start(emulator.endpoint, network)
    }, CHAOS_MS)
    afterAll(async () => {
      await chaotic?.remove()
      network?.remove()
      await emulator.stop()
    })
    define(() => {
      if (chaotic === undefined) throw new Error('the cluster has not started')
      return chaotic
    })
  })
}
