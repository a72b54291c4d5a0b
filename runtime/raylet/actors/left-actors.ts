// Actors that a node leaves behind as it drains (pure): as soon as nothing of one runs here,
// another node is asked to adopt it, as one does anyway when this node has left (actor-adopter.ts).
//   LEFT ──asked──► GIVEN ──it holds the next incarnation──► not of this node any more
//     ▲               │
//     └────refused────┘
// Invariants:
//   GA1. Who adopts takes the next incarnation, and this node never does: a drain costs one
//        restart, wherever this stands when the node leaves. What ends with this node is not given.
//   GA2. Who does not answer may have adopted it, or do so later: from then on it is ended by
//        whoever its row names, and the next that is asked says that it is taken.
//   GA3. This node stays until all are taken, while there is another to ask and its time is not
//        up. A node that is suspected to be gone is none.
import { endActor } from './actor-end.ts'
import { leave, outlives } from './actors-of-nodes.ts'
import { dropLife } from './actors-elsewhere.ts'
import type { Actor } from './actor-state.ts'
import { isSuspected, type ClusterState } from '../cluster/cluster-state.ts'
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
  let room = adopters.length === 0 ? 0 : ASKED_MAX - countAsked(cluster)
  for (const [actor, each] of left) {
    if (room === 0) return
    if (each.isAsked) continue
    if (each.notBeforeMs > turn.nowMs) {
      wakeBy(turn, each.notBeforeMs)
      continue
    }
    room -= 1
    each.isAsked = true
    give(turn, actor, adopterFor(actor, adopters, cluster.random))
  }
}

/** GA3. */
export function isGiving(turn: Turn): boolean {
  const { state, nowMs } = turn
  const { cluster, drainEndsAtMs } = state
  if (cluster === undefined || nowMs >= drainEndsAtMs) return false
  if (cluster.actors.left.size === 0) return false
  if (adoptersOf(cluster).length === 0 && countAsked(cluster) === 0) return false
  wakeBy(turn, drainEndsAtMs)
  return true
}

/** None of them is placed from here any more (DR1). */
function leaveWhatWaits({ state }: Turn): void {
  for (const { pendingActors } of state.jobs.values()) {
    for (const actor of [...pendingActors]) {
      const { place, restartsLeft } = actor
      const waits = place === 'UNPLACED' || place === 'HERE'
      if (!waits || restartsLeft === 0 || !outlives(state.config, actor)) continue
      pendingActors.delete(actor)
      leave(state, actor)
    }
  }
}

/** Those that stay and answer, full or not: who adopts an actor has it placed. */
const adoptersOf = (cluster: ClusterState): string[] =>
  [...cluster.view.nodes()].flatMap(({ nodeId }) => (isSuspected(cluster, nodeId) ? [] : [nodeId]))

const countAsked = ({ actors: { left } }: ClusterState): number =>
  [...left.values()].filter(({ isAsked }) => isAsked).length

/** Who holds it by its row, and waits for it to be constructed here; else any. */
function adopterFor(
  { holder }: Actor,
  adopters: readonly string[],
  random: ClusterState['random'],
): string {
  const drawn = adopters[Math.floor(random.next() * adopters.length)] ?? ''
  return holder !== undefined && adopters.includes(holder.nodeId) ? holder.nodeId : drawn
}

function give(turn: Turn, actor: Actor, nodeId: string): void {
  const { incarnation, exit, spec } = actor
  actor.place = 'GIVEN'
  actor.hostId = nodeId
  const left = { actorId: spec.actorId, incarnation, ...(exit === undefined ? {} : { exit }) }
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
