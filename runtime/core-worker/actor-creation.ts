// Creating actors: what the raylet is told of one, made from a class and its options.
import { actorIdOf } from '../common/ids.ts'
import type { ActorSpecOptions, MethodSpecOptions } from '../common/options.ts'
import type { ActorInfo, ActorSpec, MethodSpec } from '../protocol/actor-messages.ts'
import { actorHandleOf, retryNames } from './actor-calls.ts'
import { strategyIn } from './captured.ts'
import type { CoreWorker } from './core-worker.ts'
import { wireEnv, wireStrategy } from './function-calls.ts'
import { identify, shownName, type FunctionDescriptor } from './functions.ts'
import { ofDetachedIn } from './scope.ts'

/** Creates an actor; its handle is there at once, what fails is told by the first call. */
export function makeActor(
  worker: CoreWorker,
  descriptor: FunctionDescriptor,
  options: ActorSpecOptions,
  args: readonly unknown[],
): object {
  const scope = worker.scope()
  const actorId = actorIdOf(worker.deps.hash, scope.makerId, scope.nextActor++)
  const className = shownName(descriptor, worker.deps.sources)
  const methods = methodsOf(descriptor, options.methods)
  const { maxPendingCalls, maxTaskRetries } = options
  const info: ActorInfo = {
    actorId,
    className,
    methods,
    owner: worker.options.workerId,
    ownerAddress: worker.options.address,
    nodeId: worker.options.welcome.nodeId,
    maxPendingCalls,
    maxTaskRetries,
  }
  const entry = worker.registry.entryOf(actorId, true)
  worker.registry.create(specOf(worker, descriptor, options, info), args, entry)
  return actorHandleOf(worker, info, entry)
}

function specOf(
  worker: CoreWorker,
  descriptor: FunctionDescriptor,
  options: ActorSpecOptions,
  info: ActorInfo,
): Omit<ActorSpec, 'args'> {
  return {
    actorId: info.actorId,
    jobId: worker.jobId,
    name: options.name,
    namespace: options.namespace ?? worker.namespace,
    className: info.className,
    detached: options.detached,
    ...ofDetachedIn(worker.scope()),
    getIfExists: options.getIfExists,
    maxRestarts: options.maxRestarts,
    maxTaskRetries: options.maxTaskRetries,
    maxConcurrency: options.maxConcurrency,
    concurrencyGroups: options.concurrencyGroups,
    maxPendingCalls: options.maxPendingCalls,
    methods: info.methods,
    scheduling: {
      demand: options.resources,
      strategy: strategyIn(worker.scope(), wireStrategy(options.strategy)),
      labelSelectors: options.labelSelectors,
      env: wireEnv(worker, options.runtimeEnv),
      name: info.className,
      inspect: false,
      retriable: options.maxRestarts !== 0,
    },
    defaultResources: options.defaultResources,
    fn: { ...identify(descriptor, worker.deps.sources), name: info.className },
    owner: worker.options.workerId,
  }
}

function methodsOf(
  descriptor: FunctionDescriptor,
  options: Readonly<Record<string, MethodSpecOptions>>,
): Readonly<Record<string, MethodSpec>> {
  const methods: Record<string, MethodSpec> = Object.create(null) as Record<string, MethodSpec>
  for (const [name, { kind }] of descriptor.methods) {
    const own = Object.hasOwn(options, name) ? options[name] : undefined
    const { numReturns, concurrencyGroup, maxTaskRetries, retryExceptions } = own ?? {}
    methods[name] = {
      kind,
      ...(numReturns === undefined ? {} : { numReturns }),
      ...(concurrencyGroup === undefined ? {} : { concurrencyGroup }),
      ...(maxTaskRetries === undefined ? {} : { maxTaskRetries }),
      ...(retryExceptions === undefined
        ? {}
        : { retryExceptions: retryNames(retryExceptions) ?? false }),
    }
  }
  return methods
}
