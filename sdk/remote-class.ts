// Remote classes: remote, create, options, get. An actor is created by its home raylet; the handle
// is there at once.
import {
  parseActorOptions,
  type ActorSpecOptions,
  type MethodSpecOptions,
} from '../runtime/common/options.ts'
import { parseActorName } from '../runtime/common/call-options.ts'
import { actorIdOf } from '../runtime/common/ids.ts'
import { actorHandleOf, retryNames } from '../runtime/core-worker/actor-calls.ts'
import { actorTargetOf } from '../runtime/core-worker/actor-handle.ts'
import type { CoreWorker } from '../runtime/core-worker/core-worker.ts'
import { identify, shownName, type FunctionDescriptor } from '../runtime/core-worker/functions.ts'
import type { ActorInfo, ActorSpec, MethodSpec } from '../runtime/protocol/messages.ts'
import { currentWorker } from './current.ts'
import { findActor } from './actors.ts'
import { wireEnv } from './remote-function.ts'
import { sources } from './sources.ts'

export function remoteClass(descriptor: FunctionDescriptor, options: object): object {
  const names = [...descriptor.methods.keys()]
  const spec = parseActorOptions(options, `options of ${descriptor.name}`, names)
  const make = (args: readonly unknown[]): object =>
    makeActor(currentWorker(`${descriptor.name}.remote()`), descriptor, spec, args)
  return Object.freeze({
    remote: (...args: unknown[]) => make(args),
    create: async (...args: unknown[]) => {
      const handle = make(args)
      await currentWorker('create()').actors.constructed(actorTargetOf(handle).info)
      return handle
    },
    options: (more: object) => remoteClass(descriptor, { ...options, ...more }),
    get: (name: string, o?: object) => findActor(parseActorName(name, o, 'get()')),
  })
}

function makeActor(
  worker: CoreWorker,
  descriptor: FunctionDescriptor,
  options: ActorSpecOptions,
  args: readonly unknown[],
): object {
  const scope = worker.scope()
  const actorId = actorIdOf(worker.deps.hash, scope.taskId, scope.nextActor++)
  const className = shownName(descriptor, sources())
  const methods = methodsOf(descriptor, options.methods)
  const { maxPendingCalls, maxTaskRetries } = options
  const info: ActorInfo = {
    actorId,
    className,
    methods,
    owner: worker.options.workerId,
    ownerAddress: worker.options.address,
    maxPendingCalls,
    maxTaskRetries,
  }
  const entry = worker.actorEntry(actorId, true)
  worker.createActor(specOf(worker, descriptor, options, info), args, entry)
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
    getIfExists: options.getIfExists,
    maxRestarts: options.maxRestarts,
    maxTaskRetries: options.maxTaskRetries,
    maxConcurrency: options.maxConcurrency,
    concurrencyGroups: options.concurrencyGroups,
    maxPendingCalls: options.maxPendingCalls,
    methods: info.methods,
    scheduling: {
      demand: options.resources,
      strategy: options.strategy,
      labelSelectors: options.labelSelectors,
      env: wireEnv(options.runtimeEnv),
      name: info.className,
      inspect: false,
      retriable: options.maxRestarts !== 0,
    },
    defaultResources: options.defaultResources,
    fn: { ...identify(descriptor, sources()), name: info.className },
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
