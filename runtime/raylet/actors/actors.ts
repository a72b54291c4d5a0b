// The lifecycle of an actor on the node that has it: drawn here, with what happens to one that was
// made. How it comes into being is actor-creation.ts, how it ends actor-end.ts.
//             1                      2                    3
//   create ───► DEPENDENCIES_UNREADY ──► PENDING_CREATION ──► ALIVE ──┐ 5
//                   │ 4                      │ 4               │  ▲   ▼
//                   │                        │                4│  └─ RESTARTING
//                   └──────────► DEAD ◄──────┴─────────────────┘  6   │ 4
//                                  ▲──────────────────────────────────┘
//   1 createActor arrives; an actor with a name claims it   2 the name is ours, or it has none
//   3 leased, started and constructed: its worker said actorReady
//   4 final: name taken, infeasible, constructor failed, killed, handles or creator gone, its
//     worker died with no restart left
//   5 its worker died, restarts are left: a new lease, a new worker, incarnation + 1
//   6 constructed again: actorReady of the new incarnation
// Invariants:
//   A1. At most one worker of this node runs an actor, and only messages of its current incarnation
//       count. Of several nodes, the actor's row decides which one has the incarnation (AC1).
//   A2. DEAD is final, frees the name and the lease, and is told to every watcher.
//   A3. A request to create is answered exactly once.
// Source: Ray gcs_actor_manager.h (lifecycle); Ray actor defaults: 1 CPU to place, 0 to run.
import type { ActorId, WorkerId } from '../../common/ids.ts'
import {
  KILLED,
  actorGone,
  answerKill,
  answerKills,
  endActor,
  retireActor,
  tellWatchers,
  viewOf,
  willEnd,
} from './actor-end.ts'
import {
  handlesGoneElsewhere,
  killElsewhere,
  unknownView,
  watchElsewhere,
} from './actors-elsewhere.ts'
import { callHost, isAway, isGiven } from './actors-of-nodes.ts'
import { giveCpuBack } from '../holdings.ts'
import { endLease } from '../leases.ts'
import type { Worker } from '../state.ts'
import type { Actor } from './actor-state.ts'
import { answer, notify, type EventOf, type Turn } from '../turn.ts'
import { askToExit, kill } from '../workers.ts'

/** Its lease has a worker: construct it there. */
export function startActor(turn: Turn, actor: Actor, worker: Worker): void {
  const { lease } = actor
  if (lease === undefined) return
  notify(turn, worker.workerId, 'startActor', {
    spec: actor.spec,
    incarnation: actor.incarnation,
    gpuIds: lease.allocation.gpuIds,
    resources: actor.spec.defaultResources ? {} : lease.spec.demand,
  })
}

/** Arrows 3 and 6. */
export function actorReady(turn: Turn, event: EventOf<'actorReady'>): void {
  const actor = ownActor(turn, event.client, event.actorId)
  if (actor === undefined || actor.incarnation !== event.incarnation) return
  if (actor.phase !== 'PENDING_CREATION' && actor.phase !== 'RESTARTING') return
  actor.address = event.address
  const { holder: from, incarnation, address } = actor
  if (from === undefined) {
    alive(turn, actor)
    return
  }
  const write = { kind: 'ALIVE', from, address } as const
  turn.effects.push({ kind: 'writeActor', actorId: actor.spec.actorId, incarnation, write })
}

/** Where there are several nodes, its row says so. */
export function alive(turn: Turn, actor: Actor): void {
  if (actor.lease?.worker === undefined) return // that has ended meanwhile
  actor.phase = 'ALIVE'
  actor.lived = true
  actor.error = undefined
  if (actor.spec.defaultResources && actor.lease !== undefined) {
    giveCpuBack(turn.state, actor.lease)
  }
  tellWatchers(turn, actor)
}

/** Arrow 4: the constructor threw. Its callers hear why; it is never tried again. */
export function actorFailed(turn: Turn, event: EventOf<'actorFailed'>): void {
  const actor = ownActor(turn, event.client, event.actorId)
  if (actor === undefined) return
  const worker = actor.lease?.worker
  endActor(turn, actor, event.error)
  if (worker !== undefined) askToExit(turn, worker, 'OVER')
}

/**
 * Arrow 4 to come, by exitActor(): the worker leaves by itself once its running calls have ended.
 */
export function actorExiting(turn: Turn, event: EventOf<'actorExiting'>): void {
  const actor = ownActor(turn, event.client, event.actorId)
  if (actor !== undefined) {
    willEnd(turn, actor, event.error ?? actorGone(actor, 'it called exitActor()'))
  }
}

/**
 * A worker that cannot import what it needs is replaced by one that imports the entry first; an
 * actor it was to be waits for the next, uncharged. Tasks are handed back by the worker itself.
 */
export function entryFirst(turn: Turn, event: EventOf<'entryFirst'>): void {
  const worker = turn.state.workers.get(event.client)
  const job = worker === undefined ? undefined : turn.state.jobs.get(worker.jobId)
  if (worker === undefined || job === undefined) return
  job.entryFirst = true
  if (event.actorId === undefined) return
  const actor = ownActor(turn, event.client, event.actorId)
  if (actor?.lease === undefined || actor.phase === 'DEAD') return
  endLease(turn, actor.lease)
  answerKills(turn, actor)
  askToExit(turn, worker, 'OVER')
  actor.waitingSinceMs = turn.nowMs
  job.pendingActors.add(actor)
  job.turns.add('ACTORS')
}

/** A1: only the worker that runs it may speak for an actor. */
function ownActor(turn: Turn, client: WorkerId, actorId: ActorId): Actor | undefined {
  const actor = turn.state.actors.get(actorId)
  return actor?.lease?.worker?.workerId === client ? actor : undefined
}

/**
 * Arrow 4, answered at once; or 5, answered when the worker is gone, so that what is called next
 * goes to the next incarnation.
 */
export function killActor(turn: Turn, event: EventOf<'killActor'>): void {
  const { state } = turn
  const { actorId, noRestart, request } = event
  const actor = state.actors.get(actorId)
  const found = state.foundActors.get(actorId)
  if (found !== undefined) {
    killActor(turn, { ...event, ...found.instead, isUnmade: false })
  } else if (actor !== undefined && isGiven(actor) && noRestart) {
    killElsewhere(turn, event) // GA2
  } else if (actor !== undefined && actor.phase !== 'DEAD') {
    killLiving(turn, actor, event)
  } else if (actor !== undefined) {
    answerKill(turn, actor, request)
  } else if (state.cluster !== undefined && event.isUnmade !== true) {
    killElsewhere(turn, event)
  } else {
    if (noRestart) state.killedUnmade.add(actorId)
    answer(turn, request, event.isUnmade === true ? { isUnmade: true } : undefined)
  }
}

function killLiving(turn: Turn, actor: Actor, { request, noRestart }: EventOf<'killActor'>): void {
  const worker = actor.lease?.worker
  if (noRestart) {
    if (turn.state.cluster === undefined) answer(turn, request, undefined)
    endActor(turn, actor, actorGone(actor, KILLED), request)
  } else if (worker !== undefined) actor.killRequests.push(request)
  else {
    // Of one that is given to another, nothing of the life that is meant runs anywhere.
    if (isAway(actor) && !isGiven(actor))
      callHost(turn, actor, { type: 'killActor', actorId: actor.spec.actorId, noRestart })
    answer(turn, request, undefined)
  }
  if (worker !== undefined) kill(turn, worker, 'KILLED')
}

/** Arrow 4 to come: its worker is asked to finish what was called, and killed after the grace. */
export function actorHandlesGone(turn: Turn, event: EventOf<'actorHandlesGone'>): void {
  if (turn.state.foundActors.delete(event.actorId)) return
  const actor = turn.state.actors.get(event.actorId)
  if (actor === undefined && handlesGoneElsewhere(turn, event.actorId, event.client)) return
  if (actor === undefined || actor.phase === 'DEAD' || actor.spec.detached) return
  if (actor.spec.owner !== event.client) return
  retireActor(turn, actor, 'HANDLES')
}

/** What another raylet asks for, or this one itself that had looked elsewhere; answers whether the
 *  actor is here. */
export function actorCall(turn: Turn, { request, call }: EventOf<'actorCall'>): void {
  const actor = turn.state.actors.get(call.actorId)
  if (actor === undefined || isGiven(actor)) {
    answer(turn, request, false)
  } else if (call.type === 'killActor') {
    const { nowMs } = turn
    killActor(turn, { ...call, kind: 'killActor', request, nowMs })
  } else {
    if (actor.phase !== 'DEAD' && !actor.spec.detached) retireActor(turn, actor, call.why)
    answer(turn, request, true)
  }
}

/** The current view at once; every change after it comes as actorChanged. */
export function watchActor(turn: Turn, event: EventOf<'watchActor'>): void {
  const { state } = turn
  const actor = state.actors.get(event.actorId)
  const isGone = state.forgottenActors.has(event.actorId) || state.foundActors.has(event.actorId)
  let watchers = state.watchers.get(event.actorId)
  if (actor?.phase !== 'DEAD' && !isGone) {
    if (watchers === undefined) state.watchers.set(event.actorId, (watchers = new Set()))
    watchers.add(event.client)
  }
  if (actor === undefined && !isGone && state.cluster !== undefined) {
    watchElsewhere(turn, state.cluster, event)
    return
  }
  answer(
    turn,
    event.request,
    actor === undefined ? unknownView(turn, event.actorId) : viewOf(actor),
  )
}
