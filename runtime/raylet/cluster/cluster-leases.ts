// Leases between nodes, performed: what the brain asks of other raylets goes to them, what they ask
// and say comes to the brain, and what is free here is gossiped. What it all means is decided in
// remote-leases.ts (as home) and guests.ts (as the node that is asked).
// Invariants:
//   CX1. What is said to a node, and what it says of it, travel on the connection dialled here, in
//        order; what a guest is told goes back on the one that its home dialled. What is printed
//        goes straight to the driver's node, which need not be the home of any guest here.
//   CX2. Every answer and refusal carries what is free here as it is then.
import type { Clock, Timer } from '../../common/clock.ts'
import { toHex, type WorkerId } from '../../common/ids.ts'
import { NODE_ID_LABEL } from '../../common/label-selector.ts'
import type { Random } from '../../common/random.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { OutputLine } from '../../protocol/messages.ts'
import type { NodeLoad, NodeView } from '../../scheduling/cluster-view.ts'
import {
  LoadGossip,
  ROUND_MS,
  type GossipEvent,
  type GossipMessage,
} from '../../scheduling/gossip.ts'
import type { Brain } from '../brain.ts'
import type { ClusterMember } from './cluster-member.ts'
import { OwnPace, PACE_MS } from './own-pace.ts'
import type { Member } from '../groups/group-state.ts'
import type {
  LeasesAnswer,
  LeasesAsked,
  PeerLink,
  PeerMessage,
  PeerRayletNotices,
  ToClient,
} from './peer-raylet-messages.ts'
import type { RayletState } from '../state.ts'
import type { NoticeEffect, RayletEffect } from '../turn.ts'
import type { NodeNoticeEffect } from './node-events.ts'

/** A node that takes longer to say what it has free is asked for nothing more for a while. */
const ASK_LIMIT_MS = 5_000
/** Unsent bytes to a home above which its driver is sent no more output. */
const OUTPUT_BUFFER_BYTES_MAX = 4 * 1024 * 1024

const TO_GUESTS: ReadonlySet<string> = new Set<ToClient>([
  ...(['leaseGranted', 'reclaimLease', 'leaseBroken', 'classRefused', 'collectHandles'] as const),
])

export interface ClusterLeasesDeps {
  readonly member: Pick<
    ClusterMember,
    'ask' | 'hasArrived' | 'tell' | 'bufferedBytesTo' | 'isSuspected'
  >
  readonly brain: Brain
  readonly state: RayletState
  readonly clock: Clock
  readonly random: Random
  readonly usedCpuMs?: () => number
}

type ClusterEffect = Extract<
  RayletEffect,
  { kind: 'tellNode' | 'askLeases' | 'guestLeaseLapsed' | 'hasRoomAgain' }
>

export class ClusterLeases {
  readonly #deps: ClusterLeasesDeps
  readonly #gossip: LoadGossip
  /** Connections on which guests were introduced. */
  readonly #links = new Map<number, PeerLink>()
  readonly #pace = new OwnPace()
  #timer: Timer | undefined
  #stopped = false

  constructor(deps: ClusterLeasesDeps) {
    this.#deps = deps
    const { nodeId, epoch, totals } = deps.state.config
    const self = { nodeId: toHex(nodeId), epoch, zone: '' }
    this.#gossip = new LoadGossip({ self, totals, random: deps.random })
  }

  start(): void {
    this.#timer = this.#deps.clock.after(ROUND_MS, () => {
      this.#feelPace()
      this.#tellLoad()
      this.#step({ kind: 'tick' })
      if (!this.#stopped) this.start()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** Those that are alive; of them, nothing is placed on those that seem to be gone. */
  nodes(rows: readonly NodeRow[]): void {
    const { brain, member } = this.#deps
    const alive = rows.filter(({ state }) => state === 'ALIVE')
    const members = alive.map(({ nodeId, epoch }) => ({ nodeId, epoch, zone: '' }))
    this.#step({ kind: 'members', members })
    const others = alive.filter(({ nodeId }) => nodeId !== this.#self)
    const ids = others.map(({ nodeId }) => nodeId)
    const suspected = new Set(ids.filter((id) => member.isSuspected(id)))
    brain.tell({
      kind: 'nodes',
      nodes: others.map(viewOf),
      suspected,
      members: this.#membersOf(rows),
      ...(member.hasArrived ? {} : { isArriving: true }),
    })
  }

  /** Those that live, also while they drain. */
  #membersOf(rows: readonly NodeRow[]): Map<string, Member> {
    const living = rows.filter(({ nodeId, state }) => nodeId !== this.#self && state !== 'DEAD')
    return new Map(
      living.map(({ nodeId, epoch, state }) => [nodeId, { epoch, isDraining: state !== 'ALIVE' }]),
    )
  }

  /** What is free here as it is now, for the node that is told of it. */
  ownLoad(to: string): NodeLoad {
    this.#tellLoad()
    return this.#gossip.say(to)
  }

  perform(effect: ClusterEffect): void {
    switch (effect.kind) {
      case 'tellNode':
        this.#tellNode(effect)
        return
      case 'askLeases':
        void this.#askLeases(effect.nodeId, effect.message)
        return
      case 'guestLeaseLapsed': {
        const { client, classId } = effect
        this.#linkOf(client)?.notify('leaseLapsed', { client, classId })
        return
      }
      case 'hasRoomAgain':
        this.#tellLoad()
    }
  }

  /** To a client that has no connection here: a guest, or one that has just left. */
  notifyGuest({ to: client, type, message }: NoticeEffect): void {
    if (!TO_GUESTS.has(type)) return
    this.#linkOf(client)?.notify('toClient', { client, type: type as ToClient, message })
  }

  /** @returns false when the driver's node does not read what it is sent; true if it is gone. */
  tellOutput(
    nodeId: string,
    client: WorkerId,
    { lines, isLast }: { lines: readonly OutputLine[]; isLast: boolean },
  ): boolean {
    const { member } = this.#deps
    if (!isLast && member.bufferedBytesTo(nodeId) >= OUTPUT_BUFFER_BYTES_MAX) return false
    member.tell(nodeId, 'toClient', { client, type: 'output', message: { lines } })
    return true
  }

  async requested({ from, type, message, link }: PeerMessage): Promise<LeasesAnswer> {
    if (type !== 'askLeases') throw new RangeError(`${type} is answered elsewhere`)
    this.#links.set(link.id, link)
    const asked = message as LeasesAsked
    const answer = await this.#deps.brain.ask((request) => {
      return { kind: 'leasesAsked', link: link.id, request, message: asked }
    })
    return { ...(answer as Omit<LeasesAnswer, 'load'>), load: this.ownLoad(from) } // CX2
  }

  notified({ from, type, message, link }: PeerMessage): void {
    const { brain } = this.#deps
    switch (type as keyof PeerRayletNotices) {
      case 'gossip':
        this.#step({ kind: 'received', from, message: message as GossipMessage })
        return
      case 'guestWants':
        this.#links.set(link.id, link)
        brain.tell({
          kind: 'guestWants',
          link: link.id,
          message: message as PeerRayletNotices['guestWants'],
        })
        return
      case 'guestLeft': {
        const { client } = message as PeerRayletNotices['guestLeft']
        brain.tell({ kind: 'guestLeft', link: link.id, client })
        return
      }
      case 'returnLease':
        brain.tell({ kind: 'returnLease', ...(message as PeerRayletNotices['returnLease']) })
        return
      case 'killLease':
        brain.tell({ kind: 'killLease', ...(message as PeerRayletNotices['killLease']) })
        return
      case 'toClient':
        brain.tell({
          kind: 'heardForClient',
          nodeId: from,
          ...(message as PeerRayletNotices['toClient']),
        })
        return
      case 'leaseLapsed':
        brain.tell({
          kind: 'leaseLapsed',
          nodeId: from,
          ...(message as PeerRayletNotices['leaseLapsed']),
        })
        return
      case 'suspicion':
      case 'actorChanged':
      case 'actorMoved':
      case 'freeObjects':
      case 'copyIs':
        throw new RangeError(`${type} is heard elsewhere`)
    }
  }

  linkClosed(link: number): void {
    if (this.#links.delete(link)) this.#deps.brain.tell({ kind: 'guestLinkClosed', link })
  }

  get #self(): string {
    return toHex(this.#deps.state.config.nodeId)
  }

  #linkOf(client: string): PeerLink | undefined {
    const link = this.#deps.state.clients.get(client as never)?.link
    return link === undefined ? undefined : this.#links.get(link)
  }

  #tellNode({ nodeId, type, message }: NodeNoticeEffect): void {
    this.#deps.member.tell(nodeId, type, message)
  }

  async #askLeases(nodeId: string, message: LeasesAsked): Promise<void> {
    const answer = await this.#deps.member
      .ask(nodeId, 'askLeases', message, ASK_LIMIT_MS)
      .catch(() => undefined) // it is away, or has no member's rights: others are asked
    this.#deps.brain.tell({ kind: 'leasesAnswered', nodeId, message, answer })
  }

  #feelPace(): void {
    const { brain, clock, state, usedCpuMs = () => 0 } = this.#deps
    const dueMs = clock.monotonicMs() + PACE_MS
    const usedBeforeMs = usedCpuMs()
    clock.after(PACE_MS, () => {
      const usedMs = usedCpuMs() - usedBeforeMs
      const isSlow = this.#pace.round(clock.monotonicMs() - dueMs, usedMs)
      if (isSlow !== state.isSlow && !this.#stopped) brain.tell({ kind: 'pace', isSlow })
    })
  }

  #tellLoad(): void {
    const { isSlow, ledger } = this.#deps.state
    this.#step({ kind: 'load', free: ledger.free, isSlow })
  }

  #step(event: GossipEvent): void {
    const { clock, member, brain } = this.#deps
    const loads: NodeLoad[] = []
    for (const effect of this.#gossip.step(event, clock.monotonicMs())) {
      if (effect.kind === 'send') member.tell(effect.to, 'gossip', effect.message)
      else loads.push(effect.load)
    }
    // A message has hundreds, and a step for each would place anew each time.
    if (loads.length > 0) brain.tell({ kind: 'loads', loads })
  }
}

function viewOf({ nodeId, totals, labels }: NodeRow): NodeView {
  return { nodeId, totals, free: totals, labels: { ...labels, [NODE_ID_LABEL]: nodeId } }
}
