// Several nodes' memberships over one storage in memory, on a clock moved by hand, with links to
// cut: between two nodes, one way or both, and between a node and the GCS.
import { delay } from '../../runtime/common/clock.ts'
import { GcsUnavailableError, GcsWriteUnknownError } from '../../runtime/common/errors.ts'
import { silentLog } from '../../runtime/common/log.ts'
import { Attempts, type Failure } from '../../runtime/gcs/attempts.ts'
import type { Announcement } from '../../runtime/gcs/membership-changes.ts'
import { Membership } from '../../runtime/gcs/member.ts'
import {
  openMembership,
  registerNode,
  type Member,
  type NodeCommand,
  type NodeRow,
} from '../../runtime/gcs/nodes.ts'
import { RetryBudget } from '../../runtime/gcs/retry-budget.ts'
import { MemoryStorage } from '../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../runtime/gcs/storage.ts'
import type { RaceDeps } from '../../runtime/gcs/until-won.ts'
import { HandClock } from './hand-clock.ts'
import { seededRandom } from './seeded.ts'

const PING_ANSWER_MS = 1
const PING_LIMIT_MS = 1000

export interface TestNode {
  readonly id: string
  readonly member: Member
  readonly membership: Membership
  readonly commands: NodeCommand[]
  readonly suspected: Set<string>
  living: readonly NodeRow[]
  expelled: Error | undefined
  /** Stopped like a machine without power: says and does nothing. */
  dead: boolean
}

export class TestMembers {
  readonly clock = new HandClock()
  readonly storage: Storage
  readonly nodes = new Map<string, TestNode>()
  /** `from>to`; `gcs` is the GCS. */
  readonly cut = new Set<string>()
  /** How many writes are applied and then said to have failed: the next ones. */
  lostAnswers = 0
  /** Calls to the GCS are repeated as the real adapters do it: an outage makes them late. */
  repeats = false
  /** Of everything that is sent, one way. */
  latencyMs = 0
  readonly #random = seededRandom(1)

  constructor(storage: Storage = new MemoryStorage()) {
    this.storage = storage
  }

  /** What somebody beside the nodes decides with. */
  get race(): RaceDeps {
    return { storage: this.storage, clock: this.clock, random: this.#random }
  }

  async add(id: string): Promise<TestNode> {
    const storage = this.#link(id)
    const opened = await openMembership(storage, `cluster-of-${id}`)
    const spec = { nodeId: id, address: `tcp://${id}`, pid: 1, totals: { CPU: 1 }, labels: {} }
    const token = `token-${String(this.#random.next())}`
    const member = await registerNode({ ...this.race, storage }, spec, { ...opened, token })
    const node: TestNode = {
      id,
      member,
      commands: [],
      suspected: new Set(),
      living: [],
      expelled: undefined,
      dead: false,
      membership: new Membership(
        {
          storage,
          clock: this.clock,
          random: this.#random,
          log: silentLog,
          peers: {
            ping: (peer) => this.#ping(id, peer),
            seen: async (peer) => {
              const lost = (await this.#ping(id, peer)) === 'SILENT'
              return lost ? undefined : this.nodes.get(peer.nodeId)?.membership.seen()
            },
            announce: (peer, announcement) => this.#announce(id, peer, announcement),
            tell: (peer, suspicion) => {
              if (this.#isCut(id, peer.nodeId)) return
              this.nodes.get(peer.nodeId)?.membership.heard(id, suspicion)
            },
          },
          events: {
            command: (command) => node.commands.push(command),
            members: (living) => (node.living = living),
            suspected: (peer, suspected) => {
              if (suspected) node.suspected.add(peer)
              else node.suspected.delete(peer)
            },
            expelled: (error) => (node.expelled = error),
            confirmed: () => undefined,
          },
        },
        member,
      ),
    }
    this.nodes.set(id, node)
    await node.membership.start()
    return node
  }

  async addMany(count: number): Promise<TestNode[]> {
    const made: TestNode[] = []
    for (let index = 0; index < count; index++) {
      made.push(await this.add(index.toString(16).padStart(4, '0')))
    }
    await this.clock.advance(10_000)
    return made
  }

  /** Without power. */
  kill(id: string): void {
    const node = this.nodes.get(id)
    if (node === undefined) throw new Error(`no node ${id}`)
    node.dead = true
    node.membership.stop()
  }

  stopAll(): void {
    for (const { membership } of this.nodes.values()) membership.stop()
  }

  #isCut(from: string, to: string): boolean {
    return this.cut.has(`${from}>${to}`) || this.nodes.get(to)?.dead === true
  }

  async #ping(from: string, { nodeId }: NodeRow): Promise<'PONG' | 'SILENT'> {
    const lost = this.#isCut(from, nodeId) || this.#isCut(nodeId, from)
    await delay(this.clock, lost ? PING_LIMIT_MS : PING_ANSWER_MS + 2 * this.latencyMs)
    return lost ? 'SILENT' : 'PONG'
  }

  async #announce(from: string, { nodeId }: NodeRow, told: Announcement): Promise<boolean> {
    const lost = this.#isCut(from, nodeId) || this.#isCut(nodeId, from)
    if (lost) await delay(this.clock, PING_LIMIT_MS)
    else await this.nodes.get(nodeId)?.membership.announce(told)
    return !lost
  }

  #link(id: string): Storage {
    const { clock } = this
    const budget = new RetryBudget(clock.monotonicMs())
    const deps = { clock, random: this.#random, log: silentLog, budget }
    const attempts = new Attempts(deps, explain)
    const call = <T>(run: () => Promise<T>, writes: boolean): Promise<T> => {
      const attempt = (): Promise<T> => once(run, writes)
      return this.repeats ? attempts.run({ name: 'a call', writes, attempt }) : attempt()
    }
    const once = async <T>(run: () => Promise<T>, writes: boolean): Promise<T> => {
      if (this.latencyMs > 0) await delay(clock, 2 * this.latencyMs)
      if (this.cut.has(`${id}>gcs`)) throw new GcsUnavailableError('cut off')
      const value = await run()
      if (writes && this.lostAnswers > 0) {
        this.lostAnswers -= 1
        throw new GcsWriteUnknownError('the answer is lost')
      }
      return value
    }
    const { storage } = this
    return {
      get: (key, options) => call(() => storage.get(key, options), false),
      putIf: (key, value, expected) => call(() => storage.putIf(key, value, expected), true),
      update: (key, fields, expected) => call(() => storage.update(key, fields, expected), true),
      delete: (key, expected) => call(() => storage.delete(key, expected), true),
      query: (table, pk, options) => call(() => storage.query(table, pk, options), false),
      append: (rows) => call(() => storage.append(rows), true),
      transact: (items) => call(() => storage.transact(items), true),
    }
  }
}

const explain = (thrown: unknown): Failure => {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  return { kind: error instanceof GcsUnavailableError ? 'NOT_DONE' : 'FINAL', error }
}
