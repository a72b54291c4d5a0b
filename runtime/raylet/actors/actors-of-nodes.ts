// What a raylet of several knows of actors beyond those that it has itself: who watches them from
// other nodes, where those are that processes of this node watch, and what it tells of them.
import { toHex, type ActorId, type WorkerId } from '../../common/ids.ts'
import { DEAD_ACTOR_IDS_MAX } from '../../common/limits.ts'
import { RecentSet } from '../../common/recent-set.ts'
import type { ResourceSet } from '../../common/resources.ts'
import type { ActorView } from '../../protocol/actor-messages.ts'
import type { ActorCall } from './actor-events.ts'
import type { Job, RayletState } from '../state.ts'
import type { Actor } from './actor-state.ts'
import type { Turn } from '../turn.ts'

export interface ActorsOfNodes {
  /** Actors elsewhere that processes of this node watch, as `state.watchers` has them. */
  readonly watched: Map<ActorId, WatchedActor>
  /** Connections by which other nodes watch actors of this one; gone with either. */
  readonly links: Map<ActorId, Set<number>>
  /** Actors that processes of this node made, have handles of, and other nodes host. */
  readonly made: Map<ActorId, HostedElsewhere>
  /** Those that died, or were let go of, elsewhere: their rows may be gone when they are asked for. */
  readonly ended: RecentSet<ActorId>
  /** Those that this node leaves behind as it drains, and others may start again by now. */
  readonly left: Map<Actor, Leaving>
  /** Where this one has spread actors, the node that it chose longest ago first. */
  readonly spread: Set<string>
  /** Something has ended here since it was looked whether a guest's job has. */
  mayBeIdle: boolean
}

export interface WatchedActor {
  /** Who tells of it, in hex; undefined while that is looked for. */
  nodeId: string | undefined
  view: ActorView | undefined
  /** Who has told of it last, in hex. */
  hostId: string | undefined
  /** The node of who made it, in hex. */
  readonly homeId: string | undefined
  /** The life of that node; undefined: its row is there, or was. */
  readonly homeEpoch?: number | undefined
  /** That wait for the first view. */
  readonly requests: number[]
}

export interface HostedElsewhere {
  readonly owner: WorkerId
  readonly nodeId: string
  readonly demand: ResourceSet
}

/** How far it is that another node takes an actor. */
export interface Leaving {
  /** The constructor of this incarnation has not begun. */
  isUnbegun: boolean
  isAsked: boolean
  /** One that was asked has not answered: it may have taken it, or may do so yet. */
  isInDoubt: boolean
  notBeforeMs: number
}

export const newActorsOfNodes = (): ActorsOfNodes => ({
  ...{ watched: new Map(), links: new Map(), made: new Map(), left: new Map() },
  spread: new Set(),
  ...{ ended: new RecentSet(DEAD_ACTOR_IDS_MAX), mayBeIdle: false },
})

/** To those of other nodes. */
export function tellLinks(turn: Turn, view: ActorView): void {
  for (const link of turn.state.cluster?.actors.links.get(view.actorId) ?? []) {
    turn.effects.push({ kind: 'tellActorLink', link, type: 'actorChanged', message: { view } })
  }
}

/** They look for it anew. */
export function tellMoved(turn: Turn, actorId: ActorId): void {
  const links = turn.state.cluster?.actors.links
  for (const link of links?.get(actorId) ?? []) {
    turn.effects.push({ kind: 'tellActorLink', link, type: 'actorMoved', message: { actorId } })
  }
  links?.delete(actorId)
}

/** Tell whoever is asked to host it, or does. */
export function callHost(turn: Turn, actor: Actor, call: ActorCall): void {
  const { hostId: at, origin } = actor
  if (at === undefined) return
  turn.effects.push({ kind: 'callActor', call, homeId: origin?.homeId, at })
}

/** Whether another node has it, or may come to. */
export const isAway = ({ place }: Actor): boolean =>
  place === 'ASKED' || place === 'AWAY' || place === 'GIVEN'

/** GA2: it is not for this node to end. */
export const isGiven = ({ place, phase }: Actor): boolean => place === 'GIVEN' && phase !== 'DEAD'

/**
 * For others to start again: at once, unless it ends with this node, or they do (GA1).
 * @param isUnbegun  the constructor of this incarnation has not begun.
 */
export function leave({ cluster, config }: RayletState, actor: Actor, isUnbegun: boolean): void {
  actor.place = 'LEFT'
  if (cluster === undefined || !outlives(config, actor) || actor.holder === undefined) return
  cluster.actors.left.set(actor, { isUnbegun, isAsked: false, isInDoubt: false, notBeforeMs: 0 })
}

/** GA4: this node has said so, or is about to. */
export const isLeftUnbegun = ({ cluster }: RayletState, actor: Actor): boolean =>
  cluster?.actors.left.get(actor)?.isUnbegun === true

export const outlives = (
  { isGcsHost, nodeId }: RayletState['config'],
  { spec, origin }: Actor,
): boolean =>
  !isGcsHost && (spec.detached || (origin !== undefined && origin.homeId !== toHex(nodeId)))

/** A job that another node drives, and of which no guest and no living actor is here. */
export function isIdle({ livingActors, clients }: RayletState, { jobId, drivenAt }: Job): boolean {
  if (drivenAt === undefined) return false
  for (const { link, jobId: of } of clients.values()) {
    if (link !== undefined && of === jobId) return false
  }
  return !livingActors.has(jobId)
}
