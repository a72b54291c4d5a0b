// The membership of many nodes: all of them real, on metered tables, some with slow clocks. They
// join and go on, the tables are away for a while, some lose their power at once, as when a zone or
// spot capacity goes, and in the end all drain and leave, as when a fleet is scaled to zero.
import { delay, type Clock } from '../../../runtime/common/clock.ts'
import { GcsUnavailableError, VirgaError } from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import type { Random } from '../../../runtime/common/random.ts'
import type { Announcement } from '../../../runtime/gcs/membership-changes.ts'
import type { Seen } from '../../../runtime/gcs/membership-view.ts'
import { Membership } from '../../../runtime/gcs/member.ts'
import { HEARTBEAT_MS } from '../../../runtime/gcs/lease-terms.ts'
import {
  SHUT_DOWN,
  openMembership,
  registerNode,
  type NodeRow,
} from '../../../runtime/gcs/nodes.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import type { Suspicion } from '../../../runtime/gcs/watcher.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { meteredStorage } from '../../support/metered-storage.ts'
import { seededRandom } from '../../support/seeded.ts'
import { Units, type Usage } from './units.ts'
import { VirtualTime } from './virtual-time.ts'

export interface MembersPlan {
  readonly seed: number
  readonly nodes: number
  /** All of them start evenly spread over this. */
  readonly joinMs: number
  /** What is measured once all are there. */
  readonly steadyMs: number
  /** The tables answer nobody for so long. */
  readonly outageMs: number
  /** So many die at one moment. */
  readonly deaths: number
  /** All others are told to drain at once; each has ended its work within this. */
  readonly leaveMs: number
}

export interface Members {
  readonly plan: MembersPlan
  readonly joining: Usage
  readonly steady: Usage
  /** While the tables were away, and a minute after. */
  readonly outage: Usage
  readonly dying: Usage
  readonly leaving: Usage
  /** From the start of the last node until all know all. */
  readonly joinedMs: number
  /** From the deaths until all who live know of all of them. */
  readonly deathsKnownMs: number
  /** Of those who left, how many could not say so, or never ended. */
  readonly unsaid: number
  readonly pingsPerNodeSecond: number
}

const STORAGE_MS = 5
/** After which the client of the tables gives up. */
const AWAY_MS = 3_000
/** What who leaves gives itself. */
const GOODBYE_MS = 3_000
const PING_MS = 1
const PING_LIMIT_MS = 1_000
/** Half a megabyte, encoded and sent. */
const SEEN_MS = 20
const LOOK_MS = 500
const BACK_MS = 60_000
/** Of every 20 nodes one has a clock that is so much slower, which is what leases allow for. */
const SLOW = 0.95
const LIMIT_MS = 300_000

interface Each {
  readonly id: string
  membership: Membership | undefined
  living: readonly NodeRow[]
  dead: boolean
}

export async function runMembers(plan: MembersPlan): Promise<Members> {
  const fleet = new Fleet(plan)
  const { time, units } = fleet
  await fleet.join(plan.joinMs)
  const joinedMs = await fleet.untilAllKnow(plan.nodes)
  const joining = units.take()
  fleet.pings = 0
  await time.runUntil(time.monotonicMs() + plan.steadyMs)
  const steady = units.take()
  const pingsPerNodeSecond = fleet.pings / plan.nodes / (plan.steadyMs / 1_000)
  await fleet.outage(plan.outageMs)
  const outage = units.take()
  fleet.kill(plan.deaths)
  const deathsKnownMs = await fleet.untilAllKnow(plan.nodes - plan.deaths)
  const dying = units.take()
  const unsaid = await fleet.leave(plan.leaveMs)
  const leaving = units.take()
  fleet.stop()
  const usage = { joining, steady, outage, dying, leaving }
  return { plan, ...usage, joinedMs, deathsKnownMs, unsaid, pingsPerNodeSecond }
}

class Fleet {
  readonly time = new VirtualTime()
  readonly units = new Units(this.time)
  /** Since it was set to 0. */
  pings = 0
  readonly #random: Random
  readonly #storage: Storage
  readonly #all: Each[]
  readonly #byId: ReadonlyMap<string, Each>
  readonly #failures: unknown[] = []
  #isAway = false

  constructor({ seed, nodes }: MembersPlan) {
    const random = (this.#random = seededRandom(seed))
    this.#storage = this.#reached(meteredStorage(new MemoryStorage(), this.units))
    this.#all = Array.from({ length: nodes }, (_, index) => ({
      id: Buffer.from(random.bytes(12)).toString('hex') + index.toString(16).padStart(4, '0'),
      ...{ membership: undefined, living: [], dead: false },
    }))
    this.#byId = new Map(this.#all.map((each) => [each.id, each]))
  }

  /** One after the other, evenly spread. */
  async join(overMs: number): Promise<void> {
    this.#all.forEach((each, index) => {
      this.time.at((index * overMs) / this.#all.length, () => {
        this.#start(each).catch((error: unknown) => this.#failures.push(error))
      })
    })
    await this.time.runUntil(overMs)
  }

  /** @returns how long it took until all who live see so many living ones. */
  async untilAllKnow(count: number): Promise<number> {
    const { time } = this
    const fromMs = time.monotonicMs()
    const know = (): boolean =>
      this.#all.every(({ dead, living }) => dead || living.length === count)
    while (!know() && time.monotonicMs() - fromMs < LIMIT_MS) {
      await time.runUntil(time.monotonicMs() + LOOK_MS)
    }
    if (this.#failures.length > 0) throw new AggregateError(this.#failures, 'nodes could not join')
    return time.monotonicMs() - fromMs
  }

  kill(count: number): void {
    for (const each of this.#all.slice(0, count)) {
      each.dead = true
      each.membership?.stop()
    }
  }

  async outage(ms: number): Promise<void> {
    const { time } = this
    this.#isAway = true
    await time.runUntil(time.monotonicMs() + ms)
    this.#isAway = false
    await time.runUntil(time.monotonicMs() + BACK_MS)
  }

  /** @returns how many could not say goodbye. */
  async leave(withinMs: number): Promise<number> {
    const { time } = this
    let unsaid = 0
    const leaving = this.#all.filter(({ dead }) => !dead)
    let left = 0
    for (const each of leaving) {
      const drainsAtMs = this.#random.next() * HEARTBEAT_MS // it is told with a heartbeat
      time.after(drainsAtMs, () => each.membership?.drain())
      time.after(drainsAtMs + this.#random.next() * withinMs, () => {
        each.membership?.stop()
        const told = each.membership?.sayGoodbye(SHUT_DOWN, GOODBYE_MS) ?? Promise.resolve()
        void told
          .catch((error: unknown) => {
            if (!(error instanceof VirgaError)) throw error
            unsaid += 1
          })
          .finally(() => {
            each.dead = true
            left += 1
          })
      })
    }
    await time.runUntil(time.monotonicMs() + LIMIT_MS, () => left === leaving.length)
    return unsaid + leaving.length - left
  }

  stop(): void {
    for (const { membership } of this.#all) membership?.stop()
  }

  async #start(each: Each): Promise<void> {
    const storage = this.#storage
    const opened = await openMembership(storage, 'one')
    const totals = { CPU: 640_000, memory: 2 ** 38 }
    const labels = { 'virga.io/instance-type': 'm7g.16xlarge', 'virga.io/zone': 'us-east-1a' }
    const address = `10.0.12.34:40123/${each.id}/1`
    const spec = { nodeId: each.id, address, pid: 4242, totals, labels }
    const isSlow = this.#all.indexOf(each) % 20 === 0
    const clock = isSlow ? slowed(this.time) : this.time
    const deps = { storage, clock, random: this.#random }
    const member = await registerNode(deps, spec, { ...opened, token: each.id })
    const peers = {
      ping: (node: NodeRow) => this.#ping(node),
      seen: (node: NodeRow) => this.#seenBy(node),
      announce: (node: NodeRow, told: Announcement) => this.#announce(node, told),
      tell: (node: NodeRow, suspicion: Suspicion) => {
        this.#tell(each, node, suspicion)
      },
    }
    const events = {
      command: () => undefined,
      members: (living: readonly NodeRow[]) => (each.living = living),
      suspected: () => undefined,
      confirmed: () => undefined,
      expelled: (error: Error) => this.#failures.push(error),
    }
    each.membership = new Membership({ ...deps, log: silentLog, peers, events }, member)
    await each.membership.start()
    for (const { nodeId } of each.living) this.#meet(nodeId, member.row)
  }

  async #seenBy({ nodeId }: NodeRow): Promise<Seen | undefined> {
    const other = this.#byId.get(nodeId)
    const isThere = other?.dead === false && other.membership !== undefined
    await delay(this.time, isThere ? SEEN_MS : PING_LIMIT_MS)
    return isThere ? other.membership?.seen() : undefined
  }

  /** As a raylet that has joined pings all others. */
  #meet(nodeId: string, row: NodeRow): void {
    const other = this.#byId.get(nodeId)
    this.time.after(PING_MS, () => {
      if (other?.dead === false) void other.membership?.met(row)
    })
  }

  async #announce({ nodeId }: NodeRow, told: Announcement): Promise<boolean> {
    const other = this.#byId.get(nodeId)
    await delay(this.time, PING_MS)
    if (other?.dead === false && other.membership !== undefined) {
      try {
        await other.membership.announce(told)
        return true
      } catch (error) {
        if (error instanceof VirgaError) return false
        throw error
      }
    }
    await delay(this.time, PING_LIMIT_MS)
    return false
  }

  /** The tables over the network, while they are not away. */
  #reached(storage: Storage): Storage {
    const late = async <T>(call: () => Promise<T>): Promise<T> => {
      await delay(this.time, STORAGE_MS / 2)
      if (this.#isAway) {
        await delay(this.time, AWAY_MS)
        throw new GcsUnavailableError('the tables are away')
      }
      const value = await call()
      await delay(this.time, STORAGE_MS / 2)
      return value
    }
    return changedStorage(storage, {
      get: (...args) => late(() => storage.get(...args)),
      putIf: (...args) => late(() => storage.putIf(...args)),
      update: (...args) => late(() => storage.update(...args)),
      query: (...args) => late(() => storage.query(...args)),
    })
  }

  async #ping({ nodeId }: NodeRow): Promise<'PONG' | 'SILENT'> {
    this.pings += 1
    const isGone = this.#byId.get(nodeId)?.dead !== false
    await delay(this.time, isGone ? PING_LIMIT_MS : PING_MS)
    return isGone ? 'SILENT' : 'PONG'
  }

  #tell(from: Each, { nodeId }: NodeRow, suspicion: Suspicion): void {
    const other = this.#byId.get(nodeId)
    this.time.after(PING_MS, () => {
      if (other?.dead === false) other.membership?.heard(from.id, suspicion)
    })
  }
}

function slowed(time: VirtualTime): Clock {
  return {
    nowMs: () => time.nowMs(),
    monotonicMs: () => time.monotonicMs() * SLOW,
    after: (delayMs, run) => time.after(delayMs / SLOW, run),
    immediate: (run) => {
      time.immediate(run)
    },
    microtask: (run) => {
      time.microtask(run)
    },
  }
}
