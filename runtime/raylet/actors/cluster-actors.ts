// Actors between nodes, performed: offers to host one, where each is that is watched here, and
// what is done to one elsewhere. What all that means is decided in actor-offers.ts and
// actors-elsewhere.ts.
// Invariants:
//   CT1. Whoever is asked is asked until it has answered or is dead: an actor is looked for, and
//        ended, across outages of any length, at a rate that falls to one try in TRY_MS_MAX.
//   CT2. One look-out runs for an actor, whatever asks for it meanwhile. What is asked at once is
//        bounded by the actors that processes of this node made or have handles of.
import { delay, type Clock } from '../../common/clock.ts'
import { toWire } from '../../common/error-wire.ts'
import { ActorDiedError } from '../../common/errors.ts'
import { toHex, type ActorId, type WorkerId } from '../../common/ids.ts'
import { isOutage } from '../../gcs/attempts.ts'
import { killUnmade, lookUpActor, type ActorRow } from '../../gcs/actors.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { ActorView } from '../../protocol/actor-messages.ts'
import { isNobodyThere } from '../../protocol/peer-transport.ts'
import type { ActorCall, ActorOffer, OfferAnswer } from './actor-events.ts'
import { unknownView } from './actors-elsewhere.ts'
import { endedLives, hasEnded as hasLifeEnded, type EndedLives } from './ended-lives.ts'
import { goneActor } from './gone-actors.ts'
import type { Brain } from '../brain.ts'
import type { Stimulus } from '../client-link.ts'
import type { ClusterLeases } from '../cluster/cluster-leases.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'
import type {
  PeerLink,
  PeerMessage,
  PeerRayletCalls,
  PeerRayletNotices,
} from '../cluster/peer-raylet-messages.ts'
import { lostWorker } from '../lost-worker.ts'
import type { RayletState } from '../state.ts'
import type { RayletEffect } from '../turn.ts'

const TRY_MS_MIN = 50
const TRY_MS_MAX = 2_000
const ASK_LIMIT_MS = 5_000
/** A worker that is killed is gone by then. */
const CALL_LIMIT_MS = 10_000

export interface ClusterActorsDeps {
  readonly member: ClusterMember
  readonly brain: Brain
  readonly state: RayletState
  readonly storage: Storage
  readonly clock: Clock
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
  /** Actors that are looked for, and whether they have moved since that began (CT2). */
  readonly #looking = new Map<ActorId, { again: boolean }>()
  #ended: EndedLives = new Map()
  #stopped = false

  constructor(deps: ClusterActorsDeps) {
    this.#deps = deps
  }

  stop(): void {
    this.#stopped = true
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
        void this.#locate(effect)
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

  requested({ type, message, link }: PeerMessage): unknown {
    switch (type as 'offerActor' | 'watchActor' | 'callActor' | 'goneActor') {
      case 'offerActor':
        this.#links.set(link.id, link)
        return this.#offered(link.id, message as ActorOffer)
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
    const looking = this.#looking.get(actorId)
    if (looking === undefined) brain.tell({ kind: 'actorMoved', nodeId: from, actorId })
    else looking.again = true
  }

  linkClosed(link: number): void {
    if (this.#links.delete(link)) this.#deps.brain.tell({ kind: 'guestLinkClosed', link })
  }

  get #self(): string {
    return toHex(this.#deps.state.config.nodeId)
  }

  #isLiving(nodeId: string): boolean {
    return this.#epochOf(nodeId) !== undefined
  }

  #epochOf(nodeId: string): number | undefined {
    const isThere = ({ nodeId: id, state }: NodeRow): boolean => id === nodeId && state !== 'DEAD'
    return this.#deps.member.nodes().find(isThere)?.epoch
  }

  async #offered(link: number, offer: ActorOffer): Promise<OfferAnswer> {
    const { brain, leases } = this.#deps
    const answer = await brain.ask((request) => ({ kind: 'actorOffered', link, request, offer }))
    return { ...(answer as Omit<OfferAnswer, 'load'>), load: leases.ownLoad() }
  }

  /** HO2: until it is known whether that life of the node has taken it; its next one would again. */
  async #offer({ nodeId, offer }: EffectOf<'offerActor'>): Promise<void> {
    const { brain, member } = this.#deps
    const epoch = this.#epochOf(nodeId)
    let mayHaveArrived = false
    for (let tries = 0; !this.#stopped; tries += 1) {
      if (tries > 0) await this.#pause(tries)
      if (epoch === undefined || this.#epochOf(nodeId) !== epoch) break
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

  /** CT1, CT2. */
  async #locate({ actorId, homeId, homeEpoch }: EffectOf<'locateActor'>): Promise<void> {
    const known = this.#looking.get(actorId)
    if (known !== undefined) {
      known.again = true
      return
    }
    const looking = { again: false }
    this.#looking.set(actorId, looking)
    for (let tries = 0; !this.#stopped && this.#isWanted(actorId); tries += 1) {
      if (tries > 0) await this.#pause(tries)
      looking.again = false
      const found = await this.#lookOnce(actorId, { homeId: homeId ?? this.#self, homeEpoch })
      if (found === undefined || looking.again) continue
      this.#looking.delete(actorId)
      this.#deps.brain.tell(found)
      return
    }
    this.#looking.delete(actorId)
  }

  #isWanted(actorId: ActorId): boolean {
    const { actors, cluster } = this.#deps.state
    return cluster?.actors.watched.has(actorId) === true || actors.get(actorId)?.place === 'AWAY'
  }

  async #lookOnce(actorId: ActorId, home: Home): Promise<Stimulus | undefined> {
    const local = this.#deps.state.actors.get(actorId)
    if (local !== undefined) {
      if (local.place !== 'AWAY' || local.hostId === undefined) {
        return { kind: 'actorIsHere', actorId }
      }
      return await this.#askView(local.hostId, actorId, false)
    }
    const row = await this.#rowOf(actorId)
    if (row === 'OUTAGE') return undefined
    if (row === undefined) return await this.#lookAtHome(actorId, home)
    if (row === 'KILLED') return located(actorId, undefined, killedView(actorId))
    const isLiving = this.#isLiving(row.nodeId)
    if (isLiving && row.nodeId !== this.#self) {
      const found = await this.#askView(row.nodeId, actorId, false)
      if (found !== undefined) return found
    }
    return row.state === 'DEAD'
      ? located(actorId, undefined, deadView(actorId, row, isLiving))
      : undefined
  }

  /**
   * Nobody has it: its maker may make it yet or, where that life of its node is over, a retry of
   * its task, anywhere. Whose handle names the maker minds how long that takes (MW1).
   */
  async #lookAtHome(
    actorId: ActorId,
    { homeId, homeEpoch = 0 }: Home,
  ): Promise<Stimulus | undefined> {
    const isHere = homeId === this.#self
    const epoch = isHere ? this.#deps.state.config.epoch : this.#epochOf(homeId)
    if (epoch === undefined && homeEpoch === 0) {
      return located(actorId, undefined, forgotten(actorId, homeId))
    }
    const isOver = epoch === undefined || (homeEpoch > 0 && epoch > homeEpoch)
    if (isHere || isOver) return located(actorId, homeId, unknownView(this.#deps, actorId))
    const found = await this.#askView(homeId, actorId, true)
    // It may have been made, and have moved on, before its home was asked.
    const row = await this.#rowOf(actorId)
    return row === undefined ? found : undefined
  }

  async #askView(
    nodeId: string,
    actorId: ActorId,
    isUnmade: boolean,
  ): Promise<Stimulus | undefined> {
    const view = await this.#deps.member
      .ask(nodeId, 'watchActor', { actorId, isUnmade }, ASK_LIMIT_MS)
      .catch(() => undefined) // it is away, or no member: the row is read again
    return view && located(actorId, nodeId, view)
  }

  /** CT1. */
  async #call(effect: EffectOf<'callActor'>): Promise<void> {
    const { call, at, request } = effect
    const meant: { life?: number } = {}
    let isDone = at !== undefined && (await this.#callAt(at, call, false))
    for (let tries = at === undefined ? 0 : 1; !this.#stopped && !isDone; tries += 1) {
      if (tries > 0) await this.#pause(tries)
      isDone = await this.#callByRow(effect, meant)
    }
    if (request !== undefined) this.#deps.brain.tell({ kind: 'actorCalled', request })
  }

  /** @param meant  the life of the actor that is meant, once its row was read. */
  async #callByRow(
    { call, homeId = this.#self }: EffectOf<'callActor'>,
    meant: { life?: number },
  ): Promise<boolean> {
    const row = await this.#rowOf(call.actorId)
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

  async #rowOf(actorId: ActorId): Promise<ActorRow | 'KILLED' | 'OUTAGE' | undefined> {
    try {
      return await lookUpActor(this.#deps.storage, toHex(actorId))
    } catch (error) {
      if (isOutage(error)) return 'OUTAGE'
      throw error
    }
  }

  #pause(tries: number): Promise<void> {
    return delay(this.#deps.clock, Math.min(TRY_MS_MAX, TRY_MS_MIN * 2 ** Math.min(tries, 10)))
  }
}

/** Of who made an actor; the epoch is undefined where it need not be known. */
interface Home {
  readonly homeId: string
  readonly homeEpoch: number | undefined
}

/** There is nothing left to do to it: also where one life alone was to end. */
const hasEnded = (row: ActorRow, call: ActorCall, life: number): boolean =>
  row.state === 'DEAD' || (call.type === 'killActor' && !call.noRestart && row.incarnation > life)

const located = (actorId: ActorId, nodeId: string | undefined, view: ActorView): Stimulus => ({
  ...{ kind: 'actorLocated', actorId, nodeId, view },
})

/** As far as its row tells. */
function deadView(actorId: ActorId, row: ActorRow, isNodeLiving: boolean): ActorView {
  const { incarnation, death, nodeId } = row
  const data = { actorId: toHex(actorId), nodeId, mayHaveRun: 'unknown' }
  const error = toWire(new ActorDiedError(death, { data }))
  const base = {
    actorId,
    phase: 'DEAD',
    incarnation,
    address: '',
    workerId: undefined,
    error,
  } as const
  return isNodeLiving ? base : { ...base, exit: lostWorker('' as WorkerId) }
}

function killedView(actorId: ActorId): ActorView {
  const data = { actorId: toHex(actorId), mayHaveRun: false }
  const message = `actor ${toHex(actorId)} is dead: it was killed before it was made. Create a new one.`
  const error = toWire(new ActorDiedError(message, { data }))
  return { actorId, phase: 'DEAD', incarnation: 0, address: '', workerId: undefined, error }
}

/** Who made it gave that handle away when it was made, so it has ended long ago. */
function forgotten(actorId: ActorId, homeId: string): ActorView {
  const data = { actorId: toHex(actorId), nodeId: homeId, mayHaveRun: 'unknown' }
  const message =
    `nothing is known of actor ${toHex(actorId)} any more: it has no row, and the node ${homeId} ` +
    'of its creator is dead. Create a new one.'
  const error = toWire(new ActorDiedError(message, { data }))
  return { actorId, phase: 'DEAD', incarnation: 0, address: '', workerId: undefined, error }
}
