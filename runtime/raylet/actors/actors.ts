// The lifecycle of an actor on the node that has it.
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
import {
  ActorAlreadyExistsError,
  ActorNotFoundError,
  type VirgaError,
} from '../../common/errors.ts'
import { toHex, type ActorId, type WorkerId } from '../../common/ids.ts'
import { reasonFor } from '../../common/reason.ts'
import type { ActorInfo } from '../../protocol/messages.ts'
import {
  actorGone,
  answerKills,
  endActor,
  releaseName,
  retireActor,
  tellWatchers,
  viewOf,
  willEnd,
  writeDeath,
} from './actor-end.ts'
import { infoOfMade, type ActorOrigin } from './actor-origin.ts'
import {
  actorIsHere,
  handlesGoneElsewhere,
  killElsewhere,
  unknownView,
  watchElsewhere,
} from './actors-elsewhere.ts'
import { callHost, isAway } from './actors-of-nodes.ts'
import { giveCpuBack } from '../holdings.ts'
import { endLease, shapeOf } from '../leases.ts'
import { judge } from '../placement.ts'
import type { Actor, Worker } from '../state.ts'
import { answer, notify, refuse, type NameHolder, type RayletEvent, type Turn } from '../turn.ts'
import { askToExit, kill } from '../workers.ts'

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
  const origin = originOf(turn, event)
  const actor: Actor = {
    spec,
    origin,
    place: origin === undefined ? 'HERE' : 'UNPLACED',
    hostId: undefined,
    ...{ holder: undefined, fullHolders: 0, placeNotBeforeMs: 0 },
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
  actorIsHere(turn, spec)
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
  } else if (origin !== undefined) {
    const made = { spec, origin }
    turn.effects.push({ kind: 'registerActor', made, sinceMs: turn.nowMs })
  } else if (spec.name === undefined) {
    queueActor(turn, actor)
  } else {
    claimName(turn, actor, spec.name)
  }
}

/** Undefined where the cluster is this node alone. */
function originOf(
  { state }: Turn,
  { client: id, spec }: EventOf<'createActor'>,
): ActorOrigin | undefined {
  const client = state.clients.get(id)
  const job = state.jobs.get(spec.jobId)
  if (state.cluster === undefined || client === undefined || job === undefined) return undefined
  const homeId = toHex(state.config.nodeId)
  const { driver, drivenAt = homeId } = job
  return { homeId, ownerAddress: client.address, job: job.spec, driver, drivenAt }
}

/** Arrow 2, or 4 when another actor has the name: where there are several nodes. */
export function actorRegistered(turn: Turn, event: EventOf<'actorRegistered'>): void {
  const { actorId, existing } = event
  const actor = turn.state.actors.get(actorId)
  if (actor === undefined) return
  if (existing === undefined) {
    const { nodeId, epoch } = turn.state.config
    actor.holder = { nodeId: toHex(nodeId), epoch }
    actor.named = actor.spec.name !== undefined
    if (actor.phase !== 'DEAD') queueActor(turn, actor)
    else if (turn.state.cluster !== undefined) writeDeath(turn, turn.state.cluster.actors, actor)
    return
  }
  const { name, namespace, getIfExists } = actor.spec
  if (actor.phase === 'DEAD' || name === undefined) return
  if (getIfExists) takeExisting(turn, actor, existing.info)
  else refuseCreation(turn, actor, nameTaken(name, namespace, existing.holder))
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

function nameIsHeld(turn: Turn, actor: Actor, name: string, holder: NameHolder): void {
  const { namespace, getIfExists } = actor.spec
  const existing = livingOf(turn, holder)
  if (existing === undefined) {
    // The row is left from an actor that is gone.
    turn.effects.push({ kind: 'releaseName', name, namespace, actorId: holder.actorId })
    claimName(turn, actor, name)
  } else if (!getIfExists) {
    refuseCreation(turn, actor, nameTaken(name, namespace, holder))
  } else {
    takeExisting(turn, actor, infoOf(turn, existing))
  }
}

/** Undefined: it is gone, for it is none of the living of this node. */
function livingOf({ state }: Turn, holder: NameHolder): Actor | undefined {
  const { nodeId, epoch } = state.config
  if (holder.nodeId !== toHex(nodeId)) return undefined
  const actor = holder.epoch === epoch ? state.actors.get(holder.actorId) : undefined
  return actor?.phase === 'DEAD' ? undefined : actor
}

/** Arrow 4: it never had its name. */
export function claimRefused(turn: Turn, event: EventOf<'claimRefused'>): void {
  const actor = turn.state.actors.get(event.actorId)
  if (actor !== undefined) refuseCreation(turn, actor, event.error)
}

/** getIfExists found a living one: the new actor was never made. */
function takeExisting(turn: Turn, actor: Actor, existing: ActorInfo): void {
  turn.state.actors.delete(actor.spec.actorId)
  if (actor.request !== undefined) answer(turn, actor.request, existing)
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
  const { state } = turn
  const { actorId, noRestart, request } = event
  const actor = state.actors.get(actorId)
  if (actor !== undefined && actor.phase !== 'DEAD') {
    killLiving(turn, actor, event)
  } else if (actor === undefined && state.cluster !== undefined && event.isUnmade !== true) {
    killElsewhere(turn, event)
  } else {
    if (actor === undefined && noRestart) state.killedUnmade.add(actorId)
    answer(turn, request, undefined)
  }
}

function killLiving(turn: Turn, actor: Actor, { request, noRestart }: EventOf<'killActor'>): void {
  const worker = actor.lease?.worker
  if (noRestart) {
    if (turn.state.cluster === undefined) answer(turn, request, undefined)
    endActor(turn, actor, actorGone(actor, KILLED), request)
  } else if (worker !== undefined) actor.killRequests.push(request)
  else {
    if (isAway(actor))
      callHost(turn, actor, { type: 'killActor', actorId: actor.spec.actorId, noRestart })
    answer(turn, request, undefined)
  }
  if (worker !== undefined) kill(turn, worker, 'KILLED')
}

/** Arrow 4 to come: its worker is asked to finish what was called, and killed after the grace. */
export function actorHandlesGone(turn: Turn, event: EventOf<'actorHandlesGone'>): void {
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
  if (actor === undefined) {
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
  let watchers = state.watchers.get(event.actorId)
  if (actor?.phase !== 'DEAD' && !state.forgottenActors.has(event.actorId)) {
    if (watchers === undefined) state.watchers.set(event.actorId, (watchers = new Set()))
    watchers.add(event.client)
  }
  const isGone = state.forgottenActors.has(event.actorId)
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

export function findActor(turn: Turn, event: EventOf<'findActor'>): void {
  const { request, name, namespace } = event
  const kind = turn.state.cluster === undefined ? 'findName' : 'findActor'
  turn.effects.push({ kind, request, name, namespace })
}

export function nameFound(turn: Turn, event: EventOf<'nameFound'>): void {
  const { holder } = event
  const actor = holder && livingOf(turn, holder)
  answer(turn, event.request, actor?.named === true ? infoOf(turn, actor) : undefined)
}

function infoOf(turn: Turn, actor: Actor): ActorInfo {
  const { spec, origin } = actor
  if (origin !== undefined) return infoOfMade({ spec, origin })
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
