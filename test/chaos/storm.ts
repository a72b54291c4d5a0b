// What hits a cluster of nodes while programs work on it, drawn from a seed: workers and raylets
// are killed, nodes are cut off for five seconds, or stand still until they are declared dead, and
// go on then: only they show what the dead may not do. Who is killed or stands still is replaced.
import { NodeDiedError } from '../../runtime/common/errors.ts'
import type { StateRow } from '../../runtime/protocol/messages.ts'
import type { Namespaces } from '../support/namespaces.ts'
import { isRunning } from '../support/is-running.ts'
import { processesOf } from '../support/node-processes.ts'
import { seeded } from '../support/seeded.ts'
import type { Node, SeveralNodes } from '../support/several-nodes.ts'
import { until } from '../support/waiting.ts'

const CUT_MS = 5_000
const CUT_EVERY_MS = 30_000
/** Of silence, until a node is declared dead; with what failing calls and a busy machine add. */
const DEATH_MS = 120_000
/** States of workers that run something. */
const BUSY = new Set(['LEASED', 'ACTOR'])

export interface StormCounts {
  workers: number
  raylets: number
  frozen: number
  cuts: number
}

export class Storm {
  readonly counts: StormCounts = { workers: 0, raylets: 0, frozen: 0, cuts: 0 }
  readonly #cluster: SeveralNodes
  readonly #network: Namespaces | undefined
  readonly #random: () => number
  #cutting: NodeJS.Timeout | undefined
  readonly #thaws: Promise<void>[] = []
  #over = false

  /** @param network  undefined: nobody is cut off. */
  constructor(cluster: SeveralNodes, network: Namespaces | undefined, seed: number) {
    this.#cluster = cluster
    this.#network = network
    this.#random = seeded(seed)
    this.#cutLater(CUT_MS)
  }

  /** SIGKILLs a worker that runs something, wherever. */
  async killWorker(): Promise<void> {
    const busy = await this.#busy()
    // Of one actor and many tasks, the actor is hit as often as all tasks.
    const actors = busy.filter(({ state }) => state === 'ACTOR')
    const among = actors.length > 0 && this.#below(2) === 0 ? actors : busy
    const pid = Number(among[this.#below(among.length)]?.['pid'] ?? 0)
    if (pid === 0 || !isRunning(pid)) return
    process.kill(pid, 'SIGKILL')
    this.counts.workers += 1
  }

  /** SIGKILLs the raylet of that host, if one lives there, and starts another node there. */
  async replaceNode(wanted?: number): Promise<void> {
    const { host } = this.#cluster.nodes.find((node) => node.host === wanted) ?? this.aNode()
    await this.#cluster.kill(host)
    this.counts.raylets += 1
    await this.#cluster.add(host)
  }

  /** Has a node stand still, that of an actor where there is one, and starts another there. */
  async freezeNode(isDead: (nodeId: string) => boolean): Promise<void> {
    const actors = (await this.#busy()).filter(({ state }) => state === 'ACTOR')
    const pids = new Set(actors.map(({ pid }) => Number(pid)))
    const { nodes } = this.#cluster
    const hosting = nodes.find(({ pid }) => processesOf(pid).some((each) => pids.has(each)))
    const node = this.#cluster.freeze((hosting ?? this.aNode()).host)
    this.counts.frozen += 1
    const thaw = until(() => isDead(node.nodeId), DEATH_MS).then(() => this.#cluster.thaw(node))
    // Told by thawed(): nobody waits for it before.
    thaw.catch(() => undefined)
    this.#thaws.push(thaw)
    await this.#cluster.add(node.host)
  }

  /** Resolves once all that stood still have been declared dead, have gone on, and have ended. */
  async thawed(): Promise<void> {
    await Promise.all(this.#thaws)
  }

  /** From now on nothing is cut any more. */
  end(): void {
    this.#over = true
    clearTimeout(this.#cutting)
    this.#network?.heal()
  }

  /** One that lives. */
  aNode(): Node {
    const { nodes } = this.#cluster
    const node = nodes[this.#below(nodes.length)]
    if (node === undefined) throw new Error('no node lives')
    return node
  }

  async #busy(): Promise<readonly StateRow[]> {
    const rows = await this.#cluster.rows('workers', this.aNode().host).catch(noneIfDead)
    return rows.filter(({ state, pid }) => BUSY.has(String(state)) && Number(pid) > 0)
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #cutLater(afterMs: number): void {
    if (this.#network === undefined || this.#over) return
    const network = this.#network
    this.#cutting = setTimeout(() => {
      network.isolate(this.aNode().host)
      this.counts.cuts += 1
      this.#cutting = setTimeout(() => {
        network.heal()
        this.#cutLater(CUT_EVERY_MS - CUT_MS)
      }, CUT_MS)
    }, afterMs)
  }
}

/** The node that was asked has been killed meanwhile. */
function noneIfDead(error: unknown): [] {
  if (error instanceof NodeDiedError) return []
  throw error
}
