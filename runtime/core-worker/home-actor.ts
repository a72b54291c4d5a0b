// The actor that a worker is the home of: its instance is made in a scope of its own, its methods
// are looked up on it, and its calls are told whose they are.
import {
  ActorDiedError,
  MethodNotFoundError,
  TaskCancelledError,
  VirgaError,
} from '../common/errors.ts'
import { taskIdOf, toHex, type ActorId } from '../common/ids.ts'
import { taskErrorOf } from '../common/task-error.ts'
import { outlivesDriver, type ActorSpec } from '../protocol/actor-messages.ts'
import type { ClientNotices } from '../protocol/messages.ts'
import type { TaskTemplate } from '../protocol/peer-messages.ts'
import { capturedBy } from './captured.ts'
import type { CoreWorker } from './core-worker.ts'
import type { Runnable } from './run-task.ts'
import { ArgumentLost, asSystemFailure, isThrown, sendableOf } from './failure.ts'
import { Scope, type ScopeParts } from './scope.ts'

type StartActor = ClientNotices['startActor']

/** Thrown by exitActor(): ends the actor once the call has been answered. */
export class ExitActor extends Error {}

/** @param by  the method, or the constructor. */
export const exitedItself = (className: string, by: string): ActorDiedError =>
  new ActorDiedError(`${className} ended itself: ${by} called exitActor()`)

/** One life of an actor, in this process. */
export class HomeActor {
  readonly actorId: ActorId
  readonly className: string
  readonly #instance: Readonly<Record<string, unknown>>
  readonly #scopeParts: Partial<ScopeParts>

  constructor({ spec, incarnation }: StartActor, instance: object) {
    this.actorId = spec.actorId
    this.className = spec.className
    this.#instance = instance as Readonly<Record<string, unknown>>
    this.#scopeParts = partsOf(spec, incarnation)
  }

  /** What the scope of every call has of its actor. */
  get scopeParts(): Partial<ScopeParts> {
    return this.#scopeParts
  }

  /** @returns undefined where the living actor is of another class than the handle's. */
  findMethod(name: string): Runnable | undefined {
    const method = this.#instance[name]
    if (typeof method !== 'function') return undefined
    return (...args) => (method as Runnable).apply(this.#instance, args)
  }
}

/**
 * Runs the constructor of an actor.
 * @param Class  the class as its home module registered it.
 * @throws what the constructor throws: see constructorFailure.
 */
export function constructActor(
  worker: CoreWorker,
  message: StartActor,
  { Class, args }: { Class: Runnable; args: unknown[] },
): HomeActor {
  const scope = constructorScope(worker, message)
  const construct = (): object => Reflect.construct(Class, args) as object
  return new HomeActor(message, worker.deps.context.run(scope, construct))
}

/** What to report of an actor whose constructor, or what it needed, failed. */
export function constructorFailure(
  { options, codec }: CoreWorker,
  { className, actorId }: ActorSpec,
  error: unknown,
): VirgaError {
  if (isThrown(error, ArgumentLost)) return error.error
  if (isThrown(error, VirgaError) && !isThrown(error, TaskCancelledError)) return error
  const name = `${className} constructor`
  if (isThrown(error, ExitActor)) return exitedItself(className, name)
  const cause = taskErrorOf(sendableOf(codec, error), {
    name,
    taskId: toHex(actorId),
    actorId: toHex(actorId),
    nodeId: toHex(options.welcome.nodeId),
    pid: options.pid,
    workerId: toHex(options.workerId),
    attempts: 1,
  })
  return new ActorDiedError(`the constructor of ${className} failed: ${cause.message}`, {
    cause,
    data: { actorId: toHex(actorId), mayHaveRun: false },
  })
}

/** A handle from getIfExists or `get` of another class than the living actor's. */
export function methodMissing(
  { name, method }: TaskTemplate,
  actor: HomeActor | undefined,
): VirgaError {
  const className = actor?.className ?? 'no actor'
  return asSystemFailure(
    new MethodNotFoundError(
      `${name} was called, and the living actor is a ${className}, which has no such method: take ` +
        'its handle from its own class, or choose another name for this one',
      { data: { method } },
    ),
  )
}

function partsOf(spec: ActorSpec, incarnation: number): Partial<ScopeParts> {
  const { actorId, scheduling } = spec
  return {
    ...{ actorId, wasRestarted: incarnation > 0, ...capturedBy(scheduling.strategy) },
    ...(outlivesDriver(spec) ? { ofDetached: true } : {}),
  }
}

function constructorScope(worker: CoreWorker, message: StartActor): Scope {
  const { spec, incarnation, resources, gpuIds } = message
  const { jobId, deps, rootScope } = worker
  const parent = rootScope.taskId
  return new Scope({
    ...partsOf(spec, incarnation),
    jobId,
    hash: deps.hash,
    // The constructor's own submissions: their ids must differ by actor and incarnation.
    taskId: taskIdOf(deps.hash, (spec.actorId + parent).slice(0, 16) as typeof parent, incarnation),
    name: `${spec.className} constructor`,
    attempt: incarnation,
    resources,
    gpuIds,
    mode: 'worker',
    coreWorker: worker,
  })
}
