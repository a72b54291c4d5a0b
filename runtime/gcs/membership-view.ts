// What one node knows of the others, kept by reading the membership row: which rows to read next,
// and who is alive. Pure.
//   MV1. A change that the row still names costs one read of that node's row, one of an epoch that
//       is known none. Who has fallen behind, or would have to read more than READS_MAX, reads all
//       rows, at most once in FULL_READ_MS: a thousand nodes that join at once must not be read a
//       million times. In a crowd it asks another node first. Of a large cluster who has fallen
//       behind lets some looks pass first, as many as chance says: each reads as many rows as
//       there are nodes.
//   MV2. An older epoch of a node never replaces a newer one, nor an epoch's life its drain or
//       death.
//   MV3. A change counts as seen when its rows have been learned, not when they are asked for: a
//       read that fails is made again.
import type { Random } from '../common/random.ts'
import type { MembershipChange, NodeState } from './membership-changes.ts'
import { SHUT_DOWN, type Membership, type NodeRow } from './nodes.ts'

const FULL_READ_MS = 30_000
/** Each is a read unit; of all rows, eight or more are one. */
const READS_MAX = 48
/** So many read all rows at one look, on average: of 1,000 nodes, 500 units a second on a key. */
const FULL_READS_A_LOOK = 200
/** What its row says, it says to those who read it. */
const EXPIRED = 'another node saw its lease expire'

export type ToRead = { readonly version: number } & (
  | { readonly kind: 'NODES'; readonly nodeIds: readonly string[] }
  | { readonly kind: 'ALL' }
)

/** All changes up to that version, as the nodes that they were of. */
export interface Seen {
  /** Below 0: nothing yet. */
  readonly version: number
  readonly nodes: readonly NodeRow[]
}

interface Later {
  readonly kind: 'LATER'
}
const LATER: Later = { kind: 'LATER' }

export class MembershipView {
  /** One for each node that ever registered, as in the GCS: who comes back under an id of the dead
   *  goes on from their epoch (ND2). So large is whatever is kept for each node of the view. */
  readonly #nodes = new Map<string, NodeRow>()
  #version = -1
  #fullReadAtMs = -Infinity
  readonly #random: Pick<Random, 'next'>
  /** Of a full read: looks that are let pass before it. */
  #looksToWait: number | undefined

  constructor(random: Pick<Random, 'next'>) {
    this.#random = random
  }

  /**
   * Learns what the row says by itself.
   * @returns what to read now, all of it as it stands (S1), and the version to tell `caughtUp` of
   *   once that has been learned; LATER: it must wait (MV1); undefined: the view is current.
   */
  membership({ version, changes }: Membership, nowMs: number): ToRead | Later | undefined {
    if (version <= this.#version) return undefined // a stale read may be older than the last
    const missed = changes.filter((change) => change.version > this.#version)
    const unknown = missed.filter((change) => !this.#learnChange(change))
    const nodeIds = [...new Set(unknown.map(({ nodeId }) => nodeId))]
    const isNamed = this.#version >= 0 && version - this.#version <= missed.length
    if (isNamed && nodeIds.length <= READS_MAX) return { version, kind: 'NODES', nodeIds }
    if (nowMs - this.#fullReadAtMs < FULL_READ_MS) return LATER
    const turns = Math.max(1, Math.ceil(this.#nodes.size / FULL_READS_A_LOOK))
    this.#looksToWait ??= Math.floor(this.#random.next() * turns)
    if (this.#looksToWait === 0) return { version, kind: 'ALL' }
    this.#looksToWait -= 1
    return LATER
  }

  /** @returns whether it says all that its row could: of an epoch that is known, or a later one is. */
  #learnChange({ nodeId, epoch, state, left }: MembershipChange): boolean {
    const known = this.#nodes.get(nodeId)
    if (known === undefined || known.epoch < epoch) return false
    if (known.epoch > epoch || state === 'ALIVE') return true
    const death = left === true ? SHUT_DOWN : EXPIRED
    this.learn({ ...known, state, ...(state === 'DEAD' ? { death } : {}) })
    return true
  }

  /** MV3. */
  caughtUp({ version, kind }: ToRead, nowMs: number): void {
    this.#version = version
    if (kind !== 'ALL') return
    this.#fullReadAtMs = nowMs
    this.#looksToWait = undefined
  }

  seen(): Seen {
    return { version: this.#version, nodes: this.nodes() }
  }

  /** What another node has seen. @returns whether that was more. */
  adopt({ version, nodes }: Seen): boolean {
    if (version <= this.#version) return false
    for (const node of nodes) this.learn(node)
    this.#version = version
    this.#looksToWait = undefined
    return true
  }

  /** What was read, or was heard from a peer. */
  learn(node: NodeRow): void {
    const known = this.#nodes.get(node.nodeId)
    if (known !== undefined && isNewer(known, node)) return
    this.#nodes.set(node.nodeId, node)
  }

  get(nodeId: string): NodeRow | undefined {
    return this.#nodes.get(nodeId)
  }

  /** How many are known, the dead included. */
  get size(): number {
    return this.#nodes.size
  }

  /** The dead included. */
  nodes(): readonly NodeRow[] {
    return [...this.#nodes.values()]
  }

  /** Those that are not dead, drained ones included. */
  living(): readonly NodeRow[] {
    return this.nodes().filter(({ state }) => state !== 'DEAD')
  }
}

/** MV2. */
function isNewer(known: NodeRow, other: NodeRow): boolean {
  if (known.epoch !== other.epoch) return known.epoch > other.epoch
  if (known.state === 'DEAD') return true
  return ORDER[known.state] > ORDER[other.state] || known.heartbeat > other.heartbeat
}

/** No epoch of a node goes back. */
const ORDER: Readonly<Record<NodeState, number>> = { ALIVE: 0, DRAINING: 1, DEAD: 2 }
