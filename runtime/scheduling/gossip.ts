// Gossip of load between raylets: a pure state machine, events in and messages out.
//
//   own load changes ──► published (GO1) ──► hot for some rounds: sent to a few peers a round (GO2)
//   heard from a peer ─► newer than known? ──► learned, hot in turn
//   every 16th round   ► a digest to one peer, who answers with what it knows better (GO4)
//   it is short of nothing any more ► those that it told otherwise hear that at once (GO5)
//
// Invariants:
//   GO1. A node publishes at most once in ROUND_MS: when some resource has moved by an eighth of
//        its total, or it became slow or well, after LATE_ROUNDS when it has moved at all. What it
//        has said in an answer since it last published counts as moved, too: who heard that
//        believes it until it hears better. Versions count up within an epoch of the node.
//   GO2. A round sends at most FANOUT messages of at most ENTRIES_MAX loads, and in some rounds a
//        digest, which has an entry for each node that is known: the traffic of a node has a bound
//        whatever happens in the cluster. All peers but one are of the own zone.
//   GO3. Only members are heard of: loads of unknown or ended nodes are dropped, so what is kept is
//        bounded by the membership.
//   GO4. Messages may be lost, doubled and reordered: what hot rounds miss, digests repair.
//   GO5. Whom a node has told, in a round or an answer, that it is short of something hears as soon
//        as it is not, once for that: work may wait there, and would start more workers at home
//        than another node has idle.
// Source: Demers et al., "Epidemic algorithms for replicated database maintenance" (1987), rumor
// mongering with anti-entropy behind it; design 6.
import type { Random } from '../common/random.ts'
import { UNITS_PER_ONE, type ResourceSet } from '../common/resources.ts'
import { isNewer, type NodeLoad } from './cluster-view.ts'

/** Rounds begin this far apart; nothing is published more often. */
export const ROUND_MS = 1_000
/** Peers that a round's news goes to. */
export const FANOUT = 3
/** Loads in one message; some 40 bytes each. */
export const ENTRIES_MAX = 256
/** A digest every so many rounds. */
const DIGEST_ROUNDS = 16
/** The part of a resource's total that is worth telling at once. */
const TELLING_SHARE = 1 / 8
/** Less is told so much later: a task may wait for just that. */
export const LATE_ROUNDS = 8
/**
 * Rounds in which a node passes on what it has learned. Each then tells 6 peers, which leaves out 1
 * of 400 (the root of 1 - s = e^-6s); a digest finds those.
 */
const HOT_ROUNDS = 2

export interface GossipMember {
  readonly nodeId: string
  readonly epoch: number
  readonly zone: string
}

/** What a node knows of each: its epoch and the version of its load. */
export type GossipDigest = readonly (readonly [nodeId: string, epoch: number, version: number])[]

export type GossipMessage =
  | { readonly kind: 'loads'; readonly loads: readonly NodeLoad[] }
  | { readonly kind: 'digest'; readonly known: GossipDigest }

export type GossipEvent =
  | { readonly kind: 'tick' }
  /** This node's load, each time it changes. */
  | { readonly kind: 'load'; readonly free: ResourceSet; readonly isSlow?: boolean }
  /** The living nodes, this one among them. */
  | { readonly kind: 'members'; readonly members: readonly GossipMember[] }
  | { readonly kind: 'received'; readonly from: string; readonly message: GossipMessage }

export type GossipEffect =
  | { readonly kind: 'send'; readonly to: string; readonly message: GossipMessage }
  /** News for the view of the cluster. */
  | { readonly kind: 'learned'; readonly load: NodeLoad }

export interface GossipOptions {
  readonly self: GossipMember
  readonly totals: ResourceSet
  readonly random: Pick<Random, 'next'>
}

export class LoadGossip {
  readonly #options: GossipOptions
  #members = new Map<string, GossipMember>()
  #zonePeers: readonly string[] = []
  #otherPeers: readonly string[] = []
  readonly #loads = new Map<string, NodeLoad>()
  /** Nodes whose load is still passed on, and in how many more rounds. The oldest come first. */
  readonly #hot = new Map<string, number>()
  /** GO5: by peer, what it was told to be short here. At most the members. */
  readonly #toldShort = new Map<string, readonly string[]>()
  #free: ResourceSet
  #isSlow = false
  #version = 0
  /** How far from what it has published it has said to be, since then. */
  #saidApart = 0
  #toldRound = 0
  #round = 0
  #roundAtMs = -Infinity

  constructor(options: GossipOptions) {
    this.#options = options
    this.#free = options.totals
  }

  /** @param nowMs  monotonic */
  step(event: GossipEvent, nowMs: number): GossipEffect[] {
    switch (event.kind) {
      case 'tick':
        return this.#tick(nowMs)
      case 'load':
        this.#free = event.free
        this.#isSlow = event.isSlow ?? false
        this.#version += 1
        return this.#tellRoom()
      case 'members':
        this.#setMembers(event.members)
        return []
      case 'received':
        return event.message.kind === 'loads'
          ? this.#hear(event.message.loads)
          : this.#answer(event.from, event.message.known)
    }
  }

  /** This node's load as it is now. */
  get own(): NodeLoad {
    const { nodeId, epoch } = this.#options.self
    const load = { nodeId, epoch, version: this.#version, free: this.#free }
    return this.#isSlow ? { ...load, isSlow: true } : load
  }

  /** The same, for the answer to a request: fresher than what was published (GO1). */
  say(to: string): NodeLoad {
    this.#saidApart = Math.max(this.#saidApart, this.#movedSinceTold())
    this.#noteShort(to, this.own)
    return this.own
  }

  #noteShort(to: string, { free }: NodeLoad): void {
    const short = shortOf(free, this.#options.totals)
    if (short.length > 0) this.#toldShort.set(to, short)
    else this.#toldShort.delete(to)
  }

  /** GO5. */
  #tellRoom(): GossipEffect[] {
    if (this.#toldShort.size === 0) return []
    const short = new Set(shortOf(this.#free, this.#options.totals))
    const effects: GossipEffect[] = []
    for (const [to, names] of this.#toldShort) {
      if (names.every((name) => short.has(name))) continue
      this.#toldShort.delete(to)
      if (!this.#members.has(to)) continue
      effects.push({ kind: 'send', to, message: { kind: 'loads', loads: [this.say(to)] } })
    }
    return effects
  }

  #tick(nowMs: number): GossipEffect[] {
    if (nowMs - this.#roundAtMs < ROUND_MS) return []
    this.#roundAtMs = nowMs
    this.#round += 1
    if (this.#isTelling()) this.#publish()
    const effects: GossipEffect[] = []
    const peers = this.#drawPeers()
    const loads = this.#hotLoads()
    if (loads.length > 0) {
      for (const to of peers) effects.push({ kind: 'send', to, message: { kind: 'loads', loads } })
    }
    const own = loads.find(({ nodeId }) => nodeId === this.#options.self.nodeId)
    if (own !== undefined) for (const to of peers) this.#noteShort(to, own)
    const to = this.#digestPeer(peers)
    if (to !== undefined) {
      effects.push({ kind: 'send', to, message: { kind: 'digest', known: this.#digest() } })
    }
    return effects
  }

  /** GO1 */
  #isTelling(): boolean {
    const apart = Math.max(this.#saidApart, this.#movedSinceTold())
    const isLate = this.#round - this.#toldRound >= LATE_ROUNDS
    return apart >= TELLING_SHARE || (apart > 0 && isLate)
  }

  #publish(): void {
    this.#saidApart = 0
    this.#toldRound = this.#round
    this.#keep(this.own)
  }

  /** The largest share of a total by which it differs from what was published. */
  #movedSinceTold(): number {
    const told = this.#loads.get(this.#options.self.nodeId)
    if (told === undefined || (told.isSlow ?? false) !== this.#isSlow) return Infinity
    const { totals } = this.#options
    let most = 0
    for (const name in totals) {
      const moved = Math.abs((this.#free[name] ?? 0) - (told.free[name] ?? 0))
      if (moved > 0) most = Math.max(most, moved / (totals[name] ?? 0))
    }
    return most
  }

  #keep(load: NodeLoad): void {
    this.#loads.set(load.nodeId, load)
    this.#hot.set(load.nodeId, HOT_ROUNDS) // in the place of an older load, so that it waits once
  }

  /** GO2: what waited longest goes first; whoever is left out goes in the next round. */
  #hotLoads(): NodeLoad[] {
    const loads: NodeLoad[] = []
    for (const [nodeId, rounds] of [...this.#hot].slice(0, ENTRIES_MAX)) {
      const load = this.#loads.get(nodeId)
      this.#hot.delete(nodeId)
      if (load === undefined) continue
      if (rounds > 1) this.#hot.set(nodeId, rounds - 1)
      loads.push(load)
    }
    return loads
  }

  #hear(loads: readonly NodeLoad[]): GossipEffect[] {
    const effects: GossipEffect[] = []
    for (const load of loads) {
      const { nodeId, epoch } = load
      if (nodeId === this.#options.self.nodeId) continue
      if (this.#members.get(nodeId)?.epoch !== epoch) continue // GO3
      const known = this.#loads.get(nodeId)
      if (known !== undefined && !isNewer(load, known)) continue
      this.#keep(load)
      effects.push({ kind: 'learned', load })
    }
    return effects
  }

  #answer(from: string, known: GossipDigest): GossipEffect[] {
    if (!this.#members.has(from)) return []
    const theirs = new Map(
      known.map(([nodeId, epoch, version]) => [nodeId, { epoch, version }] as const),
    )
    const news: NodeLoad[] = []
    for (const load of this.#loads.values()) {
      const other = theirs.get(load.nodeId)
      if (other === undefined || isNewer(load, other)) news.push(load)
    }
    return chunksOf(news).map((loads) => ({
      kind: 'send',
      to: from,
      message: { kind: 'loads', loads },
    }))
  }

  #digest(): GossipDigest {
    return [...this.#loads.values()].map(({ nodeId, epoch, version }) => [nodeId, epoch, version])
  }

  /** One of the round's peers, or any when there is no news. Nodes do not all do so at once. */
  #digestPeer(peers: readonly string[]): string | undefined {
    if (this.#round > 2 && this.#options.random.next() * DIGEST_ROUNDS >= 1) return undefined
    return peers[Math.floor(this.#options.random.next() * peers.length)]
  }

  #drawPeers(): string[] {
    const zoneShare = this.#otherPeers.length > 0 ? FANOUT - 1 : FANOUT
    const near = this.#draw(this.#zonePeers, zoneShare)
    return [...near, ...this.#draw(this.#otherPeers, FANOUT - near.length)]
  }

  /** `count` different ones, or all. */
  #draw(peers: readonly string[], count: number): string[] {
    const drawn = new Set<string>()
    while (drawn.size < Math.min(count, peers.length)) {
      let at = Math.floor(this.#options.random.next() * peers.length)
      while (drawn.has(peers[at] ?? '')) at = (at + 1) % peers.length
      drawn.add(peers[at] ?? '')
    }
    return [...drawn]
  }

  #setMembers(members: readonly GossipMember[]): void {
    const { self } = this.#options
    this.#members = new Map(members.map((member) => [member.nodeId, member]))
    const peers = members.filter(({ nodeId }) => nodeId !== self.nodeId)
    const idsOf = (some: readonly GossipMember[]): string[] => some.map(({ nodeId }) => nodeId)
    this.#zonePeers = idsOf(peers.filter(({ zone }) => zone === self.zone))
    this.#otherPeers = idsOf(peers.filter(({ zone }) => zone !== self.zone))
    for (const [nodeId, { epoch }] of this.#loads) {
      if (nodeId === self.nodeId || this.#members.get(nodeId)?.epoch === epoch) continue
      this.#loads.delete(nodeId)
      this.#hot.delete(nodeId)
    }
    for (const to of this.#toldShort.keys()) if (!this.#members.has(to)) this.#toldShort.delete(to)
  }
}

/** Of what it has, the names of that of which less than one is free. */
export function shortOf(free: ResourceSet, totals: ResourceSet): string[] {
  return Object.keys(totals).filter((name) => {
    const total = totals[name] ?? 0
    return total > 0 && (free[name] ?? 0) < Math.min(total, UNITS_PER_ONE)
  })
}

function chunksOf(loads: readonly NodeLoad[]): NodeLoad[][] {
  const chunks: NodeLoad[][] = []
  for (let at = 0; at < loads.length; at += ENTRIES_MAX) {
    chunks.push(loads.slice(at, at + ENTRIES_MAX))
  }
  return chunks
}
