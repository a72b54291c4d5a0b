// The lifecycle of an actor on its node.
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
//   A1. At most one worker runs an actor, and only messages of its current incarnation count.
//   A2. DEAD is final, frees the name and the lease, and is told to every watcher.
//   A3. A request to create is answered exactly once.
// Source: Ray gcs_actor_manager.h (lifecycle); Ray actor defaults: 1 CPU to place, 0 to run.
import { toWire } from '../common/error-wire.ts'
import { ActorAlreadyExistsError, ActorNotFoundError, type VirgaError } from '../common/errors.ts'
import { toHex, type ActorId, type WorkerId } from '../common/ids.ts'
import { livesElsewhere } from '../common/actor-elsewhere.ts'
import { reasonFor } from '../common/reason.ts'
import type { ActorInfo, ActorView } from '../protocol/messages.ts'
import {
  actorGone,
  answerKills,
  endActor,
  releaseName,
  retireActor,
  tellWatchers,
  viewOf,
  willEnd,
} from './actor-end.ts'
import { giveCpuBack } from './holdings.ts'
import { endLease, shapeOf } from './leases.ts'
import { judge } from './placement.ts'
import type { Actor, Worker } from './state.ts'
import {
  answer,
  notify,
  refuse,
  type FoundHolder,
  type NameHolder,
  type RayletEvent,
  type Turn,
} from './turn.ts'
import { askToExit, kill } from './workers.ts'

const KILLED = 'it was killed with kill()'

type EventOf<K extends RayletEvent['kind']> = Extract<RayletEvent, { kind: K }>

/** Arrow 1. */
export function createActor(turn: Turn, event: EventOf<'createActor'>): void {
  const { state } = turn
  const { spec, request } = event
  const known = state.actors.get(spec.actorId)
  if (known !== undefined) {
    answer(turn, request, infoOf(turn, known))
    return
  }
  const actor: Actor = {
    spec,
    shape: shapeOf(spec.scheduling),
    phase: 'DEPENDENCIES_UNREADY',
    incarnation: 0,
    restartsLeft: spec.maxRestarts < 0 ? Infinity : spec.maxRestarts,
    lease: undefined,
    address: '',
    since: turn.nowMs,
    waitingSinceMs: turn.nowMs,
    request,
    named: false,
    lived: false,
    ending: undefined,
    error: undefined,
    exit: undefined,
    killRequests: [],
  }
  state.actors.set(spec.actorId, actor)
  if (spec.failed !== undefined) {
    endActor(turn, actor, spec.failed)
    return
  }
  if (state.killedUnmade.has(spec.actorId)) {
    endActor(turn, actor, actorGone(actor, KILLED))
    return
  }
  const reason = judge(state, spec.scheduling, 'actor')
  if (reason !== undefined) {
    refuseCreation(turn, actor, reasonFor(spec.className, reason))
  } else if (spec.name === undefined) {
    queueActor(turn, actor)
  } else {
    claimName(turn, actor, spec.name)
  }
}

function claimName(turn: Turn, actor: Actor, name: string): void {
  const { namespace, actorId, owner } = actor.spec
  const { nodeId, epoch } = turn.state.config
  const where = { nodeId: toHex(nodeId), epoch }
  const holder = { actorId, owner: toHex(owner), sinceMs: turn.nowMs, ...where }
  turn.effects.push({ kind: 'claimName', name, namespace, holder })
}

/** Arrow 2, or 4 when another actor has the name. */
export function nameClaimed(turn: Turn, event: EventOf<'nameClaimed'>): void {
  const actor = turn.state.actors.get(event.actorId)
  const name = actor?.spec.name
  if (actor === undefined || name === undefined) return
  const { holder } = event
  if (actor.phase === 'DEAD') {
    // It died while the claim was on its way: the name must not outlive it.
    if (holder !== undefined) return
    actor.named = true
    releaseName(turn, actor)
    return
  }
  if (holder === undefined) {
    actor.named = true
    queueActor(turn, actor)
    return
  }
  nameIsHeld(turn, actor, name, holder)
}

function nameIsHeld(turn: Turn, actor: Actor, name: string, holder: FoundHolder): void {
  const { namespace, getIfExists } = actor.spec
  const existing = livingOf(turn, holder)
  if (existing === undefined) {
    // The row is left from an actor that is gone.
    turn.effects.push({ kind: 'releaseName', name, namespace, actorId: holder.actorId })
    claimName(turn, actor, name)
  } else if (!getIfExists) {
    refuseCreation(turn, actor, nameTaken(name, namespace, holder))
  } else if (existing === 'ELSEWHERE') {
    refuseCreation(turn, actor, livesElsewhere(`the actor named '${name}'`, holder.nodeId))
  } else {
    takeExisting(turn, actor, existing)
  }
}

/** Undefined: it is gone, for it is none of the living of this node, or its node is dead. */
function livingOf({ state }: Turn, holder: FoundHolder): Actor | 'ELSEWHERE' | undefined {
  const { nodeId, epoch } = state.config
  if (holder.nodeId !== toHex(nodeId)) return holder.isNodeGone ? undefined : 'ELSEWHERE'
  const actor = holder.epoch === epoch ? state.actors.get(holder.actorId) : undefined
  return actor?.phase === 'DEAD' ? undefined : actor
}

/** Arrow 4: it never had its name. */
export function claimRefused(turn: Turn, event: EventOf<'claimRefused'>): void {
  const actor = turn.state.actors.get(event.actorId)
  if (actor !== undefined) refuseCreation(turn, actor, event.error)
}

/** getIfExists found a living one: the new actor was never made. */
function takeExisting(turn: Turn, actor: Actor, existing: Actor): void {
  turn.state.actors.delete(actor.spec.actorId)
  if (actor.request !== undefined) answer(turn, actor.request, infoOf(turn, existing))
  actor.request = undefined
}

function nameTaken(name: string, namespace: string, holder: NameHolder): ActorAlreadyExistsError {
  return new ActorAlreadyExistsError(
    `an actor named '${name}' exists in namespace '${namespace}'. ` +
      'Choose another name, kill that actor, or use { getIfExists: true }.',
    {
      data: { name, namespace, owner: holder.owner, since: holder.sinceMs, nodeId: holder.nodeId },
    },
  )
}

function refuseCreation(turn: Turn, actor: Actor, error: VirgaError): void {
  const { request } = actor
  actor.request = undefined
  if (request !== undefined) refuse(turn, request, error)
  endActor(turn, actor, error)
}

function queueActor(turn: Turn, actor: Actor): void {
  const job = turn.state.jobs.get(actor.spec.jobId)
  if (job === undefined || job.over) {
    const why = `the job of this actor has ended, and with it the ${actor.spec.className}`
    refuseCreation(turn, actor, new ActorNotFoundError(why))
    return
  }
  if (actor.phase === 'DEPENDENCIES_UNREADY') actor.phase = 'PENDING_CREATION'
  actor.waitingSinceMs = turn.nowMs
  job.pendingActors.add(actor)
  job.turns.add('ACTORS')
  tellWatchers(turn, actor)
  if (actor.request !== undefined) answer(turn, actor.request, infoOf(turn, actor))
  actor.request = undefined
}

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
  actor.phase = 'ALIVE'
  actor.lived = true
  actor.error = undefined
  actor.address = event.address
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
  if (worker !== undefined) askToExit(turn, worker, 'RETIRED')
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
  askToExit(turn, worker, 'RETIRED')
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
  const actor = turn.state.actors.get(event.actorId)
  if (actor === undefined && event.noRestart) turn.state.killedUnmade.add(event.actorId)
  const living = actor !== undefined && actor.phase !== 'DEAD'
  const worker = living ? actor.lease?.worker : undefined
  if (living && worker !== undefined && !event.noRestart) actor.killRequests.push(event.request)
  else answer(turn, event.request, undefined)
  if (living && event.noRestart) endActor(turn, actor, actorGone(actor, KILLED))
  if (worker !== undefined) kill(turn, worker, 'KILLED')
}

/** Arrow 4 to come: its worker is asked to finish what was called, and killed after the grace. */
export function actorHandlesGone(turn: Turn, event: EventOf<'actorHandlesGone'>): void {
  const actor = turn.state.actors.get(event.actorId)
  if (actor === undefined || actor.phase === 'DEAD' || actor.spec.detached) return
  if (actor.spec.owner !== event.client) return
  retireActor(turn, actor, 'its last handle is gone')
}

/** The current view at once; every change after it comes as actorChanged. */
export function watchActor(turn: Turn, event: EventOf<'watchActor'>): void {
  const { state } = turn
  const actor = state.actors.get(event.actorId)
  let watchers = state.watchers.get(event.actorId)
  if (actor?.phase !== 'DEAD' && !state.forgottenActors.has(event.actorId)) {
    if (watchers === undefined) state.watchers.set(event.actorId, (watchers = new Set()))
    watchers.add(event.client)
  }
  answer(
    turn,
    event.request,
    actor === undefined ? unknownView(turn, event.actorId) : viewOf(actor),
  )
}

/** An actor that was not made yet (its arguments are not ready), or one that died long ago. */
function unknownView(turn: Turn, actorId: ActorId): ActorView {
  const base = { actorId, incarnation: 0, address: '', workerId: undefined }
  if (!turn.state.forgottenActors.has(actorId)) return { ...base, phase: 'DEPENDENCIES_UNREADY' }
  const error = new ActorNotFoundError(`actor ${toHex(actorId)} died long ago. Create a new one.`)
  return { ...base, phase: 'DEAD', error: toWire(error) }
}

export function findActor(turn: Turn, event: EventOf<'findActor'>): void {
  const { request, name, namespace } = event
  turn.effects.push({ kind: 'findName', request, name, namespace })
}

export function nameFound(turn: Turn, event: EventOf<'nameFound'>): void {
  const { holder, name } = event
  const actor = holder && livingOf(turn, holder)
  if (holder !== undefined && actor === 'ELSEWHERE') {
    refuse(turn, event.request, livesElsewhere(`the actor named '${name}'`, holder.nodeId))
    return
  }
  const living = actor !== undefined && actor !== 'ELSEWHERE' && actor.named
  answer(turn, event.request, living ? infoOf(turn, actor) : undefined)
}

function infoOf(turn: Turn, actor: Actor): ActorInfo {
  const { spec } = actor
  return {
    actorId: spec.actorId,
    className: spec.className,
    methods: spec.methods,
    owner: spec.detached ? undefined : spec.owner,
    ownerAddress: spec.detached ? undefined : turn.state.clients.get(spec.owner)?.address,
    nodeId: turn.state.config.nodeId,
    maxPendingCalls: spec.maxPendingCalls,
    maxTaskRetries: spec.maxTaskRetries,
  }
}
