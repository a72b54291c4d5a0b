// Actors by name, and their end: getActor, kill, exitActor.
import { parseActorName, parseKillOptions } from '../runtime/common/call-options.ts'
import { ActorNotFoundError, UsageError } from '../runtime/common/errors.ts'
import { showValue } from '../runtime/common/show-value.ts'
import type {
  ActorHandle,
  AnyActorHandle,
  AnyClass,
  KillOptions,
  Methods,
  NamespaceOptions,
  UntypedMethods,
} from '../runtime/common/surface.ts'
import { actorHandleOf } from '../runtime/core-worker/actor-calls.ts'
import { actorTargetOf, isActorHandle } from '../runtime/core-worker/actor-handle.ts'
import { ExitActor } from '../runtime/core-worker/home-actor.ts'
import { currentWorker, findWorker } from './current.ts'

/**
 * The living actor of that name.
 * @param o  namespace: default, that of init().
 * @throws ActorNotFoundError when there is none.
 */
export function getActor<C extends AnyClass = never>(
  name: string,
  o?: NamespaceOptions,
): Promise<ActorHandle<[C] extends [never] ? UntypedMethods : Methods<C>>> {
  return findActor(parseActorName(name, o)) as Promise<never>
}

export async function findActor(wantedName: {
  readonly name: string
  readonly namespace: string | undefined
}): Promise<object> {
  const { name, namespace } = wantedName
  const worker = currentWorker('getActor()')
  const wanted = { name, namespace: namespace ?? worker.namespace }
  const beingMade = worker.registry.beingMade(wanted)
  const find = () => worker.deps.raylet.request('findActor', wanted)
  const info = (await find()) ?? ((await beingMade()) ? await find() : undefined)
  if (info === undefined) {
    throw new ActorNotFoundError(
      `no living actor is named '${name}' in namespace '${wanted.namespace}'; \`virga list actors\` ` +
        'shows those that are',
      { data: wanted },
    )
  }
  const entry = worker.registry.borrow(info)
  return actorHandleOf(worker, info, entry)
}

/**
 * End an actor now: running and pending calls fail.
 * @param o  noRestart: default true; false uses up one of its restarts.
 */
export async function kill(handle: AnyActorHandle, o?: KillOptions): Promise<void> {
  const { noRestart } = parseKillOptions(o)
  if (!isActorHandle(handle)) {
    throw new UsageError(`kill() takes an actor handle, got ${showValue(handle)}`)
  }
  await currentWorker('kill()').registry.kill(actorTargetOf(handle).info, noRestart)
}

/** End this actor from inside one of its methods; its other pending calls fail. Never returns. */
export function exitActor(): never {
  if (findWorker()?.scope().parts.actorId === undefined) {
    throw new UsageError(
      'exitActor() was called outside of an actor: call it in a method of the one that is to end',
    )
  }
  throw new ExitActor('exitActor')
}
