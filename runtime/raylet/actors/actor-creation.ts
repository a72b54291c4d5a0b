// An actor that comes into being: arrows 1 and 2 of the lifecycle drawn in actors.ts, and 4 where
// it is refused before it ever waits for a worker.
import { ActorNotFoundError, type VirgaError } from '../../common/errors.ts'
import { toHex } from '../../common/ids.ts'
import { reasonFor } from '../../common/reason.ts'
import type { ActorInfo } from '../../protocol/actor-messages.ts'
import {
  KILLED,
  actorGone,
  answerKill,
  answerKills,
  endActor,
  releaseName,
  tellWatchers,
  writeDeath,
} from './actor-end.ts'
import { claimName, infoOf, livingOf, nameTaken } from './actor-names.ts'
import type { ActorOrigin } from './actor-origin.ts'
import { actorIsHere } from './actors-elsewhere.ts'
import { foundInstead } from './found-actors.ts'
import { livesHere, livesNoMore } from './living-actors.ts'
import { judge } from '../placement.ts'
import { newActor, type Actor } from './actor-state.ts'
import type { ActorsOfNodes } from './actors-of-nodes.ts'
import { answer, refuse, type EventOf, type NameHolder, type Turn } from '../turn.ts'

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
  const actor = newActor(turn, { spec, origin, incarnation: 0 })
  actor.request = request
  state.actors.set(spec.actorId, actor)
  livesHere(state, actor)
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
    actor.registering = true
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

/** Arrow 2, or 4 where another actor has the name, or it was killed: on several nodes. */
export function actorRegistered(turn: Turn, event: EventOf<'actorRegistered'>): void {
  const { actorId, existing } = event
  const actor = turn.state.actors.get(actorId)
  if (actor === undefined) return
  actor.registering = false
  if (existing === 'KILLED') {
    endActor(turn, actor, actorGone(actor, KILLED)) // AC5
    answerKills(turn, actor)
    return
  }
  if (existing === undefined) {
    const { nodeId, epoch } = turn.state.config
    actor.holder = { nodeId: toHex(nodeId), epoch }
    actor.named = actor.spec.name !== undefined
    if (actor.phase !== 'DEAD') queueActor(turn, actor)
    else if (turn.state.cluster !== undefined)
      writeLateDeath(turn, turn.state.cluster.actors, actor)
    return
  }
  answerKills(turn, actor)
  const { name, namespace, getIfExists } = actor.spec
  if (actor.phase === 'DEAD' || name === undefined) return
  if (getIfExists) takeExisting(turn, actor, existing.info)
  else refuseCreation(turn, actor, nameTaken(name, namespace, existing.holder))
}

/** It ended while its row was on its way; who has killed it is told when its name is free. */
function writeLateDeath(turn: Turn, ofNodes: ActorsOfNodes, actor: Actor): void {
  const [first, ...others] = actor.killRequests.splice(0)
  writeDeath(turn, ofNodes, actor, first)
  for (const request of others) answerKill(turn, actor, request)
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

/** Arrow 4: it never had its name. */
export function claimRefused(turn: Turn, event: EventOf<'claimRefused'>): void {
  const actor = turn.state.actors.get(event.actorId)
  if (actor === undefined) return
  actor.registering = false
  refuseCreation(turn, actor, event.error)
  answerKills(turn, actor)
}

/** getIfExists found a living one: the new actor was never made. */
function takeExisting(turn: Turn, actor: Actor, existing: ActorInfo): void {
  turn.state.actors.delete(actor.spec.actorId)
  livesNoMore(turn.state, actor)
  foundInstead(turn, actor, existing)
  if (actor.request !== undefined) answer(turn, actor.request, existing)
  actor.request = undefined
}

function refuseCreation(turn: Turn, actor: Actor, error: VirgaError): void {
  const { request } = actor
  actor.request = undefined
  if (request !== undefined) refuse(turn, request, error)
  endActor(turn, actor, error)
}

function queueActor(turn: Turn, actor: Actor): void {
  const job = turn.state.jobs.get(actor.spec.jobId)
  if (job === undefined || job.isWindingDown) {
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
