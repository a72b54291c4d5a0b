// The ends of an actor: for good, or of one incarnation. The lifecycle is drawn in actors.ts.
// What an actor holds is given back when its process is gone, not when it is declared dead: until
// then its GPU memory is really in use.
import { toWire, type WireError } from '../../common/error-wire.ts'
import {
  ActorDiedError,
  ActorUnavailableError,
  OutOfMemoryError,
  VirgaError,
} from '../../common/errors.ts'
import { toHex } from '../../common/ids.ts'
import { describeMemoryUse } from '../../common/memory-use.ts'
import { reasonFor } from '../../common/reason.ts'
import { describeRemains } from '../../protocol/exit-text.ts'
import type { ActorView } from '../../protocol/actor-messages.ts'
import type { WorkerExit } from '../../protocol/messages.ts'
import type { ReleaseReason } from './actor-events.ts'
import { livesNoMore } from './living-actors.ts'
import { callHost, isAway, leave, tellLinks, type ActorsOfNodes } from './actors-of-nodes.ts'
import { describeExit } from '../exit-text.ts'
import { endLease } from '../leases.ts'
import { judge } from '../placement.ts'
import type { RayletState } from '../state.ts'
import type { Actor } from './actor-state.ts'
import { answer, notify, refuse, type Turn } from '../turn.ts'
import { askToExit, ORPHAN_GRACE_MS } from '../workers.ts'

const NOTHING = new Uint8Array()

/**
 * Arrow 4: final. Its worker, if any, is for the caller to end.
 * @param killRequest  where there are several nodes, answered when its row says so.
 */
export function endActor(
  turn: Turn,
  actor: Actor,
  error: VirgaError | WireError,
  killRequest?: number,
): void {
  if (actor.phase === 'DEAD') return
  const { state } = turn
  if (actor.lease !== undefined && actor.lease.worker === undefined) endLease(turn, actor.lease)
  state.jobs.get(actor.spec.jobId)?.pendingActors.delete(actor)
  actor.phase = 'DEAD'
  livesNoMore(state, actor)
  actor.diedAtMs = turn.nowMs
  actor.address = ''
  actor.error = error instanceof VirgaError ? toWire(error) : error
  if (isAway(actor))
    callHost(turn, actor, { type: 'killActor', actorId: actor.spec.actorId, noRestart: true })
  if (actor.request !== undefined) {
    const refusal = error instanceof VirgaError ? error : actorGone(actor, 'it ended')
    refuse(turn, actor.request, refusal)
    actor.request = undefined
  }
  if (state.cluster === undefined) releaseName(turn, actor)
  else writeDeath(turn, state.cluster.actors, actor, killRequest)
  tellWatchers(turn, actor)
  state.watchers.delete(actor.spec.actorId)
  state.cluster?.actors.links.delete(actor.spec.actorId)
  actor.spec = { ...actor.spec, args: NOTHING }
  remember(state, actor)
}

/** A2. One whose row is not there yet is told when that is known: see actorRegistered. */
export function writeDeath(
  turn: Turn,
  ofNodes: ActorsOfNodes,
  actor: Actor,
  request?: number,
): void {
  const { incarnation, spec, error, holder } = actor
  ofNodes.mayBeIdle = true
  if (holder === undefined) {
    if (request === undefined) return
    if (actor.registering) actor.killRequests.push(request)
    else answer(turn, request, undefined)
    return
  }
  const write = { kind: 'DEAD', death: error?.message ?? 'it ended', request } as const
  turn.effects.push({ kind: 'writeActor', actorId: spec.actorId, incarnation, write })
}

/** Of one that is dead: its name is free once what is on its way to its row is written. */
export function answerKill(turn: Turn, actor: Actor, request: number): void {
  const { incarnation, spec, registering } = actor
  if (turn.state.cluster === undefined) answer(turn, request, undefined)
  else if (registering) actor.killRequests.push(request)
  else {
    const write = { kind: 'SETTLED', request } as const
    turn.effects.push({ kind: 'writeActor', actorId: spec.actorId, incarnation, write })
  }
}

/** It must not come back: DEAD once its process is gone, at once where there is none. */
export function willEnd(turn: Turn, actor: Actor, error: VirgaError | WireError): void {
  if (actor.phase === 'DEAD' || actor.ending !== undefined) return
  if (actor.lease?.worker === undefined) {
    endActor(turn, actor, error)
    return
  }
  actor.ending = { error }
  releaseName(turn, actor)
}

/** Why an actor ends whose program has let go of it, and how long that may take. */
const RELEASES: Readonly<
  Record<ReleaseReason, { readonly why: string; readonly graceMs?: number }>
> = {
  HANDLES: { why: 'its last handle is gone' },
  OWNER: { why: 'its creator has ended', graceMs: ORPHAN_GRACE_MS },
  JOB: { why: 'its job has ended', graceMs: ORPHAN_GRACE_MS },
}

/** Let it finish what was called, within the grace time. */
export function retireActor(turn: Turn, actor: Actor, reason: ReleaseReason): void {
  const { why, graceMs } = RELEASES[reason]
  const worker = actor.lease?.worker
  if (isAway(actor)) {
    actor.ending ??= { error: actorGone(actor, why) }
    callHost(turn, actor, { type: 'releaseActor', actorId: actor.spec.actorId, why: reason })
    return
  }
  willEnd(turn, actor, actorGone(actor, why))
  if (worker !== undefined) askToExit(turn, worker, 'OVER', graceMs)
}

/** Its process is gone: arrow 5 while restarts are left, else arrow 4. The lease has ended. */
export function actorWorkerExited(turn: Turn, actor: Actor, exit: WorkerExit): void {
  actor.exit = exit
  if (actor.phase !== 'DEAD') endIncarnation(turn, actor, exit)
  answerKills(turn, actor)
}

/** The worker that was to be killed is its own no more. */
export function answerKills(turn: Turn, actor: Actor): void {
  for (const request of actor.killRequests.splice(0)) answer(turn, request, undefined)
}

function endIncarnation(turn: Turn, actor: Actor, exit: WorkerExit): void {
  const job = turn.state.jobs.get(actor.spec.jobId)
  if (
    actor.ending !== undefined ||
    actor.restartsLeft === 0 ||
    job === undefined ||
    job.isWindingDown
  ) {
    endActor(turn, actor, actor.ending?.error ?? diedOf(actor, exit))
    return
  }
  if (turn.state.cluster !== undefined && (turn.state.draining || turn.state.leaving)) {
    leaveBehind(turn, actor, exit)
    return
  }
  const unplaceable = judge(turn.state, actor.spec.scheduling, 'actor')
  if (unplaceable !== undefined) {
    endActor(turn, actor, reasonFor(actor.spec.className, unplaceable))
    return
  }
  actor.restartsLeft -= 1
  actor.incarnation += 1
  actor.phase = 'RESTARTING'
  actor.address = ''
  actor.error = toWire(restartingOf(actor, exit))
  actor.waitingSinceMs = turn.nowMs
  if (turn.state.cluster !== undefined) claimIncarnation(turn, actor)
  job.pendingActors.add(actor)
  job.turns.add('ACTORS')
  tellWatchers(turn, actor)
}

/** Another node may have taken it over: the row decides. */
function claimIncarnation(turn: Turn, actor: Actor): void {
  const { incarnation, spec } = actor
  actor.place = 'CLAIMING'
  actor.hostId = undefined
  const write = { kind: 'RESTARTING' } as const
  turn.effects.push({ kind: 'writeActor', actorId: spec.actorId, incarnation, write })
}

/** This node ends: another takes the next incarnation. */
function leaveBehind(turn: Turn, actor: Actor, exit: WorkerExit): void {
  actor.phase = 'RESTARTING'
  leave(turn.state, actor, false)
  actor.address = ''
  actor.error = toWire(restartingOf(actor, exit))
  tellWatchers(turn, actor)
}

function howEnded({ hostId = '' }: Actor, exit: WorkerExit): string {
  if (exit.cause === 'NODE_LOST') return `its node ${hostId} is dead`
  return `its worker ${describeExit(exit)}`
}

function diedOf(actor: Actor, exit: WorkerExit): ActorDiedError {
  const { className, actorId, maxRestarts } = actor.spec
  const memory = exit.cause === 'MEMORY_LIMIT' || exit.cause === 'MEMORY_PRESSURE'
  const [restarts, advice] =
    maxRestarts === 0
      ? ['it has no restarts', 'Give maxRestarts to have it started again.']
      : ['its restarts are used up', 'Give more maxRestarts, or create a new one.']
  const cause = memory
    ? new OutOfMemoryError(`${describeExit(exit)}. ${describeMemoryUse(exit.memory)}`.trim(), {
        data: { peakBytes: exit.peakRssBytes },
      })
    : undefined
  const remains = describeRemains(exit)
  const left = remains === '' ? '' : ` The worker left: ${remains}`
  return new ActorDiedError(
    `actor ${className} died: ${howEnded(actor, exit)}, and ${restarts}. ${advice}${left}`,
    {
      ...(cause === undefined ? {} : { cause }),
      data: {
        actorId: toHex(actorId),
        className,
        mayHaveRun: actor.lived ? 'unknown' : false,
        exit: { ...exit, workerId: toHex(exit.workerId) },
      },
    },
  )
}

export function restartingOf(actor: Actor, exit: WorkerExit): ActorUnavailableError {
  const { className, actorId } = actor.spec
  return new ActorUnavailableError(
    `actor ${className} is being started again: ${howEnded(actor, exit)}. Call again, if ` +
      'that is safe, or set maxTaskRetries.',
    { data: { actorId: toHex(actorId), className, incarnation: actor.incarnation } },
  )
}

export const KILLED = 'it was killed with kill()'

/** The error of an actor that ended without a fault. */
export function actorGone(actor: Actor, why: string): ActorDiedError {
  const { className, actorId } = actor.spec
  return new ActorDiedError(`actor ${className} is dead: ${why}. Create a new one.`, {
    data: { actorId: toHex(actorId), className, mayHaveRun: actor.lived ? 'unknown' : false },
  })
}

/** A2: the name is free as soon as the actor will not come back. */
export function releaseName(turn: Turn, actor: Actor): void {
  const { name, namespace, actorId } = actor.spec
  if (!actor.named || name === undefined) return
  actor.named = false
  if (turn.state.cluster === undefined) {
    turn.effects.push({ kind: 'releaseName', name, namespace, actorId })
    return
  }
  const { incarnation } = actor
  turn.effects.push({ kind: 'writeActor', actorId, incarnation, write: { kind: 'UNNAMED' } })
}

export function tellWatchers(turn: Turn, actor: Actor): void {
  const view = viewOf(actor)
  for (const watcher of turn.state.watchers.get(actor.spec.actorId) ?? []) {
    notify(turn, watcher, 'actorChanged', view)
  }
  tellLinks(turn, view)
}

export function viewOf(actor: Actor): ActorView {
  return {
    actorId: actor.spec.actorId,
    phase: actor.phase,
    incarnation: actor.incarnation,
    address: actor.address,
    workerId: actor.lease?.worker?.workerId,
    ...(actor.error === undefined ? {} : { error: actor.error }),
    ...(actor.exit === undefined ? {} : { exit: actor.exit }),
  }
}

/** The oldest is forgotten for it. */
export function remember({ actors, deadActors, forgottenActors }: RayletState, actor: Actor): void {
  const oldest = deadActors.add(actor.spec.actorId)
  if (oldest === undefined) return
  actors.delete(oldest)
  forgottenActors.add(oldest)
}
