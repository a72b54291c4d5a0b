// Actors that a node leaves behind as it drains (pure): as soon as nothing of one runs here,
// another node is asked to adopt it, as one does anyway when this node has left (actor-adopter.ts).
//   LEFT ──asked──► GIVEN ──it holds the actor──► not of this node any more
//     ▲               │
//     └────refused────┘
// Invariants:
//   GA1. Who adopts what has begun here takes the next incarnation, and this node never does: a
//        drain costs one restart, wherever this stands when the node leaves. What ends with this
//        node is not given.
//   GA2. Who does not answer may have adopted it, or do so later: from then on it is ended by
//        whoever its row names, and the next that is asked says that it is taken.
//   GA3. This node stays until all are taken, while there is another to ask and its time is not
//        up, and until those that it has offered live. A node that is suspected to be gone is none.
//   GA4. What has not begun here costs no restart, and never begins here. Who has offered it takes
//        it back, and nobody else; what this node holds by its row another takes as it is. Where
//        that is not to be had, a restart is charged as ever.
import { toHex } from '../../common/ids.ts'
import { endActor } from './actor-end.ts'
import { leave, outlives, type Leaving } from './actors-of-nodes.ts'
import { dropLife } from './actors-elsewhere.ts'
import type { LeftActor } from './actor-events.ts'
import type { Actor } from './actor-state.ts'
import { isSuspected, type ClusterState } from '../cluster/cluster-state.ts'
import type { RayletState } from '../state.ts'
import { wakeBy, type EventOf, type Turn } from '../turn.ts'

/** Between two nodes that are asked. */
const AGAIN_MS = 100
/** Actors that others are asked to adopt at a time: each costs them some calls of the GCS. */
const ASKED_MAX = 100

/** Where this node drains. To be called after every step. */
export function giveActors(turn: Turn): void {
  const { cluster, draining, leaving } = turn.state
  if (cluster === undefined || !draining || leaving) return
  leaveWhatWaits(turn)
  const { left } = cluster.actors
  for (const actor of left.keys()) if (actor.phase === 'DEAD') left.delete(actor)
  if (left.size === 0) return
  const adopters = adoptersOf(cluster)
  let room = ASKED_MAX - countAsked(cluster)
  for (const [actor, each] of left) {
    if (room === 0) return
    if (each.isAsked) continue
    if (each.notBeforeMs > turn.nowMs) {
      wakeBy(turn, each.notBeforeMs)
      continue
    }
    const able = adoptersFor(cluster, holderElsewhere(turn, actor), { actor, each, adopters })
    const nodeId = able[Math.floor(cluster.random.next() * able.length)]
    if (nodeId === undefined) continue
    room -= 1
    each.isAsked = true
    give(turn, actor, each, nodeId)
  }
}

/** GA3. */
export function isGiving(turn: Turn): boolean {
  const { state, nowMs } = turn
  const { cluster, drainEndsAtMs } = state
  if (cluster === undefined || nowMs >= drainEndsAtMs) return false
  const adopters = adoptersOf(cluster)
  const mayBeTaken = ([actor, each]: readonly [Actor, Leaving]): boolean =>
    each.isAsked ||
    adoptersFor(cluster, holderElsewhere(turn, actor), { actor, each, adopters }).length > 0
  const isWaiting =
    [...cluster.actors.left].some(mayBeTaken) ||
    [...state.actors.values()].some((actor) => isOnItsWay(state, cluster, actor))
  if (isWaiting) wakeBy(turn, drainEndsAtMs)
  return isWaiting
}

/** Its row is being written, or another node has it from this one, or may, and is to tell that it
 *  lives. */
function isOnItsWay({ config }: RayletState, cluster: ClusterState, actor: Actor): boolean {
  const { place, phase, hostId, registering } = actor
  if (phase === 'DEAD' || !outlives(config, actor)) return false
  if (registering) return true
  return (place === 'ASKED' || place === 'AWAY') && hostId !== undefined && isThere(cluster, hostId)
}

/** None of them is placed from here any more (DR1). */
function leaveWhatWaits({ state }: Turn): void {
  for (const { pendingActors } of state.jobs.values()) {
    for (const actor of [...pendingActors]) {
      const waits = actor.place === 'UNPLACED' || actor.place === 'HERE'
      if (!waits || !outlives(state.config, actor)) continue
      pendingActors.delete(actor)
      leave(state, actor, true)
    }
  }
}

/** Those that stay and answer, full or not: who adopts an actor has it placed. */
const adoptersOf = (cluster: ClusterState): string[] =>
  [...cluster.view.nodes()].flatMap(({ nodeId }) => (isSuspected(cluster, nodeId) ? [] : [nodeId]))

/** Whether it lives and answers, also while it drains. */
const isThere = (cluster: ClusterState, nodeId: string): boolean =>
  cluster.groups.members.has(nodeId) && !isSuspected(cluster, nodeId)

const countAsked = ({ actors: { left } }: ClusterState): number =>
  [...left.values()].filter(({ isAsked }) => isAsked).length

/** Who holds it by its row, unless that is this node. */
function holderElsewhere({ state }: Turn, { holder }: Actor): string | undefined {
  return holder?.nodeId === toHex(state.config.nodeId) ? undefined : holder?.nodeId
}

interface LeftHere {
  readonly actor: Actor
  readonly each: Leaving
  readonly adopters: readonly string[]
}

/** Who holds it by its row, and waits for it to be constructed here; else any. */
function adoptersFor(
  cluster: ClusterState,
  holderId: string | undefined,
  { actor, each, adopters }: LeftHere,
): readonly string[] {
  if (holderId === undefined) return adopters
  if (each.isUnbegun) {
    if (isThere(cluster, holderId)) return [holderId]
    if (each.isInDoubt || actor.restartsLeft === 0) return [] // GA4
  }
  return adopters.includes(holderId) ? [holderId] : adopters
}

function give(turn: Turn, actor: Actor, each: Leaving, nodeId: string): void {
  const { incarnation, exit, spec } = actor
  const { config } = turn.state
  const holderId = holderElsewhere(turn, actor)
  actor.place = 'GIVEN'
  actor.hostId = nodeId
  each.isUnbegun &&= holderId === undefined || holderId === nodeId
  const unbegunAt = { nodeId: toHex(config.nodeId), epoch: config.epoch }
  const left: LeftActor = {
    ...{ actorId: spec.actorId, incarnation, ...(exit === undefined ? {} : { exit }) },
    ...(each.isUnbegun ? { unbegunAt } : {}),
  }
  turn.effects.push({ kind: 'askToAdopt', nodeId, left })
}

export function adoptionAnswered(turn: Turn, event: EventOf<'adoptionAnswered'>): void {
  const { left: asked, answer } = event
  const { actors, cluster } = turn.state
  const actor = actors.get(asked.actorId)
  const each = actor && cluster?.actors.left.get(actor)
  if (actor === undefined || each === undefined || actor.incarnation !== asked.incarnation) return
  if (answer === 'TAKEN') {
    dropLife(turn, actor)
    return
  }
  each.isAsked = false
  each.notBeforeMs = turn.nowMs + AGAIN_MS
  if (answer === 'UNKNOWN') each.isInDoubt = true
  if (each.isInDoubt) return // GA2
  actor.place = 'LEFT'
  actor.hostId = undefined
  if (actor.ending !== undefined) endActor(turn, actor, actor.ending.error)
}
