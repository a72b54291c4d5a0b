// Names of actors, where the cluster is one node: a row of the GCS says who has one, and an actor
// of this node that is gone has it no more. Where there are several nodes, actor-rows.ts decides,
// by the rows of actors.
import { ActorAlreadyExistsError } from '../../common/errors.ts'
import { toHex } from '../../common/ids.ts'
import type { ActorInfo } from '../../protocol/actor-messages.ts'
import { infoOfMade } from './actor-origin.ts'
import type { Actor } from './actor-state.ts'
import { goneActor, newest, nobodyNow } from './gone-actors.ts'
import { answer, refuse, type EventOf, type NameHolder, type Turn } from '../turn.ts'

export function claimName(turn: Turn, actor: Actor, name: string): void {
  const { namespace, actorId, owner } = actor.spec
  const { nodeId, epoch } = turn.state.config
  const where = { nodeId: toHex(nodeId), epoch }
  const holder = { actorId, owner: toHex(owner), sinceMs: turn.nowMs, ...where }
  turn.effects.push({ kind: 'claimName', name, namespace, holder })
}

/** Undefined: it is gone, for it is none of the living of this node. */
export function livingOf({ state }: Turn, holder: NameHolder): Actor | undefined {
  const { nodeId, epoch } = state.config
  if (holder.nodeId !== toHex(nodeId)) return undefined
  const actor = holder.epoch === epoch ? state.actors.get(holder.actorId) : undefined
  return actor?.phase === 'DEAD' ? undefined : actor
}

export function nameTaken(
  name: string,
  namespace: string,
  holder: NameHolder,
): ActorAlreadyExistsError {
  return new ActorAlreadyExistsError(
    `an actor named '${name}' exists in namespace '${namespace}'. ` +
      'Choose another name, kill that actor, or use { getIfExists: true }.',
    {
      data: { name, namespace, owner: holder.owner, since: holder.sinceMs, nodeId: holder.nodeId },
    },
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
  const info = actor?.named === true ? infoOf(turn, actor) : undefined
  answerFound(turn, { ...event, info, gone: undefined })
}

/** Whoever had the name last and is dead is told with why. */
export function answerFound(
  turn: Turn,
  found: Pick<EventOf<'actorFound'>, 'request' | 'info' | 'gone' | 'name' | 'namespace'>,
): void {
  const { request, info } = found
  const here = info === undefined ? goneActor(turn.state, found, turn.nowMs) : undefined
  const gone = newest([here, found.gone].filter((each) => each !== undefined))
  if (info === undefined && gone !== undefined) refuse(turn, request, nobodyNow(found, gone))
  else answer(turn, request, info)
}

/** What a handle is made of. */
export function infoOf(turn: Turn, actor: Actor): ActorInfo {
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
