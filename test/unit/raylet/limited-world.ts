// Tasks under limiters on several brains: messages between nodes are late, lost or come twice,
// nodes join and die, and one learns of that later than another. It knows the truth: what really
// holds a token, on nodes that live.
import { toHex, type NodeId, type WorkerId } from '../../../runtime/common/ids.ts'
import type { Member } from '../../../runtime/raylet/groups/group-state.ts'
import type { LimiterEffect } from '../../../runtime/raylet/limiters/limiter-events.ts'
import { clusterRows } from '../../../runtime/raylet/cluster/cluster-rows.ts'
import { createState, type RayletState } from '../../../runtime/raylet/state.ts'
import { step } from '../../../runtime/raylet/step.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { whyRows } from '../../../runtime/raylet/why-rows.ts'
import type { StateRow } from '../../../runtime/protocol/messages.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import { RateJudge } from '../../support/rate-judge.ts'
import type { Stimulus } from './brain.ts'
import { LateEvents } from './late-events.ts'

interface ClientPlan {
  readonly node: number
  readonly tasks: number
  readonly atMs: number
}

export interface LimitedPlan {
  readonly nodeCount: number
  /** Other ids: another node is the keeper, and the one that joins may become it. */
  readonly ids: number
  /** Processes: each wants to run so many tasks of each of `names`, from then on. */
  readonly clients: readonly ClientPlan[]
  readonly names: readonly string[]
  readonly concurrency: number | undefined
  readonly perSecond: number | undefined
  /** How long a task holds its token at most. */
  readonly runsMs: number
  readonly lossShare: number
  readonly twiceShare: number
  /** How long at most a message is on its way, and news of a join or a death. */
  readonly lateMs: number
  readonly dies: { readonly node: number; readonly atMs: number } | undefined
  /** The last node begins then. */
  readonly joinsAtMs: number
  /** What one node says does not reach another one, which is heard. */
  readonly cut: OneSidedCut | undefined
  /** Of tokens: come back and have started nothing, at first. */
  readonly unusedShare: number
}

interface OneSidedCut {
  readonly from: number
  readonly to: number
  readonly atMs: number
  readonly untilMs: number
}

/** An answer that never comes is given up after so long. */
const LOST_AFTER_MS = 10_000
const LOSSES_END_MS = 6000
const TICK_MS = 10

export class LimitedWorld {
  /** Names of which more ran at once than the limiter says, and when. */
  readonly exceeded: string[] = []
  /** Names of which more began than the rate says, and when. */
  readonly tooSoon: string[] = []
  /** When each task began, by name. */
  readonly starts = new Map<string, number[]>()
  refusedCount = 0
  unusedShare: number
  messageCount = 0
  readonly #plan: LimitedPlan
  readonly #random: () => number
  readonly #states: RayletState[]
  readonly #isIn: boolean[]
  readonly #dead = new Set<number>()
  readonly #events = new LateEvents()
  /** By name: how many run, on nodes that live. */
  readonly #running = new Map<string, Map<WorkerId, number>>()
  readonly #left = new Map<string, number>()
  readonly #rates = new Map<string, RateJudge>()
  readonly #answers = new Map<number, (value: unknown) => void>()
  #request = 0

  constructor(plan: LimitedPlan, random: () => number) {
    this.#plan = plan
    this.unusedShare = plan.unusedShare
    this.#random = random
    this.#states = Array.from({ length: plan.nodeCount }, (_, index) =>
      stateOf(index + plan.nodeCount * plan.ids, random),
    )
    this.#isIn = this.#states.map((_, index) => plan.joinsAtMs === 0 || index < plan.nodeCount - 1)
    for (const index of this.#states.keys()) this.#tellNodes(index)
    if (plan.joinsAtMs > 0) {
      this.#events.after(plan.joinsAtMs, () => {
        this.#isIn[plan.nodeCount - 1] = true
        this.#tellNodes(plan.nodeCount - 1)
        this.#tellOthers()
      })
    }
    const { dies } = plan
    if (dies !== undefined) {
      this.#events.after(dies.atMs, () => {
        this.#die(dies.node)
      })
    }
    for (const [index, { node, atMs, tasks }] of plan.clients.entries()) {
      this.#events.after(Math.max(atMs, this.#isIn[node] === true ? 0 : plan.joinsAtMs), () => {
        this.#begin(`p${String(index)}` as WorkerId, node, tasks)
      })
    }
  }

  get nowMs(): number {
    return this.#events.nowMs
  }

  runFor(ms: number): void {
    this.#events.runFor(ms, TICK_MS, () => {
      for (const [index, state] of this.#states.entries()) {
        if (this.#lives(index) && state.wakeAtMs <= this.nowMs) this.send(index, { kind: 'tick' })
      }
    })
  }

  /** Tasks of nodes that live which have not ended. */
  waiting(): string[] {
    return [...this.#left].filter(([, count]) => count > 0).map(([key]) => key)
  }

  /** The node that is the keeper, as node `index` sees it. */
  keeperOf(index: number): number {
    const keeper = this.#states[index]?.cluster?.limiters.keeper
    return this.#states.findIndex(({ config }) => toHex(config.nodeId) === keeper)
  }

  /** What `virga status --why` shows, of the nodes that live. */
  why(): readonly StateRow[] {
    const answers = this.#states
      .filter((_, index) => this.#lives(index))
      .map((state) => ({ rows: whyRows(state, this.nowMs), dropped: 0 }))
    return clusterRows({ kind: 'why', limit: 100, nodes: [] }, answers).rows
  }

  /** That node takes these for gone, though they are not dead. */
  suspects(index: number, nodes: readonly number[]): void {
    for (const each of nodes) {
      const nodeId = this.#states[each]?.config.nodeId ?? ''
      this.#states[index]?.cluster?.shunned.set(toHex(nodeId), Infinity)
    }
  }

  idOf(index: number): string {
    return toHex(this.#states[index]?.config.nodeId ?? '')
  }

  send(index: number, stimulus: Stimulus): void {
    const state = this.#states[index]
    if (state === undefined || !this.#lives(index)) return
    const effects = step(state, { ...stimulus, nowMs: this.nowMs })
    for (const effect of effects) this.#perform(index, effect)
  }

  #lives(index: number): boolean {
    return this.#isIn[index] === true && !this.#dead.has(index)
  }

  #begin(client: WorkerId, node: number, count: number): void {
    if (!this.#lives(node)) return
    const hello = { client, role: 'worker', pid: 1, address: '@', job: undefined } as const
    this.send(node, { kind: 'clientConnected', ...hello })
    for (const name of this.#plan.names) {
      this.#left.set(`${client} ${name}`, count)
      this.#take(node, client, name, count)
    }
  }

  #granted(index: number, client: WorkerId, name: string, count: number): void {
    const running = this.#running.get(name) ?? new Map<WorkerId, number>()
    this.#running.set(name, running)
    running.set(client, (running.get(client) ?? 0) + count)
    const all = running.values().reduce((sum, each) => sum + each, 0)
    if (all > (this.#plan.concurrency ?? Infinity)) {
      this.exceeded.push(`${String(all)} of ${name} at ${String(this.nowMs)}`)
    }
    for (let i = 0; i < count; i += 1) {
      const unused = this.#random() < this.unusedShare
      if (!unused) this.#started(name)
      this.#events.after(this.#random() * this.#plan.runsMs, () => {
        if (this.#dead.has(index)) return
        running.set(client, (running.get(client) ?? 0) - 1)
        this.send(index, { kind: 'returnTokens', client, name, count: 1, unused })
        const key = `${client} ${name}`
        if (unused) this.#take(index, client, name, 1)
        else this.#left.set(key, (this.#left.get(key) ?? 0) - 1)
      })
    }
  }

  #take(node: number, client: WorkerId, name: string, count: number): void {
    const { concurrency, perSecond } = this.#plan
    this.send(node, { kind: 'takeTokens', client, name, count, concurrency, perSecond })
  }

  #started(name: string): void {
    this.starts.set(name, [...(this.starts.get(name) ?? []), this.nowMs])
    const { perSecond, concurrency } = this.#plan
    if (perSecond === undefined || concurrency === undefined) return
    const rate = this.#rates.get(name) ?? new RateJudge(perSecond, concurrency)
    this.#rates.set(name, rate)
    if (rate.began(this.nowMs) > 0) this.tooSoon.push(`${name} at ${String(this.nowMs)}`)
  }

  /** What ran there has ended before anybody hears of the death. */
  #die(node: number): void {
    if (!this.#lives(node)) return
    this.#dead.add(node)
    for (const [index, { node: at }] of this.#plan.clients.entries()) {
      if (at !== node) continue
      const client = `p${String(index)}` as WorkerId
      for (const running of this.#running.values()) running.delete(client)
      for (const name of this.#plan.names) this.#left.delete(`${client} ${name}`)
    }
    this.#tellOthers()
  }

  /** One hears of it later than another. */
  #tellOthers(): void {
    for (const index of this.#states.keys()) {
      this.#events.after(this.#random() * this.#plan.lateMs, () => {
        this.#tellNodes(index)
      })
    }
  }

  #tellNodes(index: number): void {
    this.knows(index, [...this.#states.keys()])
  }

  /** It takes these for all that live. */
  knows(index: number, nodes: readonly number[]): void {
    const others = this.#states.filter(
      (_, each) => each !== index && nodes.includes(each) && this.#lives(each),
    )
    const members = new Map<string, Member>(
      others.map(({ config }) => [toHex(config.nodeId), { epoch: 1, isDraining: false }]),
    )
    this.send(index, { kind: 'confirmed', untilMs: Infinity })
    this.send(index, { kind: 'nodes', nodes: [], suspected: new Set(), members })
  }

  #perform(index: number, effect: RayletEffect): void {
    if (effect.kind === 'notify' && effect.type === 'tokensGranted') {
      this.#granted(index, effect.to, effect.message.name, effect.message.count)
    } else if (effect.kind === 'notify' && effect.type === 'tokensRefused') {
      this.refusedCount += 1
    } else if (effect.kind === 'answer') {
      this.#answers.get(effect.request)?.(effect.value)
      this.#answers.delete(effect.request)
    } else if (effect.kind === 'askTokens') this.#ask(index, effect)
  }

  #ask(index: number, { nodeId, type, message }: LimiterEffect): void {
    const from = toHex(this.#states[index]?.config.nodeId ?? '')
    const to = this.#states.findIndex(({ config }) => toHex(config.nodeId) === nodeId)
    let isOpen = true
    const answered = (answer: unknown): void => {
      if (!isOpen) return
      isOpen = false
      const event = { kind: 'tokensAnswered', nodeId, type, message, answer }
      this.send(index, event as Stimulus)
    }
    if (to !== index) this.messageCount += 1
    const deliver = (): void => {
      this.#late(index, to, () => {
        if (!this.#lives(to)) return
        const request = ++this.#request
        this.#answers.set(request, (value) => {
          this.#late(to, index, () => {
            answered(value)
          })
        })
        this.send(to, { kind: 'tokensAsked', from, request, type, message })
      })
    }
    deliver()
    if (index !== to && this.#random() < this.#plan.twiceShare) deliver()
    this.#events.after(LOST_AFTER_MS, () => {
      answered(undefined)
    })
  }

  /** On its way, or lost. */
  #late(from: number, to: number, run: () => void): void {
    const { lossShare, lateMs, cut } = this.#plan
    const isHere = from === to
    const isCut = cut !== undefined && cut.from === from && cut.to === to
    if (isCut && this.nowMs >= cut.atMs && this.nowMs < cut.untilMs) return
    if (!isHere && this.nowMs < LOSSES_END_MS && this.#random() < lossShare) return
    this.#events.after(isHere ? 0 : this.#random() * lateMs, run)
  }
}

function stateOf(index: number, random: () => number): RayletState {
  const nodeId = `${String(index).padStart(9, '0')}-node` as NodeId
  const config = { nodeId, epoch: 1, totals: {}, labels: {}, cpuCount: 0, workersMax: 100 }
  return createState(
    { ...config, owned: false, isGcsHost: false },
    { view: new ClusterView([], toHex(nodeId)), random: { next: random }, shunned: new Map() },
  )
}
