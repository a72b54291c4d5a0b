// Actors of nodes that have died: a living node takes the next incarnation of each that has
// restarts left, and ends the others. Who does it is agreed on without asking: rendezvous hashing
// names the first; the next two do what is left after a while, should the first be dying too.
// Invariants:
//   AH1. A conditional write on its row decides each actor: of many who do this, one takes it.
//   AH2. Only nodes that this one has met are cleared up after: not those of an earlier life of the
//        cluster.
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
import type { NodeRow } from '../../gcs/nodes.ts'
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

export interface ActorAdopterDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly codec: ValueCodec
  readonly self: Holder
  readonly tell: (stimulus: Stimulus) => void
}

export class ActorAdopter {
  readonly #deps: ActorAdopterDeps
  readonly #repeat: GcsRepeat
  /** The epoch in which each node was met; as many as the cluster has had members. */
  readonly #met = new Map<string, number>()
  /** Of those, the ones that are dead by now. */
  readonly #dead = new Map<string, number>()
  #living: ReadonlySet<string> = new Set()
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
    return this.#met.get(nodeId) === epoch || this.#dead.get(nodeId) === epoch
  }

  /** All that have a row, the dead included. */
  nodes(rows: readonly NodeRow[]): void {
    const living = rows.filter(({ state }) => state !== 'DEAD')
    this.#living = new Set(living.map(({ nodeId }) => nodeId))
    this.#ended = endedLives(rows)
    for (const row of rows) {
      const known = this.#met.get(row.nodeId)
      const isDead = row.state === 'DEAD'
      if (known !== undefined && (isDead || row.epoch > known)) this.#died(row, known)
      if (!isDead) this.#met.set(row.nodeId, row.epoch)
    }
  }

  #died({ nodeId, death }: NodeRow, epoch: number): void {
    this.#met.delete(nodeId)
    this.#dead.set(nodeId, epoch)
    const gone: Holder = { nodeId, epoch }
    const candidates = rendezvous(`${nodeId}#${String(epoch)}`, this.#living, ADOPTERS)
    const rank = candidates.indexOf(this.#deps.self.nodeId)
    if (rank >= 0) void this.#clearUp(gone, death ?? 'it has left', rank * NEXT_AFTER_MS)
  }

  async #clearUp(gone: Holder, death: string, afterMs: number): Promise<void> {
    if (afterMs > 0) await delay(this.#deps.clock, afterMs)
    await this.#repeat.untilDone(async () => {
      const rows = await readHeldBy(this.#deps.storage, gone)
      // Each by itself, with the row as it was: a claim whose answer was lost is found to be ours.
      const decide = (row: ActorRow): Promise<void> =>
        this.#repeat.untilDone(() => this.#decide(row, death))
      await Promise.all(rows.map(decide))
    })
  }

  /** AH1. */
  async #decide(row: ActorRow, death: string): Promise<void> {
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
    await willHold(storage, self, actorId)
    const life = await claimRestart(storage, row, self)
    if (life === undefined) return
    log.info('an actor of a dead node is started again', { actorId, className })
    const lived = row.state === 'ALIVE' || incarnation > 0
    tell({ kind: 'actorAdopted', made, incarnation: life.incarnation, lived, from: row.nodeId })
  }
}

const noRestarts = (maxRestarts: number): string =>
  maxRestarts === 0
    ? 'it has no restarts. Give maxRestarts to have it started again.'
    : 'its restarts are used up. Give more maxRestarts, or create a new one.'
