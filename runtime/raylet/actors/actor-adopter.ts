// Actors of nodes that have died, or drain: a living node takes the next incarnation of each with
// restarts left, and ends the others. Who does it is agreed on without asking: rendezvous hashing
// gives the order; the second and third do what is left after a while, should the first be dying.
// Invariants:
//   AH1. A conditional write on its row decides each actor: of many who do this, one takes it.
//   AH2. Only nodes that were members together with this one are cleared up after: not those of an
//        earlier life of the cluster. One that came and went between two looks is seen dead at
//        first, or in its next epoch, and counts if this node had arrived before (MB4).
//   AH3. For each that dies the next in the order is one of the three. In a storm of deaths those
//        that were chosen may all be dead already, and not be known to be. They may also never
//        have seen the dead node, in an outage of the GCS: so in the end each in the order looks.
//   AH4. The first looks again after a while: what the dead node had written last may be executed
//        late (DC3).
//   AH5. All nodes know of the death before an actor begins its next life (TD1).
//   AH6. What else the dead node had in the GCS, and the rows that say what it held, go after that.
//   AH7. A node that drains has them adopted by any other, once nothing of that life runs any more
//        (GA1). However often one is asked, and should the node die meanwhile: a life begins once.
//   AH8. What has not begun there is no next life: who adopts it takes the same, if its row names
//        that node still; who had offered it there takes it back (GA4).
// Source: design 8 (work without a leader); faults.md F07, F13.
import { delay, type Clock } from '../../common/clock.ts'
import { toHex } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import { RecentSet } from '../../common/recent-set.ts'
import {
  actorDead,
  claimRestart,
  isHeldBy,
  readActor,
  readHeldBy,
  takeUnbegun,
  willHold,
  type ActorRow,
  type Holder,
} from '../../gcs/actors.ts'
import type { NodeDeath, NodeRow } from '../../gcs/nodes.ts'
import { rendezvous } from '../../gcs/rendezvous.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { WorkerExit } from '../../protocol/messages.ts'
import { epochIn } from '../../protocol/node-identity.ts'
import type { ValueCodec } from '../../protocol/value-codec.ts'
import type { LeftActor } from './actor-events.ts'
import { decodeMade, type MadeActor } from './actor-origin.ts'
import { endedLives, epochsEnded, hasEnded, type EndedLives } from './ended-lives.ts'
import type { Brain } from '../brain.ts'
import type { Stimulus } from '../client-link.ts'
import { GcsRepeat } from '../gcs-repeat.ts'

/** Nodes that clear up after one, at different times. */
const ADOPTERS = 3
const NEXT_AFTER_MS = 5_000
/** After so long those do it, too, that have others than these before them. */
const LAST_AFTER_MS = 60_000
/** The length of the order. That so many die before one of them has done it is not to be expected. */
const HEIRS_MAX = 16
/** A death is heard of later than an arrival, by so much at most while the GCS answers. */
const HEARD_WITHIN_MS = 10_000
/** Of which a node keeps who comes ahead of it: the newest. */
const LEFT_MAX = 1_000
/** Of which it is remembered that they have begun; they are asked for again within seconds. */
const BEGUN_MAX = 10_000

interface Met {
  readonly epoch: number
  readonly atMs: number
}

interface Epochs {
  readonly first: number
  readonly last: number
}

/** What a dead node has left to this one, should those die that come before it. */
interface Left {
  readonly gone: Holder
  readonly death: string
  readonly before: readonly Holder[]
}

interface LifeBefore {
  /** How its worker ended, where that was seen. */
  readonly exit?: WorkerExit | undefined
  /** It has not begun, and goes on (AH8). */
  readonly isUnbegun?: boolean
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
  readonly brain: Pick<Brain, 'ask'>
  /** MB4. */
  readonly hasArrived: () => boolean
  /** This node drains itself: it would only give on what it adopts. */
  readonly isLeaving: () => boolean
  /** AH6. May be repeated. */
  readonly clearRowsOf: (gone: Holder) => Promise<void>
}

export class ActorAdopter {
  readonly #deps: ActorAdopterDeps
  readonly #repeat: GcsRepeat
  /** The epoch in which each living node was met, and when. */
  readonly #met = new Map<string, Met>()
  /** Lives that have ended and are cleared up after; as many nodes as the cluster has had. */
  readonly #dead = new Map<string, Epochs>()
  /** The newest epoch of each that has a row. */
  readonly #seen = new Map<string, number>()
  /** When it was told last. */
  #hadArrived = false
  /** AH3. By node and epoch. */
  readonly #left = new Map<string, Left>()
  #ended: EndedLives = new Map()
  /** AH7. Lives of actors that began here. */
  readonly #begun = new RecentSet<string>(BEGUN_MAX)

  constructor(deps: ActorAdopterDeps) {
    this.#deps = deps
    this.#repeat = new GcsRepeat(deps)
  }

  stop(): void {
    this.#repeat.close()
  }

  /** AH2. */
  hasMet({ nodeId, epoch }: Holder): boolean {
    const dead = this.#dead.get(nodeId)
    if (this.#met.get(nodeId)?.epoch === epoch) return true
    return dead !== undefined && epoch >= dead.first && epoch <= dead.last
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
        died.push([row, { nodeId, epoch: known.epoch }])
      }
      if (!isDead && known?.epoch !== epoch) this.#met.set(nodeId, { epoch, atMs })
      for (const unseen of this.#unseenBefore(row)) died.push([row, { nodeId, epoch: unseen }])
      this.#seen.set(nodeId, epoch)
    }
    this.#hadArrived = this.#deps.hasArrived()
    for (const [{ death }, gone] of died) this.#inherit(gone, death ?? 'it has left')
    this.#takeTurns()
  }

  /** AH2. Epochs of that node that have ended since it was seen last. */
  #unseenBefore(row: NodeRow): readonly number[] {
    const seen = this.#seen.get(row.nodeId)
    return seen === undefined && !this.#hadArrived ? [] : epochsEnded(row, seen)
  }

  #inherit(gone: Holder, death: string): void {
    const { self, clock } = this.#deps
    const { first } = this.#dead.get(gone.nodeId) ?? { first: gone.epoch }
    this.#dead.set(gone.nodeId, { first, last: gone.epoch })
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
    this.#left.set(key, { gone, death, before })
    const [oldest = ''] = this.#left.keys()
    if (this.#left.size > LEFT_MAX) this.#left.delete(oldest)
    if (rank >= ADOPTERS) void this.#lookLast(key, LAST_AFTER_MS + rank * NEXT_AFTER_MS)
  }

  /** AH3. */
  async #lookLast(key: string, afterMs: number): Promise<void> {
    await delay(this.#deps.clock, afterMs)
    const left = this.#left.get(key)
    if (left === undefined) return // its turn has come
    this.#left.delete(key)
    await this.#startAnew(left.gone, left.death)
    await this.#clearRows(left.gone)
  }

  /** AH3. */
  #takeTurns(): void {
    for (const [key, { gone, death, before }] of this.#left) {
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
    if (afterMs === 0) {
      await delay(this.#deps.clock, NEXT_AFTER_MS) // AH4
      await this.#startAnew(gone, death)
    }
    await this.#clearRows(gone)
  }

  /** AH6. */
  #clearRows(gone: Holder): Promise<void> {
    return this.#repeat.untilDone(() => this.#deps.clearRowsOf(gone))
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
    const { codec, log } = this.#deps
    const { actorId, maxRestarts } = row
    const made = decodeMade(codec, row.spec)
    const { className } = made.spec
    const died = `actor ${className} died: its node ${row.nodeId} is dead (${death}), and `
    if (this.#endsWithMaker(row, made)) {
      const why = `${died}so is the node of its creator. Create a new one.`
      await this.#bury(row, made, why)
      return
    }
    if (hasNoRestart(row)) {
      await this.#bury(row, made, `${died}${noRestarts(maxRestarts)}`)
      return
    }
    if (!(await this.#claim(row))) return
    log.info('an actor of a dead node is started again', { actorId, className })
    await known() // AH5
    this.#begin(row, made)
  }

  /**
   * AH7. May be repeated.
   * @returns whether it is of that node no more: this one has taken it, or another had.
   * @throws what is not known to be either, and may come to be it.
   */
  async adopt(left: LeftActor): Promise<boolean> {
    const { actorId: id, incarnation, exit, unbegunAt } = left
    const { storage, codec, log, self, isLeaving } = this.#deps
    const actorId = toHex(id)
    const row = await readActor(storage, actorId)
    if (row === undefined || row.state === 'DEAD' || row.incarnation !== incarnation) return true
    const isUnbegun = unbegunAt !== undefined
    if (isUnbegun && !isHeldBy(row, unbegunAt)) {
      return isHeldBy(row, self) ? await this.#takeBack(left, unbegunAt) : true
    }
    const made = decodeMade(codec, row.spec)
    if (isLeaving() || this.#endsWithMaker(row, made)) return false
    if (!isUnbegun && hasNoRestart(row)) return false
    const take = (): Promise<boolean> => (isUnbegun ? this.#take(row) : this.#claim(row))
    if (!(await this.#repeat.pastOutages(take, isWanted))) return true
    const { className } = made.spec
    log.info('an actor of a node that drains is started here', { actorId, className })
    this.#begin(row, made, { exit, isUnbegun })
    return true
  }

  #endsWithMaker({ detached }: ActorRow, { origin }: MadeActor): boolean {
    const { homeId, ownerAddress } = origin
    return !detached && hasEnded(this.#ended, homeId, epochIn(ownerAddress))
  }

  /** AH1. */
  async #claim(row: ActorRow): Promise<boolean> {
    const { storage, self } = this.#deps
    const { actorId, incarnation } = row
    await willHold(storage, self, { actorId, incarnation: incarnation + 1 })
    return (await claimRestart(storage, row, self)) !== undefined
  }

  /** AH8. @returns whether that node has it no more, as far as this one knows. */
  async #takeBack({ actorId, incarnation }: LeftActor, from: Holder): Promise<boolean> {
    const isGone = await this.#deps.brain.ask((request) => {
      return { kind: 'offerReturned', request, from, actorId, incarnation }
    })
    return isGone === true
  }

  /** AH8. */
  async #take(row: ActorRow): Promise<boolean> {
    const { storage, self } = this.#deps
    await willHold(storage, self, row)
    return await takeUnbegun(storage, row, self)
  }

  #begin(row: ActorRow, made: MadeActor, { exit, isUnbegun = false }: LifeBefore = {}): void {
    const { actorId, nodeId: from } = row
    const incarnation = row.incarnation + (isUnbegun ? 0 : 1)
    const life = `${actorId}#${String(incarnation)}`
    if (this.#begun.has(life)) return // AH7
    this.#begun.add(life)
    const lived = row.state === 'ALIVE' || row.incarnation > 0
    const seen = exit === undefined ? {} : { exit }
    this.#deps.tell({ kind: 'actorAdopted', made, incarnation, lived, from, isUnbegun, ...seen })
  }

  /** It is listed here from now on, as its own node would. */
  async #bury(row: ActorRow, made: MadeActor, death: string): Promise<void> {
    const { storage, clock, tell } = this.#deps
    if (!(await actorDead(storage, row, death, clock.nowMs()))) return
    const { incarnation, nodeId, epoch } = row
    tell({ kind: 'actorBuried', made, incarnation, from: { nodeId, epoch }, death })
  }
}

const isWanted = (): boolean => true

const hasNoRestart = ({ maxRestarts, incarnation }: ActorRow): boolean =>
  maxRestarts >= 0 && incarnation >= maxRestarts

const noRestarts = (maxRestarts: number): string =>
  maxRestarts === 0
    ? 'it has no restarts. Give maxRestarts to have it started again.'
    : 'its restarts are used up. Give more maxRestarts, or create a new one.'
