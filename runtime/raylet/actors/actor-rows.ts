// What the raylet writes into the GCS of the actors that it holds, where there are several nodes,
// and how it finds those that have a name. A cluster of one node has no such rows.
// Invariants:
//   AW1. The writes of one actor come one after another, in the order that the brain decided.
//   AW2. As GW2 and GW3 of gcs-writer.ts.
//   AW3. A name is in the way as long as its actor lives, or may be started again. What an earlier
//        life of the cluster left is not: it is of nodes that no living one has met, as those that
//        have met a node start its actors again.
import type { Clock } from '../../common/clock.ts'
import { GcsUnavailableError, type VirgaError } from '../../common/errors.ts'
import { fromHex, toHex, type ActorId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import {
  actorAlive,
  actorDead,
  claimRestart,
  holdsNoMore,
  readActor,
  refuseActor,
  registerActor,
  unnameActor,
  willHold,
  type ActorRow,
  type Holder,
} from '../../gcs/actors.ts'
import { findName, type ActorName, type NameRow } from '../../gcs/names.ts'
import { isGone } from '../../gcs/nodes.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { ValueCodec } from '../../protocol/value-codec.ts'
import { decodeMade, encodeMade, infoOfMade, type MadeActor } from './actor-origin.ts'
import type { GoneActor } from './actor-events.ts'
import type { Stimulus } from '../client-link.ts'
import { GcsRepeat } from '../gcs-repeat.ts'
import type { RayletEffect } from '../turn.ts'

/** How often a name's row may name an actor that is gone meanwhile. */
const NAME_TRIES_MAX = 5
/** Other nodes are asked who had a name no oftener, and of no more names in that time. */
const GONE_ASKED_MS = 1_000
const GONE_ASKED_MAX = 100
const FORGOTTEN = 'it was of an earlier life of the cluster'

export interface ActorRowsDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly codec: ValueCodec
  readonly self: Holder
  /** Whether this node has been a member together with that one. */
  readonly hasMet: (holder: Holder) => boolean
  /** Whether another living node has. @throws GcsUnavailableError while that is not known. */
  readonly haveOthersMet: (holder: Holder) => Promise<boolean>
  /** Who had a name last, by what the other nodes know. */
  readonly goneElsewhere: (wanted: ActorName) => Promise<GoneActor | undefined>
  readonly tell: (stimulus: Stimulus) => void
}

type RowEffect = Extract<RayletEffect, { kind: 'registerActor' | 'writeActor' | 'findActor' }>
type EffectOf<K extends RowEffect['kind']> = Extract<RowEffect, { kind: K }>

export class ActorRows {
  readonly #deps: ActorRowsDeps
  readonly #repeat: GcsRepeat
  /** When others were asked who had a name, the last one last. */
  readonly #goneAskedAtMs = new Map<string, number>()

  constructor(deps: ActorRowsDeps) {
    this.#deps = deps
    this.#repeat = new GcsRepeat(deps)
  }

  close(): void {
    this.#repeat.close()
  }

  perform(effect: RowEffect): void {
    switch (effect.kind) {
      case 'registerActor':
        this.#register(effect)
        return
      case 'writeActor':
        this.#inOrder(
          effect.actorId,
          () => this.#write(effect),
          () => this.#refused(effect),
        )
        return
      case 'findActor':
        this.#find(effect)
        return
    }
  }

  #register({ made, sinceMs }: EffectOf<'registerActor'>): void {
    const { tell } = this.#deps
    const { actorId } = made.spec
    let isDoubted = false
    const inDoubt = (): void => {
      isDoubted = true
    }
    const register = async (): Promise<void> => {
      const existing = await this.#registered(made, sinceMs, inDoubt)
      const { storage, clock } = this.#deps
      if (existing !== undefined && existing !== 'KILLED' && isDoubted) {
        await refuseActor(storage, toHex(actorId), clock.nowMs()) // AC4
      }
      if (existing !== undefined) this.#isNotOurs(actorId)
      tell({ kind: 'actorRegistered', actorId, existing })
    }
    this.#inOrder(actorId, register, (error) => {
      tell({ kind: 'claimRefused', actorId, error })
    })
  }

  /** Another has its name, or it was killed before it was made: it will never live. */
  #isNotOurs(id: ActorId): void {
    const { storage, self, log } = this.#deps
    const actorId = toHex(id)
    this.#inOrder(
      id,
      () => holdsNoMore(storage, self, { actorId, incarnation: 0 }),
      ({ message: error }) => {
        log.warn('a row of an actor that was not made is left', { actorId, error })
      },
    )
  }

  async #registered(made: MadeActor, sinceMs: number, inDoubt: () => void) {
    const { storage, self, clock, codec } = this.#deps
    const { actorId: id, owner, name, namespace, detached, maxRestarts } = made.spec
    const actorId = toHex(id)
    const row = {
      ...{ actorId, owner: toHex(owner), detached, maxRestarts, ...self },
      name: name === undefined ? null : { namespace, name },
      spec: encodeMade(codec, made),
    }
    const since = Math.round(clock.nowMs() - (clock.monotonicMs() - sinceMs))
    await willHold(storage, self, { actorId, incarnation: 0 })
    for (let tries = 0; tries < NAME_TRIES_MAX; tries += 1) {
      const holder = await registerActor(storage, row, since, inDoubt)
      if (holder === undefined || holder === 'KILLED') return holder
      const living = await this.#livingOf(holder)
      if (living !== undefined) {
        // The name's row says where it was made, its own where it lives.
        const { nodeId, epoch } = living
        const holding = { ...holder, nodeId, epoch, actorId: fromHex(holder.actorId) as ActorId }
        return { info: infoOfMade(decodeMade(codec, living.spec)), holder: holding }
      }
    }
    throw new GcsUnavailableError(`the name of actor ${actorId} changes hands: try again`)
  }

  /** AW3. */
  async #livingOf({ actorId }: NameRow): Promise<ActorRow | undefined> {
    const { storage, clock, hasMet, haveOthersMet } = this.#deps
    const row = await readActor(storage, actorId)
    if (row === undefined || row.state === 'DEAD') return undefined
    if (hasMet(row) || !(await isGone(storage, row)) || (await haveOthersMet(row))) return row
    await actorDead(storage, row, FORGOTTEN, clock.nowMs())
    return undefined
  }

  async #write({ actorId: id, incarnation, write }: EffectOf<'writeActor'>): Promise<void> {
    const { storage, clock, self, tell } = this.#deps
    const actorId = toHex(id)
    const life = { actorId, incarnation }
    switch (write.kind) {
      case 'ALIVE': {
        const { from, address } = write
        if (from.nodeId !== self.nodeId) await willHold(storage, self, life)
        const won = await actorAlive(storage, { ...life, ...from }, address, self)
        tell({ kind: 'actorWritten', actorId: id, incarnation, write: 'ALIVE', won })
        return
      }
      case 'RESTARTING': {
        await willHold(storage, self, life)
        const gone = { actorId, incarnation: incarnation - 1, ...self }
        const won = (await claimRestart(storage, gone, self)) !== undefined
        tell({ kind: 'actorWritten', actorId: id, incarnation, write: 'RESTARTING', won })
        return
      }
      case 'DEAD':
        await actorDead(storage, life, write.death, clock.nowMs())
        await holdsNoMore(storage, self, life)
        if (write.request !== undefined) tell({ kind: 'actorCalled', request: write.request })
        return
      case 'UNNAMED':
        await unnameActor(storage, actorId)
        return
      case 'LEFT':
        await holdsNoMore(storage, self, life)
        return
      case 'SETTLED':
        tell({ kind: 'actorCalled', request: write.request })
    }
  }

  /** What cannot be written is none of ours any more. */
  #refused({ actorId, incarnation, write }: EffectOf<'writeActor'>): void {
    const { tell } = this.#deps
    if (write.kind === 'DEAD' && write.request !== undefined) {
      tell({ kind: 'actorCalled', request: write.request })
    }
    if (write.kind !== 'ALIVE' && write.kind !== 'RESTARTING') return
    tell({ kind: 'actorWritten', actorId, incarnation, write: write.kind, won: false })
  }

  #find({ request, name, namespace }: EffectOf<'findActor'>): void {
    const { storage, codec, tell } = this.#deps
    const find = async (): Promise<void> => {
      const holder = await findName(storage, { name, namespace })
      const row = holder && (await this.#livingOf(holder))
      const info = row && infoOfMade(decodeMade(codec, row.spec))
      const gone = info === undefined ? await this.#goneElsewhere({ name, namespace }) : undefined
      tell({ kind: 'actorFound', request, name, namespace, info, gone })
    }
    void this.#repeat.untilDone(find, (error) => {
      tell({ kind: 'findRefused', request, error })
    })
  }

  /** Who had that name last. Many may ask for a name again and again until there is one. */
  async #goneElsewhere(wanted: ActorName): Promise<GoneActor | undefined> {
    const nowMs = this.#deps.clock.monotonicMs()
    const asked = this.#goneAskedAtMs
    for (const [key, atMs] of asked) {
      if (nowMs - atMs < GONE_ASKED_MS) break
      asked.delete(key)
    }
    const key = JSON.stringify([wanted.namespace, wanted.name])
    if (asked.has(key) || asked.size >= GONE_ASKED_MAX) return undefined
    asked.set(key, nowMs)
    return await this.#deps.goneElsewhere(wanted)
  }

  /** AW1. */
  #inOrder(id: ActorId, run: () => Promise<void>, refused: (error: VirgaError) => void): void {
    const actorId = toHex(id)
    this.#repeat.inOrder(actorId, run, refused, { actorId })
  }
}
