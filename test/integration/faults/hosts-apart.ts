// Nodes on hosts of their own, with their GCS in DynamoDB, and a network between all of these that
// a test may cut: made once for the tests of a file, and whole again after each of them.
import { afterAll, afterEach, beforeAll } from 'vitest'
import { describeOn, startCloud, type TestCloud } from '../../support/emulator.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { makeNamespaces, whyNoNamespaces, type Namespaces } from '../../support/namespaces.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'

export const HOSTS = 3

const why = whyNoNamespaces()
if (why !== undefined) console.warn(`Not tested here: ${why}`)
const cloud = why === undefined ? await startCloud() : undefined

/** @param limitMs  for the start of the nodes, and for each test to leave nothing behind. */
export function describeApart(
  name: string,
  limitMs: number,
  define: (apart: HostsApart) => void,
): void {
  describeOn(cloud, name, (emulator) => {
    const apart = new HostsApart(emulator)
    beforeAll(() => apart.start(), limitMs)
    afterEach(() => apart.heal(), limitMs)
    afterAll(() => apart.end())
    define(apart)
  })
}

export class HostsApart {
  readonly #emulator: TestCloud
  /** Called in reverse, also when the start has failed half-way. */
  readonly #ends: (() => unknown)[]
  network!: Namespaces
  cluster!: SeveralNodes

  constructor(emulator: TestCloud) {
    this.#emulator = emulator
    this.#ends = [() => emulator.stop()]
  }

  async start(): Promise<void> {
    const network = makeNamespaces(HOSTS)
    this.network = network
    this.#ends.unshift(() => {
      network.remove()
    })
    const gcs = await startFaultProxy(this.#emulator.endpoint, 1, network.outside)
    this.#ends.unshift(() => gcs.stop())
    const cluster = await SeveralNodes.start({
      ...{ hosts: HOSTS, numCpus: 2, network },
      endpoint: gcs.endpoint,
    })
    this.cluster = cluster
    this.#ends.unshift(() => cluster.remove())
    await cluster.settled()
  }

  isolateAll(): void {
    for (let host = 0; host < HOSTS; host += 1) this.network.isolate(host)
  }

  /** Nobody was declared dead, and nothing is left of a test. */
  async heal(): Promise<void> {
    const { network, cluster } = this
    network.heal()
    cluster.endPrograms()
    await cluster.settled(HOSTS)
    await until(async () => (await cluster.leased()).length === 0)
  }

  async end(): Promise<void> {
    for (const end of this.#ends) await end()
  }
}
