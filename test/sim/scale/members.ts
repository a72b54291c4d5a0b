// The membership of many nodes: all of them real, on metered tables. They join, go on, and some of
// them lose their power at once, as when a zone or spot capacity goes.
import { delay } from '../../../runtime/common/clock.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import type { Random } from '../../../runtime/common/random.ts'
import { Membership } from '../../../runtime/gcs/member.ts'
import { openMembership, registerNode, type NodeRow } from '../../../runtime/gcs/nodes.ts'
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
  /** So many die at one moment. */
  readonly deaths: number
}

export interface Members {
  readonly plan: MembersPlan
  readonly joining: Usage
  readonly steady: Usage
  readonly dying: Usage
  /** From the start of the last node until all know all. */
  readonly joinedMs: number
  /** From the deaths until all who live know of all of them. */
  readonly deathsKnownMs: number
  readonly pingsPerNodeSecond: number
}

const STORAGE_MS = 5
const PING_MS = 1
const PING_LIMIT_MS = 1_000
const LOOK_MS = 500
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
  fleet.kill(plan.deaths)
  const deathsKnownMs = await fleet.untilAllKnow(plan.nodes - plan.deaths)
  const dying = units.take()
  fleet.stop()
  return { plan, joining, steady, dying, joinedMs, deathsKnownMs, pingsPerNodeSecond }
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

  constructor({ seed, nodes }: MembersPlan) {
    const random = (this.#random = seededRandom(seed))
    this.#storage = slow(meteredStorage(new MemoryStorage(), this.units), this.time)
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

  stop(): void {
    for (const { membership } of this.#all) membership?.stop()
  }

  async #start(each: Each): Promise<void> {
    const storage = this.#storage
    const { clusterEpoch } = await openMembership(storage, 'one')
    const totals = { CPU: 640_000, memory: 2 ** 38 }
    const labels = { 'virga.io/instance-type': 'm7g.16xlarge', 'virga.io/zone': 'us-east-1a' }
    const address = `10.0.12.34:40123/${each.id}/1`
    const spec = { nodeId: each.id, address, pid: 4242, totals, labels }
    const deps = { storage, clock: this.time, random: this.#random }
    const member = await registerNode(deps, spec, { clusterEpoch, token: each.id })
    const peers = {
      ping: (node: NodeRow) => this.#ping(node),
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

function slow(storage: Storage, time: VirtualTime): Storage {
  const late = async <T>(answer: Promise<T>): Promise<T> => {
    const value = await answer
    await delay(time, STORAGE_MS)
    return value
  }
  return changedStorage(storage, {
    get: (...args) => late(storage.get(...args)),
    putIf: (...args) => late(storage.putIf(...args)),
    update: (...args) => late(storage.update(...args)),
    query: (...args) => late(storage.query(...args)),
  })
}
