// What the brain knows of one actor: plain data, changed by step() alone; and as it knows it first.
import type { VirgaError } from '../../common/errors.ts'
import type { WireError } from '../../common/error-wire.ts'
import type { Holder } from '../../gcs/actors.ts'
import type { ActorPhase, ActorSpec, ActorView } from '../../protocol/actor-messages.ts'
import type { WorkerExit } from '../../protocol/messages.ts'
import { shapeOf } from '../leases.ts'
import type { Lease } from '../state.ts'
import type { Turn } from '../turn.ts'
import type { ActorOrigin } from './actor-origin.ts'

export interface Actor {
  /** Without its arguments once it is dead. */
  spec: ActorSpec
  /** Of its demand, as a class has one. */
  readonly shape: string
  phase: ActorPhase
  incarnation: number
  restartsLeft: number
  lease: Lease | undefined
  address: string
  readonly since: number
  waitingSinceMs: number
  /** Request to answer once the name is decided. */
  request: number | undefined
  /** Its row is on its way, where there are several nodes. */
  registering: boolean
  named: boolean
  /** Whether any incarnation ever lived: calls may have run. */
  lived: boolean
  /** It must not come back: killed, exiting, or without handles. */
  ending: { readonly error: VirgaError | WireError } | undefined
  error: WireError | undefined
  exit: WorkerExit | undefined
  diedAtMs: number | undefined
  /** Requests to kill its worker alone, to be answered when that is gone; or to kill it, while it
   *  is registering. */
  readonly killRequests: number[]
  /** Undefined where the cluster is this node alone. */
  readonly origin: ActorOrigin | undefined
  place: ActorPlace
  /** The other node that is asked to host or to adopt it, or hosts it. */
  hostId: string | undefined
  /** The epoch in which it said that it does. */
  hostEpoch: number
  /** What its host said of it before its answer to the offer came. */
  heardEarly: ActorView | undefined
  /** Whom its row in the GCS names; undefined: it has none, or not yet. */
  holder: Holder | undefined
  /** Bound to a group: how many of its nodes have had no room, and when they are asked again. */
  fullHolders: number
  placeNotBeforeMs: number
}

/**
 * Where an actor without a lease is to get one, where there are several nodes; else always HERE.
 *   UNPLACED  no node has room for it now     ASKED  a node is asked to host it
 *   AWAY      it does, and this node is still named in its row, until the actor is constructed
 *   CLAIMING  the GCS is asked for its next incarnation
 *   LEFT      for others to start again: this node ends
 *   GIVEN     the same, and one of them is asked to: it may have done so (left-actors.ts)
 */
export type ActorPlace = 'HERE' | 'UNPLACED' | 'ASKED' | 'AWAY' | 'CLAIMING' | 'LEFT' | 'GIVEN'

/** Before anything of it was decided. */
export function newActor(
  { nowMs }: Turn,
  { spec, origin, incarnation }: Pick<Actor, 'spec' | 'origin' | 'incarnation'>,
): Actor {
  return {
    spec,
    shape: shapeOf(spec.scheduling),
    phase: 'DEPENDENCIES_UNREADY',
    incarnation,
    restartsLeft: spec.maxRestarts < 0 ? Infinity : spec.maxRestarts - incarnation,
    lease: undefined,
    address: '',
    since: nowMs,
    waitingSinceMs: nowMs,
    request: undefined,
    registering: false,
    named: false,
    lived: false,
    ending: undefined,
    error: undefined,
    exit: undefined,
    diedAtMs: undefined,
    killRequests: [],
    origin,
    place: origin === undefined ? 'HERE' : 'UNPLACED',
    hostId: undefined,
    hostEpoch: 0,
    heardEarly: undefined,
    holder: undefined,
    fullHolders: 0,
    placeNotBeforeMs: 0,
  }
}
