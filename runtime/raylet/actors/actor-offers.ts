// Where an actor gets its lease, where there are several nodes (pure). Whoever holds it by its
// row, its maker's home at first, places it as leases are, and offers it to the node chosen.
//   UNPLACED ──place──► HERE ──► leased
//       ▲               ASKED ──accepted──► AWAY ──constructed there──► that node holds it
//       ├──refused────────┘ └──── the node died ────┘──► as when its worker had died there
//       └──not begun, its node drains ─────┘
// Invariants:
//   HO1. An offer is accepted with a lease, or refused: actors wait at home, but for those bound to
//        the node, which wait there. Two nodes are asked at most before it is placed anew.
//   HO2. Whether a node has taken an offer is known before another gets it: the constructor of one
//        incarnation runs once. An offer may come twice.
//   HO3. The host writes its name into the row before anybody hears that the actor lives.
// Source: Ray gcs_actor_scheduler.cc (leases a worker at a node that it chooses).
import { toHex, type WorkerId } from '../../common/ids.ts'
import { reasonFor } from '../../common/reason.ts'
import { toWire } from '../../common/error-wire.ts'
import {
  isAvailable,
  type ClusterView,
  type NodeLoad,
  type NodeView,
} from '../../scheduling/cluster-view.ts'
import { matchesLabels } from '../../scheduling/labels.ts'
import { HOPS_MAX } from '../../scheduling/lease-routing.ts'
import { place, type Demand } from '../../scheduling/place.ts'
import {
  actorGone,
  actorWorkerExited,
  endActor,
  restartingOf,
  tellWatchers,
  viewOf,
} from './actor-end.ts'
import type { ActorOffer } from './actor-events.ts'
import { isLeftUnbegun, tellLinks } from './actors-of-nodes.ts'
import { hasEnded, type EndedLives } from './ended-lives.ts'
import { actorIsHere, dropLife, heardOfAway, watchLink } from './actors-elsewhere.ts'
import { livesHere } from './living-actors.ts'
import { mayTake, takeJob } from '../cluster/guests.ts'
import { mayBeSlow } from '../cluster/slow-node.ts'
import { takeLease } from '../leases.ts'
import { holdersFor } from '../groups/group-routing.ts'
import { judge, ledgersOf, seeOwnNode } from '../placement.ts'
import { lostWorker } from '../lost-worker.ts'
import { nodeLeaves, shun } from '../cluster/remote-leases.ts'
import type { RayletState } from '../state.ts'
import { newActor, type Actor } from './actor-state.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, wakeBy, type EventOf, type Turn } from '../turn.ts'

/** Between two nodes of a group that are asked whether their bundles have room. */
const HOLDERS_AGAIN_MS = 100

/** Decide for each that waits where it is leased, and offer it to other nodes. */
export function placeActors(turn: Turn): void {
  const { cluster, jobs } = turn.state
  if (cluster === undefined) return
  /** Shapes for which no node has room. */
  const full = new Set<string>()
  for (const { pendingActors } of jobs.values()) {
    if (pendingActors.size === 0) continue
    seeOwnNode(turn.state, cluster.view)
    for (const actor of pendingActors) {
      if (actor.place === 'HERE' || actor.place === 'UNPLACED')
        placeActor(turn, cluster, actor, full)
    }
  }
}

function placeActor(turn: Turn, cluster: ClusterState, actor: Actor, full: Set<string>): void {
  const { strategy, labelSelectors } = actor.spec.scheduling
  const self = toHex(turn.state.config.nodeId)
  if (actor.holder?.nodeId !== self) {
    actor.place = 'HERE' // accepted for another node, which waits for it
    return
  }
  if (strategy.kind === 'PLACEMENT_GROUP') {
    placeInGroup(turn, actor)
    return
  }
  const wish = `${actor.shape} ${JSON.stringify([strategy, labelSelectors])}`
  if (full.has(wish)) return
  const chosen = choose(turn, cluster, actor)
  if (chosen === 'NOWHERE') {
    const reason = judge(turn.state, actor.spec.scheduling, 'actor')
    if (reason !== undefined) endActor(turn, actor, reasonFor(actor.spec.className, reason))
  } else if (chosen === undefined) {
    actor.place = 'UNPLACED'
    full.add(wish)
  } else if (chosen.nodeId === self) actor.place = 'HERE'
  else offer(turn, actor, { nodeId: chosen.nodeId, hops: 1, isBound: chosen.isBound })
}

/** At one of the nodes that hold fitting bundles, asked one after the other; where there is one
 *  alone, it waits there. */
function placeInGroup(turn: Turn, actor: Actor): void {
  const { state, nowMs } = turn
  const { scheduling } = actor.spec
  const self = toHex(state.config.nodeId)
  const holders = holdersFor(state, scheduling)
  const reason = judge(state, scheduling, 'actor')
  actor.place = 'UNPLACED'
  if (reason !== undefined) {
    endActor(turn, actor, reasonFor(actor.spec.className, reason))
    return
  }
  const isFree = ledgersOf(state, scheduling).some((each) => each.isAvailable(scheduling.demand))
  if (holders[0] === self && (isFree || holders.length === 1)) {
    actor.place = 'HERE'
    return
  }
  const others = holders.filter((nodeId) => nodeId !== self)
  if (actor.placeNotBeforeMs > nowMs) {
    wakeBy(turn, actor.placeNotBeforeMs)
    return
  }
  const nodeId = others[actor.fullHolders % others.length]
  if (nodeId !== undefined) offer(turn, actor, { nodeId, hops: 1, isBound: holders.length === 1 })
}

/** Undefined: it waits for room somewhere. */
function choose(
  turn: Turn,
  cluster: ClusterState,
  { spec, waitingSinceMs }: Actor,
): { readonly nodeId: string; readonly isBound: boolean } | 'NOWHERE' | undefined {
  const { demand: resources, labelSelectors, strategy } = spec.scheduling
  if (strategy.kind === 'PLACEMENT_GROUP') return undefined
  const { view, random, shunned, actors } = cluster
  const demand = {
    ...{ resources, labelSelectors },
    mayBeSlow: mayBeSlow(turn, cluster, waitingSinceMs),
  }
  const spread = strategy.kind === 'SPREAD' ? nextInTurn(view, demand, actors.spread) : undefined
  const placement =
    spread === undefined ? place(demand, view, strategy, random) : { kind: 'PLACE', node: spread }
  if (placement.kind === 'INFEASIBLE' || placement.kind === 'UNSCHEDULABLE') return 'NOWHERE'
  const { nodeId } = (placement as { readonly node: NodeView }).node
  if (placement.kind === 'PLACE') {
    view.take(nodeId, resources)
    if (spread !== undefined) tookTurn(cluster, nodeId)
    return { nodeId, isBound: false }
  }
  const own = toHex(turn.state.config.nodeId)
  if (strategy.kind !== 'NODE_AFFINITY' || nodeId === own) return undefined
  return shunned.has(nodeId) ? undefined : { nodeId, isBound: true }
}

/**
 * Actors that live hold nothing by default: their load says nothing of where they were spread. They
 * go round the nodes, not to where the fewest ever were: that had one catch up for all that went
 * elsewhere while it was full.
 */
function nextInTurn(
  view: ClusterView,
  { resources, labelSelectors }: Demand,
  spread: ReadonlySet<string>,
): NodeView | undefined {
  for (const selector of labelSelectors.length > 0 ? labelSelectors : [{}]) {
    const able = new Map<string, NodeView>()
    for (const node of view.nodes()) {
      if (node.isSlow === true || !isAvailable(node, resources)) continue
      if (matchesLabels(node.labels, selector)) able.set(node.nodeId, node)
    }
    for (const [nodeId, node] of able) if (!spread.has(nodeId)) return node
    for (const nodeId of spread) if (able.has(nodeId)) return able.get(nodeId)
  }
  return undefined
}

function tookTurn({ view, actors: { spread } }: ClusterState, nodeId: string): void {
  spread.delete(nodeId)
  spread.add(nodeId)
  for (const each of spread) if (view.get(each) === undefined) spread.delete(each)
}

interface Offering {
  readonly nodeId: string
  readonly hops: number
  readonly isBound: boolean
}

function offer(turn: Turn, actor: Actor, { nodeId, hops, isBound }: Offering): void {
  const { spec, origin, incarnation, holder, lived, exit } = actor
  if (origin === undefined || holder === undefined) return
  actor.place = 'ASKED'
  actor.hostId = nodeId
  actor.heardEarly = undefined
  const offered: ActorOffer = { spec, origin, incarnation, holder, lived, hops, isBound }
  const offer = exit === undefined ? offered : { ...offered, exit }
  turn.effects.push({ kind: 'offerActor', nodeId, offer })
}

/** HO1. */
export function offerAnswered(turn: Turn, event: EventOf<'offerAnswered'>): void {
  const { offer: made, answer: answered } = event
  const { state } = turn
  if (typeof answered !== 'string') state.cluster?.view.learn(answered.load)
  const actor = state.actors.get(made.spec.actorId)
  if (actor?.place !== 'ASKED' || actor.incarnation !== made.incarnation) return
  if (actor.phase === 'DEAD') return // its row says so: it cannot become alive there
  if (answered === 'LOST') lost(turn, actor)
  else if (answered !== 'NOBODY' && answered.accepted) accepted(turn, actor, answered.load)
  else refused(turn, actor, event)
}

function accepted(turn: Turn, actor: Actor, { nodeId, epoch }: NodeLoad): void {
  const { state } = turn
  const { actorId, owner, detached, jobId, scheduling } = actor.spec
  actor.place = 'AWAY'
  actor.hostEpoch = epoch
  state.jobs.get(jobId)?.pendingActors.delete(actor)
  const elsewhere = { owner, nodeId, demand: scheduling.demand }
  if (!detached) state.cluster?.actors.made.set(actorId, elsewhere)
  if (actor.heardEarly !== undefined) heardOfAway(turn, actor, actor.heardEarly)
}

function refused(turn: Turn, actor: Actor, event: EventOf<'offerAnswered'>): void {
  const { nodeId, offer: made, answer: answered } = event
  const { config, cluster } = turn.state
  actor.place = 'UNPLACED'
  actor.hostId = undefined
  if (actor.ending !== undefined) {
    endActor(turn, actor, actor.ending.error)
    return
  }
  if (actor.spec.scheduling.strategy.kind === 'PLACEMENT_GROUP') {
    actor.fullHolders += 1
    actor.placeNotBeforeMs = turn.nowMs + HOLDERS_AGAIN_MS
    wakeBy(turn, actor.placeNotBeforeMs)
    return
  }
  shun(turn, nodeId, actor.spec.scheduling.demand)
  const retryAt = typeof answered === 'string' ? undefined : answered.retryAt
  if (retryAt === undefined || retryAt === toHex(config.nodeId) || made.hops >= HOPS_MAX) return
  if (cluster?.view.get(retryAt) === undefined) return
  offer(turn, actor, { nodeId: retryAt, hops: made.hops + 1, isBound: false })
}

/** HO2, GA4: who has taken it has not begun it, and never does, nor takes it again in that life. */
export function offerReturned(turn: Turn, event: EventOf<'offerReturned'>): void {
  const { actorId, incarnation, from, request } = event
  const actor = turn.state.actors.get(actorId)
  const isThere = actor?.incarnation === incarnation && actor.hostId === from.nodeId
  const isAnswered = actor?.place !== 'ASKED'
  answer(turn, request, isAnswered || !isThere)
  if (actor?.place === 'AWAY' && isThere && actor.hostEpoch === from.epoch) placeAnew(turn, actor)
}

function placeAnew(turn: Turn, actor: Actor): void {
  if (actor.phase === 'DEAD') return
  const { jobs, cluster } = turn.state
  const { actorId, jobId } = actor.spec
  const job = jobs.get(jobId)
  cluster?.actors.made.delete(actorId)
  if (actor.hostId !== undefined) nodeLeaves(turn, actor.hostId)
  actor.place = 'UNPLACED'
  actor.hostId = undefined
  if (actor.ending !== undefined || job === undefined || job.isWindingDown) {
    endActor(turn, actor, actor.ending?.error ?? actorGone(actor, 'its job has ended'))
    return
  }
  job.pendingActors.add(actor)
  job.turns.add('ACTORS')
}

/** The node that was to host it is dead: as if the actor's worker had died there. */
function lost(turn: Turn, actor: Actor): void {
  turn.state.jobs.get(actor.spec.jobId)?.pendingActors.delete(actor)
  actor.place = 'HERE'
  actorWorkerExited(turn, actor, lostWorker('' as WorkerId))
}

/** HO1, HO2: another node wants it hosted here. */
export function actorOffered(turn: Turn, event: EventOf<'actorOffered'>): void {
  const { link, request, offer: offered } = event
  const { state } = turn
  const { cluster } = state
  const { actorId } = offered.spec
  const known = state.actors.get(actorId)
  if (known !== undefined && isLeftUnbegun(state, known)) {
    answer(turn, request, { accepted: false }) // GA4
    return
  }
  if (known?.incarnation === offered.incarnation) {
    watchLink(state, actorId, link)
    tellLinks(turn, viewOf(known))
    answer(turn, request, { accepted: true })
    return
  }
  if (known !== undefined) dropLife(turn, known)
  const actor = mayTake(turn) ? host(turn, offered) : undefined
  if (actor === undefined) {
    if (cluster !== undefined) cluster.actors.mayBeIdle = true
    answer(turn, request, { accepted: false, ...betterNode(state, offered) })
    return
  }
  watchLink(state, actorId, link)
  tellWatchers(turn, actor)
  answer(turn, request, { accepted: true })
}

function host(turn: Turn, offered: ActorOffer): Actor | undefined {
  const { state } = turn
  const job = takeJob(turn, offered.origin)
  if (job.isWindingDown) return undefined
  const actor: Actor = { ...newLife(turn, offered), place: 'HERE', holder: offered.holder }
  actor.lived = offered.lived
  if (!takeLease(turn, actor)) {
    if (!offered.isBound || judge(state, actor.spec.scheduling, 'actor') !== undefined) {
      return undefined
    }
    job.pendingActors.add(actor)
    job.turns.add('ACTORS')
  }
  state.actors.set(actor.spec.actorId, actor)
  livesHere(state, actor)
  actorIsHere(turn, actor.spec)
  return actor
}

function betterNode({ cluster, config }: RayletState, { spec, hops }: ActorOffer) {
  const { demand: resources, labelSelectors, strategy } = spec.scheduling
  if (cluster === undefined || hops >= HOPS_MAX || strategy.kind === 'PLACEMENT_GROUP') return {}
  const placed = place({ resources, labelSelectors }, cluster.view, strategy, cluster.random)
  if (placed.kind !== 'PLACE' || placed.node.nodeId === toHex(config.nodeId)) return {}
  return { retryAt: placed.node.nodeId }
}

/** One incarnation of an actor that other nodes know already. */
function newLife(
  turn: Turn,
  made: Pick<ActorOffer, 'spec' | 'origin' | 'incarnation' | 'exit'>,
): Actor {
  const { spec, origin, incarnation, exit } = made
  const actor = newActor(turn, { spec, origin, incarnation })
  actor.phase = incarnation === 0 ? 'PENDING_CREATION' : 'RESTARTING'
  actor.named = spec.name !== undefined
  actor.exit = exit
  if (exit !== undefined) actor.error = toWire(restartingOf(actor, exit))
  return actor
}

/** This node has taken the next incarnation of one whose node is dead, or leaves; or the same, if
 *  that has not begun: it holds it. */
export function actorAdopted(turn: Turn, event: EventOf<'actorAdopted'>): void {
  const { made, incarnation, lived, from, isUnbegun = false } = event
  const { state } = turn
  const known = state.actors.get(made.spec.actorId)
  if (known !== undefined) dropLife(turn, known)
  const job = takeJob(turn, made.origin)
  job.isWindingDown = false
  const { exit = isUnbegun ? undefined : lostWorker('' as WorkerId) } = event
  const before = exit === undefined ? {} : { exit }
  const actor = newLife(turn, { ...made, incarnation, ...before })
  actor.lived = lived
  actor.hostId = from
  if (exit !== undefined) actor.error = toWire(restartingOf(actor, exit))
  actor.holder = { nodeId: toHex(state.config.nodeId), epoch: state.config.epoch }
  if (isUnbegun) nodeLeaves(turn, from)
  state.actors.set(made.spec.actorId, actor)
  livesHere(state, actor)
  actorIsHere(turn, made.spec)
  job.pendingActors.add(actor)
  job.turns.add('ACTORS')
  tellWatchers(turn, actor)
}

/** What came of the writes of its life. */
export function actorWritten(
  turn: Turn,
  event: EventOf<'actorWritten'>,
  alive: (actor: Actor) => void,
): void {
  const { actorId, incarnation, write, won } = event
  const { nodeId, epoch } = turn.state.config
  const actor = turn.state.actors.get(actorId)
  if (actor === undefined || actor.phase === 'DEAD' || actor.incarnation !== incarnation) return
  if (!won) {
    dropLife(turn, actor)
    return
  }
  actor.holder = { nodeId: toHex(nodeId), epoch }
  if (write === 'ALIVE') alive(actor) // HO3
  else if (actor.place === 'CLAIMING') actor.place = 'UNPLACED'
}

/** What was to be hosted there begins anew. Of an offer that is out the shell says so itself. */
export function offersLost(turn: Turn, ended: EndedLives): void {
  for (const actor of [...turn.state.actors.values()]) {
    const { hostId, hostEpoch, place: where } = actor
    if (where !== 'AWAY' || hostId === undefined) continue
    if (hasEnded(ended, hostId, hostEpoch)) lost(turn, actor)
  }
}
