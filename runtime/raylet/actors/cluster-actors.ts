// Actors between nodes, performed: offers to host one, and what is done to one elsewhere. Where one
// is that is watched here finds actor-search.ts; what all that means is decided in actor-offers.ts
// and actors-elsewhere.ts.
// Invariants:
//   CT1. Whoever is asked is asked until it has answered or is dead: an actor is looked for, and
//        ended, across outages of any length, at a rate that falls (actor-search.ts).
import { toHex } from '../../common/ids.ts'
import { isOutage } from '../../gcs/attempts.ts'
import { killUnmade, type ActorRow } from '../../gcs/actors.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import { isNobodyThere } from '../../protocol/peer-transport.ts'
import type { ActorCall, ActorOffer, OfferAnswer } from './actor-events.ts'
import { ActorSearch, epochOf, pause, rowOf, type ActorSearchDeps } from './actor-search.ts'
import { endedLives, hasEnded as hasLifeEnded, type EndedLives } from './ended-lives.ts'
import { goneActor } from './gone-actors.ts'
import type { ClusterLeases } from '../cluster/cluster-leases.ts'
import type {
  PeerLink,
  PeerMessage,
  PeerRayletCalls,
  PeerRayletNotices,
} from '../cluster/peer-raylet-messages.ts'
import type { RayletEffect } from '../turn.ts'

const ASK_LIMIT_MS = 5_000
/** A worker that is killed is gone by then. */
const CALL_LIMIT_MS = 10_000

export interface ClusterActorsDeps extends ActorSearchDeps {
  readonly leases: Pick<ClusterLeases, 'ownLoad'>
  /** Of the lives that have ended since it was told last. */
  readonly livesEnded: (ended: readonly (readonly [nodeId: string, epoch: number])[]) => void
}

type ActorEffect = Extract<
  RayletEffect,
  { kind: 'offerActor' | 'locateActor' | 'callActor' | 'tellActorLink' }
>
type EffectOf<K extends ActorEffect['kind']> = Extract<ActorEffect, { kind: K }>

export class ClusterActors {
  readonly #deps: ClusterActorsDeps
  /** Connections by which other nodes watch actors of this one. */
  readonly #links = new Map<number, PeerLink>()
  readonly #search: ActorSearch
  #ended: EndedLives = new Map()
  #stopped = false

  constructor(deps: ClusterActorsDeps) {
    this.#deps = deps
    this.#search = new ActorSearch(deps)
  }

  stop(): void {
    this.#stopped = true
    this.#search.stop()
  }

  nodes(rows: readonly NodeRow[]): void {
    const ended = endedLives(rows)
    const before = this.#ended
    const fresh = [...ended].filter(([nodeId, epoch]) => !hasLifeEnded(before, nodeId, epoch))
    this.#ended = ended
    if (fresh.length === 0) return
    this.#deps.livesEnded(fresh)
    this.#deps.brain.tell({ kind: 'livesEnded', ended })
  }

  perform(effect: ActorEffect): void {
    switch (effect.kind) {
      case 'offerActor':
        void this.#offer(effect)
        return
      case 'locateActor':
        void this.#search.locate(effect)
        return
      case 'callActor':
        void this.#call(effect)
        return
      case 'tellActorLink': {
        const link = this.#links.get(effect.link)
        if (effect.type === 'actorMoved') link?.notify(effect.type, effect.message)
        else link?.notify(effect.type, effect.message)
      }
    }
  }

  requested({ from, type, message, link }: PeerMessage): unknown {
    switch (type as 'offerActor' | 'watchActor' | 'callActor' | 'goneActor') {
      case 'offerActor':
        this.#links.set(link.id, link)
        return this.#offered(from, link.id, message as ActorOffer)
      case 'watchActor': {
        this.#links.set(link.id, link)
        const { actorId, isUnmade } = message as PeerRayletCalls['watchActor'][0]
        return this.#deps.brain.ask((request) => {
          return { kind: 'nodeWatches', link: link.id, request, actorId, isUnmade }
        })
      }
      case 'callActor': {
        const { call, isUnmade } = message as PeerRayletCalls['callActor'][0]
        return this.#callHere(call, isUnmade).then((isHere) => ({ isHere }))
      }
      case 'goneActor': {
        const { state, clock } = this.#deps
        const wanted = message as PeerRayletCalls['goneActor'][0]
        return goneActor(state, wanted, clock.monotonicMs())
      }
    }
  }

  notified({ from, type, message }: PeerMessage): void {
    const { brain } = this.#deps
    if (type === 'actorChanged') {
      const { view } = message as PeerRayletNotices['actorChanged']
      brain.tell({ kind: 'actorHeard', nodeId: from, view })
      return
    }
    const { actorId } = message as PeerRayletNotices['actorMoved']
    if (!this.#search.moved(actorId)) brain.tell({ kind: 'actorMoved', nodeId: from, actorId })
  }

  linkClosed(link: number): void {
    if (this.#links.delete(link)) this.#deps.brain.tell({ kind: 'guestLinkClosed', link })
  }

  get #self(): string {
    return toHex(this.#deps.state.config.nodeId)
  }

  #isLiving(nodeId: string): boolean {
    return epochOf(this.#deps.member, nodeId) !== undefined
  }

  async #offered(from: string, link: number, offer: ActorOffer): Promise<OfferAnswer> {
    const { brain, leases } = this.#deps
    const answer = await brain.ask((request) => ({ kind: 'actorOffered', link, request, offer }))
    return { ...(answer as Omit<OfferAnswer, 'load'>), load: leases.ownLoad(from) }
  }

  /** HO2: until it is known whether that life of the node has taken it; its next one would again. */
  async #offer({ nodeId, offer }: EffectOf<'offerActor'>): Promise<void> {
    const { brain, member } = this.#deps
    const epoch = epochOf(member, nodeId)
    let mayHaveArrived = false
    for (let tries = 0; !this.#stopped; tries += 1) {
      if (tries > 0) await pause(this.#deps.clock, tries)
      if (epoch === undefined || epochOf(member, nodeId) !== epoch) break
      try {
        const answer = await member.ask(nodeId, 'offerActor', offer, ASK_LIMIT_MS)
        brain.tell({ kind: 'offerAnswered', nodeId, offer, answer })
        return
      } catch (error) {
        mayHaveArrived ||= !isNobodyThere(error)
        if (!mayHaveArrived) break
      }
    }
    const answer = mayHaveArrived ? 'LOST' : 'NOBODY'
    brain.tell({ kind: 'offerAnswered', nodeId, offer, answer })
  }

  /** CT1. */
  async #call(effect: EffectOf<'callActor'>): Promise<void> {
    const { call, at, request } = effect
    const meant: { life?: number } = {}
    let isDone = at !== undefined && (await this.#callAt(at, call, false))
    for (let tries = at === undefined ? 0 : 1; !this.#stopped && !isDone; tries += 1) {
      if (tries > 0) await pause(this.#deps.clock, tries)
      isDone = await this.#callByRow(effect, meant)
    }
    if (request !== undefined) this.#deps.brain.tell({ kind: 'actorCalled', request })
  }

  /** @param meant  the life of the actor that is meant, once its row was read. */
  async #callByRow(
    { call, homeId = this.#self }: EffectOf<'callActor'>,
    meant: { life?: number },
  ): Promise<boolean> {
    const row = await rowOf(this.#deps.storage, call.actorId)
    if (row === 'OUTAGE') return false
    if (row === 'KILLED') return true
    if (row === undefined) return await this.#callUnmade(call, homeId)
    meant.life ??= row.incarnation
    return hasEnded(row, call, meant.life) || (await this.#callAt(row.nodeId, call, false))
  }

  /**
   * Its home may be about to make it, or know that another was found; where that has nothing of it,
   * or is gone, a task that is run again may make it, anywhere: the row is to say that it may not.
   */
  async #callUnmade(call: ActorCall, homeId: string): Promise<boolean> {
    const isHomeGone = homeId !== this.#self && !this.#isLiving(homeId)
    const isThere = isHomeGone ? false : await this.#ask(homeId, call, true)
    if (isThere !== false) return isThere === true
    if (call.type !== 'killActor' || !call.noRestart) return true // no life of it has begun
    const { storage, clock } = this.#deps
    try {
      return await killUnmade(storage, toHex(call.actorId), clock.nowMs())
    } catch (error) {
      if (isOutage(error)) return false
      throw error
    }
  }

  /** @returns whether the actor is there, so that it was done. */
  async #callAt(nodeId: string, call: ActorCall, isUnmade: boolean): Promise<boolean> {
    return (await this.#ask(nodeId, call, isUnmade)) === true
  }

  /** As #callAt; undefined: that node is away, or dead, and the row is to be read again. */
  async #ask(nodeId: string, call: ActorCall, isUnmade: boolean): Promise<boolean | undefined> {
    if (nodeId === this.#self) return await this.#callHere(call, isUnmade)
    if (!this.#isLiving(nodeId)) return undefined
    const answer = await this.#deps.member
      .ask(nodeId, 'callActor', { call, isUnmade }, CALL_LIMIT_MS)
      .catch(() => undefined)
    return answer?.isHere
  }

  async #callHere(call: ActorCall, isUnmade: boolean): Promise<boolean> {
    const { brain } = this.#deps
    if (isUnmade && call.type === 'killActor') {
      const { actorId, noRestart } = call
      const answer = await brain.ask((request) => {
        return { kind: 'killActor', request, actorId, noRestart, isUnmade }
      })
      return (answer as { readonly isUnmade: boolean } | undefined)?.isUnmade !== true
    }
    const answer = await brain.ask((request) => ({ kind: 'actorCall', request, call }))
    return answer !== false || isUnmade
  }
}

/** There is nothing left to do to it: also where one life alone was to end. */
const hasEnded = (row: ActorRow, call: ActorCall, life: number): boolean =>
  row.state === 'DEAD' || (call.type === 'killActor' && !call.noRestart && row.incarnation > life)
