// Events of actors, given to the part that each is for.
import { unreachable } from '../../common/assert.ts'
import { actorRegistered, claimRefused, createActor, nameClaimed } from './actor-creation.ts'
import { answerFound, findActor, nameFound } from './actor-names.ts'
import {
  actorCall,
  actorExiting,
  actorFailed,
  actorHandlesGone,
  actorReady,
  alive,
  entryFirst,
  killActor,
  watchActor,
} from './actors.ts'
import {
  actorAdopted,
  actorOffered,
  actorWritten,
  offerAnswered,
  offerReturned,
  offersLost,
} from './actor-offers.ts'
import {
  actorHeard,
  actorIsHere,
  actorLocated,
  actorMoved,
  hostsLost,
  makersLost,
  nodeWatches,
} from './actors-elsewhere.ts'
import type { ActorEventOfNodes } from './actor-events.ts'
import { actorBuried } from './gone-actors.ts'
import { adoptionAnswered } from './left-actors.ts'
import { jobOver } from '../clients.ts'
import { answer, refuse, type EventOf, type Turn } from '../turn.ts'

type ActorEvent = EventOf<
  | 'createActor'
  | 'nameClaimed'
  | 'nameFound'
  | 'claimRefused'
  | 'findRefused'
  | 'findActor'
  | 'watchActor'
  | 'killActor'
  | 'actorHandlesGone'
  | 'actorReady'
  | 'actorFailed'
  | 'actorExiting'
  | 'entryFirst'
>

export function applyToActors(turn: Turn, event: ActorEvent | OfNodes): void {
  switch (event.kind) {
    case 'createActor':
      createActor(turn, event)
      return
    case 'nameClaimed':
      nameClaimed(turn, event)
      return
    case 'nameFound':
      nameFound(turn, event)
      return
    case 'claimRefused':
      claimRefused(turn, event)
      return
    case 'findRefused':
      refuse(turn, event.request, event.error)
      return
    case 'findActor':
      findActor(turn, event)
      return
    case 'watchActor':
      watchActor(turn, event)
      return
    case 'killActor':
      killActor(turn, event)
      return
    case 'actorHandlesGone':
      actorHandlesGone(turn, event)
      return
    case 'actorReady':
      actorReady(turn, event)
      return
    case 'actorFailed':
      actorFailed(turn, event)
      return
    case 'actorExiting':
      actorExiting(turn, event)
      return
    case 'entryFirst':
      entryFirst(turn, event)
      return
    default:
      applyToActorOfNodes(turn, event)
  }
}

type OfNodes = EventOf<ActorEventOfNodes['kind']>

/** Actors, where there are several nodes. */
function applyToActorOfNodes(turn: Turn, event: OfNodes): void {
  switch (event.kind) {
    case 'actorRegistered':
      actorRegistered(turn, event)
      return
    case 'actorWritten':
      actorWritten(turn, event, (actor) => {
        alive(turn, actor)
      })
      return
    case 'actorFound':
      answerFound(turn, event)
      return
    case 'actorBuried':
      actorBuried(turn, event)
      return
    case 'actorOffered':
      actorOffered(turn, event)
      return
    case 'offerAnswered':
      offerAnswered(turn, event)
      return
    case 'offerReturned':
      offerReturned(turn, event)
      return
    case 'nodeWatches':
      nodeWatches(turn, event)
      return
    case 'actorLocated':
      actorLocated(turn, event)
      return
    case 'actorIsHere':
      actorIsHere(turn, event)
      return
    case 'actorHeard':
      actorHeard(turn, event)
      return
    case 'actorMoved':
      actorMoved(turn, event)
      return
    case 'actorCall':
      actorCall(turn, event)
      return
    case 'actorCalled':
      answer(turn, event.request, undefined)
      return
    case 'livesEnded':
      offersLost(turn, event.ended)
      hostsLost(turn, event.ended)
      makersLost(turn, event.ended)
      return
    case 'jobOver':
      jobOver(turn, event)
      return
    case 'actorAdopted':
      actorAdopted(turn, event)
      return
    case 'adoptionAnswered':
      adoptionAnswered(turn, event)
      return
    default:
      unreachable(event)
  }
}
