// Actors of nodes that have died: a living node takes the next incarnation of each that has
// restarts left, and ends the others. Who does it is agreed on without asking: rendezvous hashing
// gives the order; the second and third do what is left after a while, should the first be dying.
// Invariants:
//   AH1. A conditional write on its row decides each actor: of many who do this, one takes it.
//   AH2. Only nodes that this one has met are cleared up after: not those of an earlier life of the
//        cluster.
//   AH3. For each that dies the next in the order is one of the three. In a storm of deaths those
//        that were chosen may all be dead already, and not be known to be.
//   AH4. The first looks again after a while: what the dead node had written last may be executed
//        late (DC3).
//   AH5. All nodes know of the death before an actor begins its next life (TD1).
// Source: design 8 (work without a leader); faults.md F07, F13.
import { delay, type Clock } from '../../common/clock.ts'
import type { Log } from '../../common/log.ts'
import {
  actorDead,
  claimRestart,
  readHeldBy,
  willHold,
  type ActorRow,
  type Holder,
} from '../../gcs/actors.ts'
import type { NodeDeath, NodeRow } from '../../gcs/nodes.ts'
import { rendezvous } from '../../gcs/rendezvous.ts'
import type { Storage } from '../../gcs/storage.ts'
import { epochIn } from '../../protocol/node-identity.ts'
import type { ValueCodec } from '../../protocol/value-codec.ts'
import { decodeMade } from './actor-origin.ts'
import { endedLives, hasEnded, type EndedLives } from './ended-lives.ts'
import type { Stimulus } from '../client-link.ts'
import { GcsRepeat } from '../gcs-repeat.ts'

/** Nodes that clear up after one, at different times. */
const ADOPTERS = 3
const NEXT_AFTER_MS = 5_000
/** The length of the order. That so many die before one of them has done it is not to be expected. */
const HEIRS_MAX = 16
/** A death is heard of later than an arrival, by so much at most while the GCS answers. */
const HEARD_WITHIN_MS = 10_000
/** Of which a node keeps who comes ahead of it: the newest, for so long. Who came ahead and is dead
 *  is known to be by then, also after most outages of the GCS. */
const LEFT_MAX = 1_000
const LEFT_FOR_MS = 3_600_000

interface Met {
  readonly epoch: number
  readonly atMs: number
}

/** What a dead node has left to this one, should those die that come before it. */
interface Left {
  readonly gone: Holder
  readonly atMs: number
  readonly death: string
  readonly before: readonly Holder[]
}

export interface ActorAdopterDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly codec: ValueCodec
  readonly self: Holder
  /** All others. Resolves when they know. */
  readonly tellOfDeath: (death: NodeDeath) => Promise<void>
  readonly tell: (stimulus: Stimulus) => void
}

export class ActorAdopter {
  readonly #deps: ActorAdopterDeps
  readonly #repeat: GcsRepeat
  /** The epoch in which each living node was met, and when. */
  readonly #met = new Map<string, Met>()
  /** Those that are dead by now; as many as the cluster has had members. */
  readonly #dead = new Map<string, number>()
  /** AH3. By node and epoch. */
  readonly #left = new Map<string, Left>()
  #ended: EndedLives = new Map()

  constructor(deps: ActorAdopterDeps) {
    this.#deps = deps
    this.#repeat = new GcsRepeat(deps)
  }

  stop(): void {
    this.#repeat.close()
  }

  /** AH2. */
  hasMet({ nodeId, epoch }: Holder): boolean {
    return this.#met.get(nodeId)?.epoch === epoch || this.#dead.get(nodeId) === epoch
  }

  /** All that have a row, the dead included. */
  nodes(rows: readonly NodeRow[]): void {
    // Whom it sees first was there before it.
    const atMs = this.#met.size === 0 ? -Infinity : this.#deps.clock.monotonicMs()
    this.#ended = endedLives(rows)
    const died: [NodeRow, Holder][] = []
    for (const row of rows) {
      const { nodeId, epoch } = row
      const known = this.#met.get(nodeId)
      const isDead = row.state === 'DEAD'
      if (known !== undefined && (isDead || epoch > known.epoch)) {
        this.#met.delete(nodeId)
        this.#dead.set(nodeId, known.epoch)
        died.push([row, { nodeId, epoch: known.epoch }])
      }
      if (!isDead && known?.epoch !== epoch) this.#met.set(nodeId, { epoch, atMs })
    }
    for (const [{ death }, gone] of died) this.#inherit(gone, death ?? 'it has left')
    this.#takeTurns()
  }

  #inherit(gone: Holder, death: string): void {
    const { self, clock } = this.#deps
    const key = `${gone.nodeId}#${String(gone.epoch)}`
    // Who has come since has not met it, and will do nothing (AH2).
    const metBeforeMs = clock.monotonicMs() - HEARD_WITHIN_MS
    const others = [...this.#met].filter(([, { atMs }]) => atMs <= metBeforeMs).map(([id]) => id)
    const heirs = rendezvous(key, new Set([self.nodeId, ...others]), HEIRS_MAX)
    const rank = heirs.indexOf(self.nodeId)
    if (rank < 0) return
    const before = heirs.slice(0, rank).map((nodeId) => {
      return { nodeId, epoch: this.#met.get(nodeId)?.epoch ?? 0 }
    })
    this.#left.set(key, { gone, atMs: clock.monotonicMs(), death, before })
    const [oldest = ''] = this.#left.keys()
    if (this.#left.size > LEFT_MAX) this.#left.delete(oldest)
  }

  /** AH3. */
  #takeTurns(): void {
    const oldestMs = this.#deps.clock.monotonicMs() - LEFT_FOR_MS
    for (const [key, { gone, atMs, death, before }] of this.#left) {
      if (atMs < oldestMs) this.#left.delete(key)
      const rank = before.filter(
        ({ nodeId, epoch }) => this.#met.get(nodeId)?.epoch === epoch,
      ).length
      if (rank >= ADOPTERS) continue
      this.#left.delete(key)
      void this.#clearUp(gone, death, rank * NEXT_AFTER_MS)
    }
  }

  async #clearUp(gone: Holder, death: string, afterMs: number): Promise<void> {
    if (afterMs > 0) await delay(this.#deps.clock, afterMs)
    await this.#startAnew(gone, death)
    if (afterMs > 0) return
    await delay(this.#deps.clock, NEXT_AFTER_MS) // AH4
    await this.#startAnew(gone, death)
  }

  async #startAnew(gone: Holder, death: string): Promise<void> {
    let told: Promise<void> | undefined
    const known = (): Promise<void> => (told ??= this.#deps.tellOfDeath({ ...gone, death }))
    await this.#repeat.untilDone(async () => {
      const rows = await readHeldBy(this.#deps.storage, gone)
      // Each by itself, with the row as it was: a claim whose answer was lost is found to be ours.
      const decide = (row: ActorRow): Promise<void> =>
        this.#repeat.untilDone(() => this.#decide(row, death, known))
      await Promise.all(rows.map(decide))
    })
  }

  /** AH1. @param known  resolves when all know of the death. */
  async #decide(row: ActorRow, death: string, known: () => Promise<void>): Promise<void> {
    const { storage, clock, codec, self, tell, log } = this.#deps
    const { actorId, incarnation, maxRestarts, detached } = row
    const made = decodeMade(codec, row.spec)
    const { className } = made.spec
    const died = `actor ${className} died: its node ${row.nodeId} is dead (${death}), and `
    const { homeId, ownerAddress } = made.origin
    if (!detached && hasEnded(this.#ended, homeId, epochIn(ownerAddress))) {
      const why = `${died}so is the node of its creator. Create a new one.`
      await actorDead(storage, row, why, clock.nowMs())
      return
    }
    if (maxRestarts >= 0 && incarnation >= maxRestarts) {
      await actorDead(storage, row, `${died}${noRestarts(maxRestarts)}`, clock.nowMs())
      return
    }
    await willHold(storage, self, { actorId, incarnation: incarnation + 1 })
    const life = await claimRestart(storage, row, self)
    if (life === undefined) return
    log.info('an actor of a dead node is started again', { actorId, className })
    const lived = row.state === 'ALIVE' || incarnation > 0
    await known() // AH5
    tell({ kind: 'actorAdopted', made, incarnation: life.incarnation, lived, from: row.nodeId })
  }
}

const noRestarts = (maxRestarts: number): string =>
  maxRestarts === 0
    ? 'it has no restarts. Give maxRestarts to have it started again.'
    : 'its restarts are used up. Give more maxRestarts, or create a new one.'
