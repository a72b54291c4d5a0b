// Actors of other nodes, as the processes of this one see them (pure): where each is and what is
// told of it, and what is done to it there. And the reverse: other nodes that watch actors of here.
//   watched ──looked for──► told of by its node ──moved, or that node is lost──► looked for again
// Invariants:
//   AE1. Who watches an actor hears of every change, from whichever node has it: an older view
//        never replaces a newer one, and what cannot be asked is looked for until it is found.
//   AE2. Who made an actor and goes ends it wherever it is, unless it is detached; so does the
//        death of the maker's node.
//   AE3. A life that was replaced by another one elsewhere ends here without a word.
import { toWire } from '../../common/error-wire.ts'
import { ActorNotFoundError } from '../../common/errors.ts'
import { toHex, type ActorId, type WorkerId } from '../../common/ids.ts'
import { isFinal, isStaleView } from '../../protocol/actor-view.ts'
import { epochIn } from '../../protocol/node-identity.ts'
import type { ActorView } from '../../protocol/actor-messages.ts'
import { retireActor, viewOf } from './actor-end.ts'
import type { ActorCall } from './actor-events.ts'
import { tellMoved, type WatchedActor } from './actors-of-nodes.ts'
import { foundView } from './found-actors.ts'
import { livesNoMore } from './living-actors.ts'
import type { Actor } from './actor-state.ts'
import type { ClusterState } from '../cluster/cluster-state.ts'
import { answer, notify, type EventOf, type Turn } from '../turn.ts'
import { lostWorker } from '../lost-worker.ts'
import { kill } from '../workers.ts'
import { hasEnded, type EndedLives } from './ended-lives.ts'

/** A process of this node watches an actor that is not here; it is among `state.watchers`. */
export function watchElsewhere(
  turn: Turn,
  cluster: ClusterState,
  { actorId, request, homeId, homeEpoch }: EventOf<'watchActor'>,
): void {
  const { watched } = cluster.actors
  const known = watched.get(actorId)
  if (known?.view !== undefined) {
    answer(turn, request, known.view)
    // Its maker's task may have been retried, and made it, on another node than its home. Not while
    // a look is under way: asked for by many, it would begin anew each time and never end.
    const isUnmade = known.view.phase === 'DEPENDENCIES_UNREADY'
    if (isUnmade && known.nodeId !== undefined) lookFor(turn, actorId, known)
    return
  }
  if (known !== undefined) {
    known.requests.push(request)
    return
  }
  const unknown = { nodeId: undefined, view: undefined, hostId: undefined }
  watched.set(actorId, { ...unknown, homeId, homeEpoch, requests: [request] })
  turn.effects.push({ kind: 'locateActor', actorId, homeId, homeEpoch })
}

/** AE1. */
export function actorLocated(turn: Turn, event: EventOf<'actorLocated'>): void {
  const { actorId, nodeId, view } = event
  const actor = turn.state.actors.get(actorId)
  if (actor !== undefined) {
    // Held here until it lives there: the connection to its host had closed.
    if (actor.place === 'AWAY' && actor.hostId === nodeId) heardOfAway(turn, actor, view)
    else actorIsHere(turn, { actorId })
    return
  }
  const entry = turn.state.cluster?.actors.watched.get(actorId)
  if (entry === undefined) return
  entry.nodeId = nodeId
  entry.hostId = nodeId
  heard(turn, entry, view)
}

/** What was looked for is on this node. */
export function actorIsHere(turn: Turn, { actorId }: { readonly actorId: ActorId }): void {
  const actor = turn.state.actors.get(actorId)
  const watched = turn.state.cluster?.actors.watched
  const entry = watched?.get(actorId)
  if (actor === undefined || entry === undefined) return
  watched?.delete(actorId)
  const view = viewOf(actor)
  for (const request of entry.requests) answer(turn, request, view)
  tellProcesses(turn, view)
}

export function actorHeard(turn: Turn, { nodeId, view }: EventOf<'actorHeard'>): void {
  const actor = turn.state.actors.get(view.actorId)
  if (actor !== undefined) {
    if (actor.hostId === nodeId) heardOfHosted(turn, actor, view)
    return
  }
  const entry = turn.state.cluster?.actors.watched.get(view.actorId)
  if (entry === undefined || (entry.nodeId ?? nodeId) !== nodeId) return
  heard(turn, entry, view)
}

function heard(turn: Turn, entry: WatchedActor, view: ActorView): void {
  const { actorId } = view
  for (const request of entry.requests.splice(0)) answer(turn, request, view)
  if (isStaleView(entry.view, view)) return
  entry.view = view
  tellProcesses(turn, view)
  if (!isFinal(view)) return
  const { cluster, watchers } = turn.state
  cluster?.actors.watched.delete(actorId)
  watchers.delete(actorId)
  endedElsewhere(turn, actorId)
}

/** Where an offer came twice, what became of the first may be told before the second is answered. */
function heardOfHosted(turn: Turn, actor: Actor, view: ActorView): void {
  const { place, incarnation } = actor
  if (place === 'AWAY') heardOfAway(turn, actor, view)
  else if (place !== 'ASKED' || view.incarnation < incarnation) return
  else if (!isStaleView(actor.heardEarly, view)) actor.heardEarly = view
}

/** Its row names the host from now on, or it is DEAD: this node has done its part. */
export function heardOfAway(turn: Turn, actor: Actor, view: ActorView): void {
  const { state } = turn
  const { actorId, defaultResources, scheduling } = actor.spec
  const goesOn = view.incarnation === actor.incarnation && !HOSTED.has(view.phase)
  if (goesOn || state.cluster === undefined) return
  const { hostId: nodeId, incarnation } = actor
  if (nodeId === undefined) return
  if (defaultResources && view.phase === 'ALIVE') {
    state.cluster.view.giveBack(nodeId, scheduling.demand)
  }
  state.actors.delete(actorId)
  livesNoMore(state, actor)
  turn.effects.push({ kind: 'writeActor', actorId, incarnation, write: { kind: 'LEFT' } })
  const homeId = actor.origin?.homeId
  const entry = { nodeId, hostId: nodeId, view: undefined, homeId, requests: [] }
  state.cluster.actors.watched.set(actorId, entry)
  heard(turn, entry, view)
  if (!state.watchers.has(actorId)) state.cluster.actors.watched.delete(actorId)
  tellMoved(turn, actorId)
}

const HOSTED: ReadonlySet<string> = new Set(['ALIVE', 'DEAD'])

function tellProcesses(turn: Turn, view: ActorView): void {
  for (const watcher of turn.state.watchers.get(view.actorId) ?? []) {
    notify(turn, watcher, 'actorChanged', view)
  }
}

export function actorMoved(turn: Turn, { nodeId, actorId }: EventOf<'actorMoved'>): void {
  const entry = turn.state.cluster?.actors.watched.get(actorId)
  if (entry?.nodeId === nodeId) lookFor(turn, actorId, entry)
}

function lookFor(turn: Turn, actorId: ActorId, entry: WatchedActor): void {
  entry.nodeId = undefined
  const { homeId, homeEpoch } = entry
  turn.effects.push({ kind: 'locateActor', actorId, homeId, homeEpoch })
}

/** The connection to that node has closed: what it told of must be asked for again. */
export function actorsNodeLost(turn: Turn, nodeId: string): void {
  const { cluster, actors } = turn.state
  if (cluster === undefined) return
  for (const [actorId, entry] of cluster.actors.watched) {
    if (entry.nodeId === nodeId) lookFor(turn, actorId, entry)
  }
  for (const { spec, place, hostId, origin } of actors.values()) {
    if (place !== 'AWAY' || hostId !== nodeId) continue
    const homeId = origin?.homeId
    turn.effects.push({ kind: 'locateActor', actorId: spec.actorId, homeId, at: nodeId })
  }
}

/**
 * Who calls an actor of theirs goes on there no longer, though its process may. One that does not
 * live is called by nobody; its node may have told of a life that it never took.
 */
export function hostsLost(turn: Turn, ended: EndedLives): void {
  for (const entry of turn.state.cluster?.actors.watched.values() ?? []) {
    const { view, hostId } = entry
    if (view?.phase !== 'ALIVE' || hostId === undefined) continue
    if (!hasEnded(ended, hostId, epochIn(view.address))) continue
    entry.hostId = undefined
    heard(turn, entry, {
      ...{ actorId: view.actorId, phase: 'RESTARTING', incarnation: view.incarnation + 1 },
      ...{ address: '', workerId: undefined, exit: lostWorker('' as WorkerId) },
    })
  }
}

/** AE2. */
export function makersLost(turn: Turn, ended: EndedLives): void {
  for (const actor of [...turn.state.actors.values()]) {
    const { phase, spec, origin } = actor
    if (phase === 'DEAD' || spec.detached || origin === undefined) continue
    const { homeId, ownerAddress } = origin
    if (hasEnded(ended, homeId, epochIn(ownerAddress))) retireActor(turn, actor, 'OWNER')
  }
}

/** AE2: a process of this node has ended. */
export function releaseElsewhere(turn: Turn, owner: WorkerId): void {
  const made = turn.state.cluster?.actors.made
  if (made === undefined) return
  for (const [actorId, each] of made) {
    if (each.owner === owner) release(turn, actorId, 'OWNER')
  }
}

/** @returns whether it is one that another node hosts. */
export function handlesGoneElsewhere(turn: Turn, actorId: ActorId, owner: WorkerId): boolean {
  if (turn.state.cluster?.actors.made.get(actorId)?.owner !== owner) return false
  release(turn, actorId, 'HANDLES')
  return true
}

function release(turn: Turn, actorId: ActorId, why: 'HANDLES' | 'OWNER'): void {
  const at = turn.state.cluster?.actors.made.get(actorId)?.nodeId
  endedElsewhere(turn, actorId)
  const call: ActorCall = { type: 'releaseActor', actorId, why }
  const homeId = toHex(turn.state.config.nodeId)
  turn.effects.push({ kind: 'callActor', call, homeId, ...(at === undefined ? {} : { at }) })
}

function endedElsewhere({ state: { cluster } }: Turn, actorId: ActorId): void {
  cluster?.actors.made.delete(actorId)
  cluster?.actors.ended.add(actorId)
}

/** kill() of one that is not here, or not made yet: its row tells. */
export function killElsewhere(turn: Turn, event: EventOf<'killActor'>): void {
  const { request, actorId, noRestart, homeId } = event
  const call: ActorCall = { type: 'killActor', actorId, noRestart }
  turn.effects.push({ kind: 'callActor', call, homeId, request })
}

/** Another node watches an actor of this one; answers undefined when there is none. */
export function nodeWatches(turn: Turn, event: EventOf<'nodeWatches'>): void {
  const { link, request, actorId, isUnmade } = event
  const { state } = turn
  const actor = state.actors.get(actorId)
  if (actor === undefined && !isUnmade) {
    answer(turn, request, undefined)
    return
  }
  const view = actor === undefined ? unknownView(turn, actorId) : viewOf(actor)
  if (!isFinal(view)) watchLink(state, actorId, link)
  answer(turn, request, view)
}

export function watchLink(
  { cluster }: Pick<Turn['state'], 'cluster'>,
  actorId: ActorId,
  link: number,
): void {
  const links = cluster?.actors.links
  const known = links?.get(actorId)
  if (known === undefined) links?.set(actorId, new Set([link]))
  else known.add(link)
}

export function actorLinkClosed(turn: Turn, link: number): void {
  const links = turn.state.cluster?.actors.links
  for (const [actorId, each] of links ?? []) {
    each.delete(link)
    if (each.size === 0) links?.delete(actorId)
  }
}

/** AE3: another life of it goes on elsewhere, so that this one is none. */
export function dropLife(turn: Turn, actor: Actor): void {
  const { state } = turn
  const { actorId, jobId } = actor.spec
  const worker = actor.lease?.worker
  state.jobs.get(jobId)?.pendingActors.delete(actor)
  state.actors.delete(actorId)
  livesNoMore(state, actor)
  const isLiving = actor.phase !== 'DEAD'
  actor.phase = 'DEAD'
  actor.address = ''
  if (!isLiving) return
  if (worker !== undefined) kill(turn, worker, 'KILLED')
  tellMoved(turn, actorId)
  const { cluster, watchers } = state
  if (cluster === undefined) return
  cluster.actors.mayBeIdle = true
  if (!watchers.has(actorId)) return
  const unknown = { nodeId: undefined, hostId: undefined, view: undefined }
  const entry = { ...unknown, homeId: actor.origin?.homeId, requests: [] }
  cluster.actors.watched.set(actorId, entry)
  lookFor(turn, actorId, entry)
}

/** An actor that was not made yet (its arguments are not ready), or never will be, for another
 *  one was found; or one that died long ago. */
export function unknownView({ state }: Pick<Turn, 'state'>, actorId: ActorId): ActorView {
  const found = state.foundActors.get(actorId)
  if (found !== undefined) return foundView(actorId, found.instead)
  const base = { actorId, incarnation: 0, address: '', workerId: undefined }
  const { forgottenActors, cluster } = state
  const hasDied = forgottenActors.has(actorId) || cluster?.actors.ended.has(actorId) === true
  if (!hasDied) return { ...base, phase: 'DEPENDENCIES_UNREADY' }
  const error = new ActorNotFoundError(`actor ${toHex(actorId)} died long ago. Create a new one.`)
  return { ...base, phase: 'DEAD', error: toWire(error) }
}
