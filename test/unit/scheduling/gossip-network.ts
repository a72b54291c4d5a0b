// Gossiping nodes on a network in virtual time that loses, doubles and delays what they say.
import { seeded } from '../../support/seeded.ts'
import type { ResourceSet } from '../../../runtime/common/resources.ts'
import type { NodeLoad } from '../../../runtime/scheduling/cluster-view.ts'
import {
  LoadGossip,
  ROUND_MS,
  type GossipEvent,
  type GossipMember,
  type GossipMessage,
} from '../../../runtime/scheduling/gossip.ts'

export interface NetworkOptions {
  readonly nodeCount: number
  readonly zoneCount: number
  readonly seed: number
  /** Shares of messages, 0 to 1. */
  readonly lost?: number
  readonly doubled?: number
}

export const TOTALS: ResourceSet = { CPU: 640_000, memory: 2 ** 37 }
const TICK_MS = 250
const DELAY_MS_MAX = 1_500

interface Sent {
  readonly from: string
  readonly to: string
  readonly message: GossipMessage
  readonly atMs: number
}

interface Node {
  readonly gossip: LoadGossip
  /** What it has learned of the others. */
  readonly view: Map<string, NodeLoad>
}

export class GossipNetwork {
  readonly nodes = new Map<string, Node>()
  readonly members: readonly GossipMember[]
  readonly random: () => number
  readonly #options: NetworkOptions
  #inFlight: Sent[] = []
  nowMs = 0
  /** Told of everything that is sent, before it may be lost. */
  onSend: (from: string, message: GossipMessage) => void = () => undefined

  constructor(options: NetworkOptions) {
    this.#options = options
    this.random = seeded(options.seed)
    this.members = Array.from({ length: options.nodeCount }, (_, i) => ({
      nodeId: i.toString(16).padStart(28, '0'),
      epoch: 1,
      zone: `zone-${String(i % options.zoneCount)}`,
    }))
    for (const self of this.members) {
      const random = { next: this.random }
      const gossip = new LoadGossip({ self, totals: TOTALS, random })
      this.nodes.set(self.nodeId, { gossip, view: new Map() })
      this.tell(self.nodeId, { kind: 'members', members: this.members })
    }
  }

  tell(nodeId: string, event: GossipEvent): void {
    const node = this.nodes.get(nodeId)
    for (const effect of node?.gossip.step(event, this.nowMs) ?? []) {
      if (effect.kind === 'learned') node?.view.set(effect.load.nodeId, effect.load)
      else this.#send(nodeId, effect.to, effect.message)
    }
  }

  load(nodeId: string, cpus: number): void {
    this.tell(nodeId, { kind: 'load', free: { ...TOTALS, CPU: cpus * 10_000 } })
  }

  /** Lets a round pass. */
  round(): void {
    for (let passedMs = 0; passedMs < ROUND_MS; passedMs += TICK_MS) {
      this.nowMs += TICK_MS
      const due = this.#inFlight.filter(({ atMs }) => atMs <= this.nowMs)
      this.#inFlight = this.#inFlight.filter(({ atMs }) => atMs > this.nowMs)
      for (const { from, to, message } of due) this.tell(to, { kind: 'received', from, message })
      for (const nodeId of this.nodes.keys()) this.tell(nodeId, { kind: 'tick' })
    }
  }

  /** The share of all views that have a node's own free CPUs right, 0 to 1. */
  get agreement(): number {
    let right = 0
    for (const [nodeId, { gossip }] of this.nodes) {
      for (const [otherId, { view }] of this.nodes) {
        if (otherId === nodeId) continue
        const seen = view.get(nodeId)
        if (seen !== undefined && seen.free['CPU'] === gossip.own.free['CPU']) right += 1
      }
    }
    return right / (this.nodes.size * (this.nodes.size - 1))
  }

  #send(from: string, to: string, message: GossipMessage): void {
    this.onSend(from, message)
    const { lost = 0, doubled = 0 } = this.#options
    if (this.random() < lost) return
    const copies = this.random() < doubled ? 2 : 1
    for (let copy = 0; copy < copies; copy += 1) {
      const atMs = this.nowMs + this.random() * (lost > 0 ? DELAY_MS_MAX : 1)
      this.#inFlight.push({ from, to, message, atMs })
    }
  }
}
