// Reads who the other nodes are, as cheaply as the view allows: the membership row, and what that
// leaves open, in a crowd from another node first, else from the rows of the nodes.
import type { Clock } from '../common/clock.ts'
import type { Random } from '../common/random.ts'
import { CROWD } from './announcer.ts'
import type { MembershipView, Seen } from './membership-view.ts'
import {
  expelled,
  isMembershipOf,
  isUntoldDeath,
  readMembership,
  readNode,
  readNodes,
  type Membership,
  type NodeRow,
  type Registration,
} from './nodes.ts'
import type { Storage } from './storage.ts'

export interface MembershipReaderDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly view: MembershipView
  isSuspected(nodeId: string): boolean
  /** What the other's view has seen; undefined when it does not answer. */
  seenAt(node: NodeRow): Promise<Seen | undefined>
}

/** What came of looking who the others are. */
export interface Look {
  /** The row says more than was known. */
  readonly isNew: boolean
  /** All that it says is known now. */
  readonly isCurrent: boolean
  /** Those whose rows say that they are dead, which nobody has told. */
  readonly untold: readonly NodeRow[]
}

export class MembershipReader {
  readonly #deps: MembershipReaderDeps
  readonly #member: Registration

  constructor(deps: MembershipReaderDeps, member: Registration) {
    this.#deps = deps
    this.#member = member
  }

  /**
   * Brings the view up to date, as far as it may read now (MV1).
   * @param stale  whether the membership row may be read as it was a moment ago.
   * @throws NodeDiedError when this node is no member any more; GcsUnavailableError
   */
  async read({ stale }: { readonly stale: boolean }): Promise<Look> {
    const { storage, clock, view } = this.#deps
    const askedAtMs = clock.monotonicMs()
    const membership = await this.#readMembership(stale)
    let toRead = view.membership(membership, askedAtMs)
    if (toRead === undefined) return { isNew: false, isCurrent: true, untold: [] }
    if (toRead.kind !== 'NODES' && (await this.#askPeer(membership))) {
      toRead = view.membership(membership, askedAtMs)
    }
    if (toRead === undefined) return { isNew: true, isCurrent: true, untold: [] }
    if (toRead.kind === 'LATER') return { isNew: true, isCurrent: false, untold: [] }
    const read =
      toRead.kind === 'ALL'
        ? await readNodes(storage)
        : await Promise.all(toRead.nodeIds.map((id) => readNode(storage, id)))
    const nodes = read.filter((node) => node !== undefined)
    for (const node of nodes) view.learn(node)
    view.caughtUp(toRead, askedAtMs)
    const untold = nodes.filter((node) => isUntoldDeath(node, membership))
    return { isNew: true, isCurrent: true, untold }
  }

  /**
   * MV1. In a crowd, what another node has seen instead of all rows.
   * @returns whether that was more than this one has seen.
   */
  async #askPeer(membership: Membership): Promise<boolean> {
    if (membership.version < CROWD) return false
    const peer = await this.#anyPeer(membership)
    const seen = peer && (await this.#deps.seenAt(peer))
    return seen !== undefined && this.#deps.view.adopt(seen)
  }

  /** One that is known, else one that is named: each costs the one who is asked. */
  async #anyPeer({ changes }: Membership): Promise<NodeRow | undefined> {
    const { random, storage, view } = this.#deps
    const others = view.living().filter(({ nodeId }) => this.#isAble(nodeId))
    const one = others[Math.floor(random.next() * others.length)]
    if (one !== undefined) return one
    const gone = new Set(changes.flatMap(({ nodeId, state }) => (state === 'ALIVE' ? [] : nodeId)))
    const named = changes.filter(({ nodeId }) => !gone.has(nodeId) && this.#isAble(nodeId))
    const change = named[Math.floor(random.next() * named.length)]
    return change && (await readNode(storage, change.nodeId))
  }

  #isAble(nodeId: string): boolean {
    return nodeId !== this.#member.nodeId && !this.#deps.isSuspected(nodeId)
  }

  /** Half price as long as it says nothing that ends this node (MB2). */
  async #readMembership(stale: boolean): Promise<Membership> {
    const { storage } = this.#deps
    const seen = stale ? await readMembership(storage, { stale }) : undefined
    if (isMembershipOf(this.#member, seen)) return seen
    const current = await readMembership(storage, { stale: false })
    if (isMembershipOf(this.#member, current)) return current
    throw expelled(this.#member, undefined)
  }
}
