// Events and effects of actors where there are several nodes: with their rows in the GCS, and with
// the raylets of other nodes. Part of the vocabulary of turn.ts.
import type { ActorId, JobId } from '../../common/ids.ts'
import type { Holder } from '../../gcs/actors.ts'
import type { ActorInfo, ActorView } from '../../protocol/actor-messages.ts'
import type { WorkerExit } from '../../protocol/messages.ts'
import type { MadeActor } from './actor-origin.ts'
import type { NodeLoad } from '../../scheduling/cluster-view.ts'
import type { NameHolder } from '../turn.ts'
import type { EndedLives } from './ended-lives.ts'

/** An actor that a node is asked to host. */
export interface ActorOffer extends MadeActor {
  readonly incarnation: number
  /** Whom its row names. */
  readonly holder: Holder
  /** Whether any incarnation ever lived. */
  readonly lived: boolean
  /** How many nodes it will have been offered to, this one included. */
  readonly hops: number
  /** It is bound to that node, and waits there for room. */
  readonly isBound: boolean
  /** How the worker of the life before ended. */
  readonly exit?: WorkerExit
}

export interface OfferAnswer {
  readonly accepted: boolean
  /** Who had better be asked, in hex. */
  readonly retryAt?: string
  /** What that node has free now. */
  readonly load: NodeLoad
}

/** One that a node leaves behind as it drains: nothing of that incarnation runs any more. */
export interface LeftActor {
  readonly actorId: ActorId
  readonly incarnation: number
  /** That node, if it has not begun the constructor of that incarnation, and never will. */
  readonly unbegunAt?: Holder
  /** How its worker ended, if it had one. */
  readonly exit?: WorkerExit
}

/** The last actor that had a name, as far as a node knows. */
export interface GoneActor {
  readonly actorId: string
  readonly className: string
  readonly deadMs: number
  readonly why: string
}

/** What is done to an actor wherever it is. */
export type ActorCall =
  | { readonly type: 'killActor'; readonly actorId: ActorId; readonly noRestart: boolean }
  | { readonly type: 'releaseActor'; readonly actorId: ActorId; readonly why: ReleaseReason }

/** Its last handle is gone; or who made it is; or its job. */
export type ReleaseReason = 'HANDLES' | 'OWNER' | 'JOB'

/** What a row is to say. `by`: this node, where it is another that the row names so far. */
export type ActorWrite =
  | { readonly kind: 'ALIVE'; readonly from: Holder; readonly address: string }
  | { readonly kind: 'RESTARTING' }
  /** `request`: to be answered when it is written. */
  | { readonly kind: 'DEAD'; readonly death: string; readonly request: number | undefined }
  | { readonly kind: 'UNNAMED' }
  /** Another node holds it by now. */
  | { readonly kind: 'LEFT' }
  /** Nothing: answers that request once what was to be written before is. */
  | { readonly kind: 'SETTLED'; readonly request: number }

export type ActorEventOfNodes =
  | {
      readonly kind: 'actorRegistered'
      readonly actorId: ActorId
      /** Who has the name instead; or that it was killed before it was made. */
      readonly existing:
        | { readonly info: ActorInfo; readonly holder: NameHolder }
        | 'KILLED'
        | undefined
    }
  | {
      /** What came of the writes ALIVE and RESTARTING: false when another life goes on elsewhere. */
      readonly kind: 'actorWritten'
      readonly actorId: ActorId
      readonly incarnation: number
      readonly write: 'ALIVE' | 'RESTARTING'
      readonly won: boolean
    }
  | {
      readonly kind: 'actorFound'
      readonly request: number
      readonly name: string
      readonly namespace: string
      readonly info: ActorInfo | undefined
      /** Where there is none: who had that name last, as other nodes know. */
      readonly gone: GoneActor | undefined
    }
  | {
      readonly kind: 'actorOffered'
      readonly link: number
      readonly request: number
      readonly offer: ActorOffer
    }
  | {
      readonly kind: 'offerAnswered'
      readonly nodeId: string
      readonly offer: ActorOffer
      /** NOBODY: it was never reached. LOST: it died, and nobody knows whether it had begun. */
      readonly answer: OfferAnswer | 'NOBODY' | 'LOST'
    }
  | {
      /** Where it was offered to has not begun it, and drains: answers whether it is there no more. */
      readonly kind: 'offerReturned'
      readonly request: number
      readonly from: Holder
      readonly actorId: ActorId
      readonly incarnation: number
    }
  | {
      /** The raylet of another node wants to hear of an actor. */
      readonly kind: 'nodeWatches'
      readonly link: number
      readonly request: number
      readonly actorId: ActorId
      /** No row of it is there: it was not made yet, by a process of this node. */
      readonly isUnmade: boolean
    }
  /** `nodeId` tells of it from now on; undefined: there is nothing more to tell. */
  | {
      readonly kind: 'actorLocated'
      readonly actorId: ActorId
      readonly nodeId: string | undefined
      readonly view: ActorView
    }
  /** It is on this node by now. */
  | { readonly kind: 'actorIsHere'; readonly actorId: ActorId }
  | { readonly kind: 'actorHeard'; readonly nodeId: string; readonly view: ActorView }
  | { readonly kind: 'actorMoved'; readonly nodeId: string; readonly actorId: ActorId }
  /** From another raylet, or from this one which had looked elsewhere. */
  | { readonly kind: 'actorCall'; readonly request: number; readonly call: ActorCall }
  | { readonly kind: 'actorCalled'; readonly request: number }
  | { readonly kind: 'livesEnded'; readonly ended: EndedLives }
  /** Its driver is gone, and no detached actor of it is left anywhere (EJ1, EJ3). */
  | { readonly kind: 'jobOver'; readonly jobId: JobId }
  | {
      /** This node has ended one whose node is dead. */
      readonly kind: 'actorBuried'
      readonly made: MadeActor
      readonly incarnation: number
      readonly from: Holder
      readonly death: string
    }
  | {
      /** This node has taken one whose node is dead, or leaves: its next incarnation, or the same. */
      readonly kind: 'actorAdopted'
      readonly made: MadeActor
      readonly incarnation: number
      readonly lived: boolean
      readonly from: string
      /** Of the life before; undefined: nobody saw it. */
      readonly exit?: WorkerExit
      /** It is the same incarnation, whose constructor has not begun. */
      readonly isUnbegun?: boolean
    }
  | {
      readonly kind: 'adoptionAnswered'
      readonly left: LeftActor
      /** TAKEN: by that node, or another before. UNKNOWN: it may be, or may come to be. */
      readonly answer: 'TAKEN' | 'REFUSED' | 'UNKNOWN'
    }

export type ActorEffectOfNodes =
  | { readonly kind: 'registerActor'; readonly made: MadeActor; readonly sinceMs: number }
  | {
      readonly kind: 'writeActor'
      readonly actorId: ActorId
      readonly incarnation: number
      readonly write: ActorWrite
    }
  | {
      readonly kind: 'findActor'
      readonly request: number
      readonly name: string
      readonly namespace: string
    }
  | { readonly kind: 'offerActor'; readonly nodeId: string; readonly offer: ActorOffer }
  | { readonly kind: 'askToAdopt'; readonly nodeId: string; readonly left: LeftActor }
  | {
      readonly kind: 'locateActor'
      readonly actorId: ActorId
      readonly homeId: string | undefined
      /** The life of that node in which it was made, where that is known. */
      readonly homeEpoch?: number | undefined
      /** Where it is known to be. */
      readonly at?: string
    }
  | {
      readonly kind: 'callActor'
      readonly call: ActorCall
      readonly homeId: string | undefined
      readonly at?: string
      /** To be answered when it is done. */
      readonly request?: number
    }
  | {
      readonly kind: 'tellActorLink'
      readonly link: number
      readonly type: 'actorChanged'
      readonly message: { readonly view: ActorView }
    }
  | {
      readonly kind: 'tellActorLink'
      readonly link: number
      readonly type: 'actorMoved'
      readonly message: { readonly actorId: ActorId }
    }
