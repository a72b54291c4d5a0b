// What one node knows of the others, kept by reading the membership row: which rows to read next,
// and who is alive. Pure.
//   MV1. A change that the row still names costs one read of that node's row, the death of a node
//       that is known none; who has fallen behind reads all rows, at most once in FULL_READ_MS: a
//       thousand nodes that join at once must not be read a million times, nor the rows of those
//       that die at once by a thousand. Of a large cluster who has fallen behind lets some
//       looks pass first, as many as chance says: each reads as many rows as there are nodes.
//   MV2. An older epoch of a node never replaces a newer one, nor life of an epoch its death.
//   MV3. A change counts as seen when its rows have been learned, not when they are asked for: a
//       read that fails is made again.
import type { Random } from '../common/random.ts'
import {
  CHANGES_MAX,
  SHUT_DOWN,
  type Membership,
  type MembershipChange,
  type NodeRow,
} from './nodes.ts'

const FULL_READ_MS = 30_000
/** So many read all rows at one look, on average: of 1,000 nodes, 500 units a second on a key. */
const FULL_READS_A_LOOK = 200
/** What its row says, it says to those who read it. */
const EXPIRED = 'another node saw its lease expire'

export type ToRead = { readonly version: number } & (
  | { readonly kind: 'NODES'; readonly nodeIds: readonly string[] }
  | { readonly kind: 'ALL' }
)

export class MembershipView {
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
   * @returns what to read now, all of it as it stands (S1), and the version to tell `caughtUp` of
   *   once that has been learned; undefined: the view is current, or must wait (MV1).
   */
  membership({ version, changes }: Membership, nowMs: number): ToRead | undefined {
    if (version <= this.#version) return undefined // a stale read may be older than the last
    const missed = changes.filter((change) => change.version > this.#version)
    if (this.#version >= 0 && version - this.#version <= Math.min(missed.length, CHANGES_MAX)) {
      const unknown = missed.filter((change) => !this.#isDeath(change))
      return { version, kind: 'NODES', nodeIds: [...new Set(unknown.map(({ nodeId }) => nodeId))] }
    }
    if (nowMs - this.#fullReadAtMs < FULL_READ_MS) return undefined
    const turns = Math.max(1, Math.ceil(this.#nodes.size / FULL_READS_A_LOOK))
    this.#looksToWait ??= Math.floor(this.#random.next() * turns)
    if (this.#looksToWait === 0) return { version, kind: 'ALL' }
    this.#looksToWait -= 1
    return undefined
  }

  /** @returns whether it is no more than that, of a node that is known: DEAD is final (ND2). */
  #isDeath({ nodeId, epoch, state, left }: MembershipChange): boolean {
    const known = this.#nodes.get(nodeId)
    if (state !== 'DEAD' || known?.epoch !== epoch) return false
    this.learn({ ...known, state, death: left === true ? SHUT_DOWN : EXPIRED })
    return true
  }

  /** MV3. */
  caughtUp({ version, kind }: ToRead, nowMs: number): void {
    this.#version = version
    if (kind !== 'ALL') return
    this.#fullReadAtMs = nowMs
    this.#looksToWait = undefined
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
  return known.state === 'DEAD' || known.heartbeat > other.heartbeat
}
