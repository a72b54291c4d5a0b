// This raylet as one of several: it registers in the GCS, runs its membership (gcs/member.ts) with
// the other raylets as peers, hosts the GCS for them if it is the one to, and asks them what
// concerns all nodes.
// Invariants:
//   CM1. Who is declared dead is cut off: its connections close, and none of that epoch is taken.
//   CM2. What is asked of all nodes is answered though some do not: each has ALL_LIMIT_MS.
//   CM4. Once stopped, or no member any more, it begins no write: only `leave` says goodbye.
import type { Clock } from '../../common/clock.ts'
import { within } from '../../common/clock.ts'
import { VirgaError } from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import type { Random } from '../../common/random.ts'
import { Membership, type MemberEvents } from '../../gcs/member.ts'
import {
  openMembership,
  registerNode,
  SHUT_DOWN,
  type NodeCommand,
  type NodeRow,
  type NodeSpec,
} from '../../gcs/nodes.ts'
import type { StorageHost } from '../../gcs/storage-host.ts'
import type { StorageRequest } from '../../gcs/storage-messages.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { Suspicion } from '../../gcs/watcher.ts'
import type { BulkConnection } from '../../protocol/bulk.ts'
import type { RayletCalls } from '../../protocol/messages.ts'
import { isRefusedAsEnded } from '../../protocol/peer-hello.ts'
import type { PeerTransport } from '../../protocol/peer-transport.ts'
import type { ValueCodec } from '../../protocol/value-codec.ts'
import { endedError } from './ended-error.ts'
import type { EpochFence } from './epoch-fence.ts'
import {
  answerMembership,
  isMembershipCall,
  MembershipPeers,
  type MembershipCall,
} from './membership-peers.ts'
import { PeerRaylets } from './peer-raylets.ts'
import type { PeerMessage, PeerRayletCalls, PeerRayletNotices } from './peer-raylet-messages.ts'

/** For what every node is asked, a dead one that is not known to be so among them. */
const ALL_LIMIT_MS = 1_000
/** The GCS may be away when a node leaves: then others find it dead in their own time. */
const GOODBYE_LIMIT_MS = 500
/** The same in tables, where a call may be throttled, and who starts next would wait for leases. */
const TABLES_GOODBYE_LIMIT_MS = 3_000
const TOKEN_BYTES = 12

/** What makes a raylet one of several; without it, the cluster is this node alone. */
export interface ClusterPorts {
  readonly transport: PeerTransport
  /** Where it listens for other raylets: HOST:PORT. */
  readonly listenAt: string
  /** The one that the transport judges peers by. */
  readonly fence: EpochFence
  /** Given to the node that holds the GCS in its memory. */
  readonly host: StorageHost | undefined
  /** The GCS lies in tables that the next cluster of that name will read. */
  readonly gcsOutlives?: true
}

export interface ClusterMemberDeps {
  readonly cluster: ClusterPorts
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly codec: ValueCodec
}

/** What the raylet is told, and asked. */
export interface ClusterEvents extends Pick<MemberEvents, 'expelled' | 'confirmed' | 'command'> {
  /** All nodes that have a row, this one and the dead included. */
  nodes(nodes: readonly NodeRow[]): void
  /** Rows of this node alone. */
  localRows(message: RayletCalls['state'][0]): RayletCalls['state'][1]
  /** Another node says that the whole cluster ends. */
  stopped(): void
  /** What is none of membership's. */
  requested(message: PeerMessage): unknown
  notified(message: PeerMessage): void
  /** The connection dialled to that node has closed, or could not be made. */
  lost(nodeId: string): void
  /** A connection that another node dialled has closed. */
  linkClosed(link: number): void
  /** Another node dialled, to read objects. */
  bulk(connection: BulkConnection): void
}

/** What this file answers; all else is `requested` of the raylet. */
export type MemberCall = MembershipCall | 'state' | 'stopCluster' | 'storage'

export class ClusterMember {
  readonly #deps: ClusterMemberDeps
  readonly #events: ClusterEvents
  readonly #peers: PeerRaylets
  readonly #suspected = new Set<string>()
  #nodeId = ''
  #membership: Membership | undefined
  #nodes: readonly NodeRow[] = []
  #end: ClusterMember['end'] = 'THIS_NODE'
  #stopped = false

  constructor(deps: ClusterMemberDeps, events: ClusterEvents) {
    this.#deps = deps
    this.#events = events
    this.#peers = new PeerRaylets(
      { transport: deps.cluster.transport, clock: deps.clock, codec: deps.codec },
      {
        requested: (message) => this.#requested(message),
        notified: (message) => {
          this.#notified(message)
        },
        lost: (nodeId) => {
          events.lost(nodeId)
        },
        undialled: (error) => {
          const self = this.#membership?.life
          if (self === undefined || !isRefusedAsEnded(error, self)) return
          this.#membership?.expel(endedError(self, 'another node', error))
        },
        linkClosed: (link) => {
          events.linkClosed(link)
        },
        bulk: (connection) => {
          events.bulk(connection)
        },
      },
    )
  }

  /**
   * Register, and be a member until `leave`; resolves when others can see this node.
   * @param epoch  as the certificate says; the GCS must say the same.
   * @returns the address by which other nodes reach this one.
   */
  async start(spec: Omit<NodeSpec, 'address'>, epoch: number): Promise<string> {
    const { storage, random, cluster } = this.#deps
    const address = await this.#peers.listen(cluster.listenAt)
    this.#nodeId = spec.nodeId
    const randomText = (): string => Buffer.from(random.bytes(TOKEN_BYTES)).toString('base64url')
    const opened = await openMembership(storage, randomText())
    const token = randomText()
    const member = await registerNode(this.#deps, { ...spec, address }, { ...opened, token })
    if (member.epoch !== epoch) {
      throw new VirgaError(
        `node ${spec.nodeId} has a certificate for epoch ${epoch} and is in epoch ` +
          `${member.epoch}: give it a new id and a certificate for that`,
      )
    }
    this.#membership = new Membership(this.#membershipDeps(), member)
    await this.#membership.start()
    await this.askAll('ping', { newcomer: member.row }) // MN1
    return address
  }

  /** The others go on without this node. */
  get leavesAlone(): boolean {
    return this.#end === 'THIS_NODE' && !this.isGcsHost
  }

  /** Who ends with this node, as far as it was told, and by whose word. */
  get end(): 'THIS_NODE' | 'BY_THIS_NODE' | 'BY_ANOTHER' | 'EXPELLED' {
    return this.#end
  }

  get isGcsHost(): boolean {
    return this.#deps.cluster.host !== undefined
  }

  /** Whether it knows all who came before it (MB4). */
  get hasArrived(): boolean {
    return this.#membership?.hasArrived === true
  }

  /** Living nodes that others suspect to be gone, this one's own watch among them. */
  isSuspected(nodeId: string): boolean {
    return this.#suspected.has(nodeId)
  }

  nodes(): readonly NodeRow[] {
    return this.#nodes
  }

  /** The other nodes that live. */
  others(): readonly NodeRow[] {
    return this.#nodes.filter(({ nodeId, state }) => nodeId !== this.#nodeId && state !== 'DEAD')
  }

  /** Nodes, in hex, that have left because they were told to. */
  left(): readonly string[] {
    const hasLeft = ({ state, death }: NodeRow): boolean => state === 'DEAD' && death === SHUT_DOWN
    return this.#nodes.filter(hasLeft).map(({ nodeId }) => nodeId)
  }

  /** The GCS hears of it with the next heartbeat, and tells that command no more. */
  performed(command: NodeCommand): void {
    this.#membership?.performed(command)
  }

  /** Others are told to lease nothing here. */
  drain(): void {
    this.#membership?.drain()
  }

  /** CM2. @returns what each other living node answered, without those that did not. */
  async askAll<K extends keyof PeerRayletCalls>(
    type: K,
    message: PeerRayletCalls[K][0],
  ): Promise<Awaited<PeerRayletCalls[K][1]>[]> {
    return (await this.askEach(type, message)).answers
  }

  /** CM2. @returns also which of the other living nodes, in hex, did not answer. */
  async askEach<K extends keyof PeerRayletCalls>(
    type: K,
    message: PeerRayletCalls[K][0],
  ): Promise<{
    readonly answers: Awaited<PeerRayletCalls[K][1]>[]
    readonly silent: readonly string[]
  }> {
    const others = this.others()
    const asked = others.map((node) => this.#peers.ask(node, type, message, ALL_LIMIT_MS))
    const answers = await Promise.allSettled(asked)
    return {
      answers: answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
      silent: others.flatMap(({ nodeId }, i) =>
        answers[i]?.status === 'rejected' && this.#isKnown(nodeId) ? [nodeId] : [],
      ),
    }
  }

  /** @throws when there is no such living node, or it does not answer within `limitMs`. */
  async ask<K extends keyof PeerRayletCalls>(
    nodeId: string,
    type: K,
    message: PeerRayletCalls[K][0],
    limitMs: number,
  ): Promise<PeerRayletCalls[K][1]> {
    const node = this.others().find((each) => each.nodeId === nodeId)
    if (node === undefined) throw new VirgaError(`node ${nodeId} is not alive`)
    return await this.#peers.ask(node, type, message, limitMs)
  }

  /** May be lost: then `lost` is told of the connection. */
  tell<K extends keyof PeerRayletNotices>(
    nodeId: string,
    type: K,
    message: PeerRayletNotices[K],
  ): void {
    const node = this.others().find((each) => each.nodeId === nodeId)
    if (node !== undefined) this.#peers.notify(node, type, message)
  }

  /** Unsent, of what that node was told and asked. */
  bufferedBytesTo(nodeId: string): number {
    return this.#peers.bufferedBytesTo(nodeId)
  }

  /** May be lost, as `tell`. */
  tellAll<K extends keyof PeerRayletNotices>(type: K, message: PeerRayletNotices[K]): void {
    for (const node of this.others()) this.#peers.notify(node, type, message)
  }

  /** It is not this node alone that ends. */
  clusterEnds(by: 'BY_THIS_NODE' | 'BY_ANOTHER'): void {
    if (this.#end === 'THIS_NODE') this.#end = by
  }

  /** To be called when this node begins to end: others end with it, if they are to. */
  async tellOthers(): Promise<void> {
    if (this.isGcsHost) this.clusterEnds('BY_THIS_NODE') // no node can go on without the GCS
    if (this.#end === 'BY_THIS_NODE') await this.askAll('stopCluster', {})
  }

  /**
   * To be called when nothing of this node runs any more. Where somebody will read it, that is
   * written, so that nobody waits for its lease.
   */
  async leave(): Promise<void> {
    this.#stopped = true
    const membership = this.#membership
    membership?.stop()
    const limitMs = this.#deps.cluster.gcsOutlives ? TABLES_GOODBYE_LIMIT_MS : GOODBYE_LIMIT_MS
    if (membership !== undefined && this.#hasReaders()) {
      const told = membership.sayGoodbye(SHUT_DOWN, limitMs).catch((error: unknown) => {
        this.#deps.log.info('the GCS was not told of the end', { error: String(error) })
      })
      await within(this.#deps.clock, limitMs, told)
    }
    await this.#peers.close()
  }

  #hasReaders(): boolean {
    const { gcsOutlives = false } = this.#deps.cluster
    return this.#end === 'THIS_NODE' || (gcsOutlives && this.#end !== 'EXPELLED')
  }

  #membershipDeps(): ConstructorParameters<typeof Membership>[0] {
    const { storage, clock, random, log } = this.#deps
    const { confirmed, command } = this.#events
    return {
      ...{ storage, clock, random, log },
      peers: new MembershipPeers(this.#peers, log),
      events: {
        ...{ confirmed, command },
        expelled: (error) => {
          this.#end = 'EXPELLED'
          this.#events.expelled(error)
        },
        members: () => {
          this.#membersChanged()
        },
        suspected: (nodeId, suspected) => {
          // It answers again, or is dead, or is another's to watch.
          log.info(suspected ? 'a node does not answer' : 'a node is suspected no more', { nodeId })
          if (suspected) this.#suspected.add(nodeId)
          else this.#suspected.delete(nodeId)
          if (!this.#stopped) this.#events.nodes(this.#nodes)
        },
      },
    }
  }

  /** CM1. */
  #membersChanged(): void {
    if (this.#membership === undefined) return
    const before = new Map(this.#nodes.map((node) => [node.nodeId, node]))
    this.#nodes = this.#membership.nodes()
    for (const node of this.#nodes) {
      const { fence } = this.#deps.cluster
      fence.learn(node)
      const known = before.get(node.nodeId)
      const ended = known !== undefined && (node.state === 'DEAD' || node.epoch > known.epoch)
      if (ended && known.state !== 'DEAD') this.#peers.forget(known)
      if (known === undefined) {
        this.#peers.forgetBefore(node.nodeId, fence.oldestEpoch(node.nodeId))
      }
      if (node.state === 'DEAD') this.#suspected.delete(node.nodeId)
    }
    if (!this.#stopped) this.#events.nodes(this.#nodes)
  }

  #isKnown(id: string): boolean {
    return this.#nodes.some(({ nodeId, state }) => nodeId === id && state !== 'DEAD')
  }

  #notified(message: PeerMessage): void {
    if (message.type !== 'suspicion') this.#events.notified(message)
    else this.#membership?.heard(message.from, message.message as Suspicion)
  }

  #requested(whole: PeerMessage): unknown {
    const { type, message } = whole
    if (isMembershipCall(type)) {
      return answerMembership(type, whole, this.#membership, (id) => this.#isKnown(id))
    }
    switch (type) {
      case 'state':
        return this.#events.localRows(message as RayletCalls['state'][0])
      case 'stopCluster':
        this.clusterEnds('BY_ANOTHER')
        this.#events.stopped()
        return undefined
      case 'storage':
        return this.#host().handle(message as StorageRequest)
      default:
        return this.#events.requested(whole)
    }
  }

  #host(): StorageHost {
    const { host } = this.#deps.cluster
    if (host !== undefined) return host
    throw new VirgaError('this node does not hold the GCS: ask the first node of the cluster')
  }
}
