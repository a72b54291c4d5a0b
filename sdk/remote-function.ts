// Remote functions: remote, run, options, map.
import { parseMapOptions } from '../runtime/common/call-options.ts'
import { parseTaskOptions, type TaskSpecOptions } from '../runtime/common/options.ts'
import { retryNames } from '../runtime/core-worker/actor-calls.ts'
import type { CoreWorker } from '../runtime/core-worker/core-worker.ts'
import { identify, shownName, type FunctionDescriptor } from '../runtime/core-worker/functions.ts'
import { returnsOf, runOf } from '../runtime/core-worker/returns.ts'
import { Timing, type TaskKind } from '../runtime/core-worker/task-kind.ts'
import type { FunctionIdentity, WireRuntimeEnv } from '../runtime/protocol/messages.ts'
import { currentWorker } from './current.ts'
import { mapSettled, mapValues } from './map.ts'
import { sources } from './sources.ts'

interface Callable {
  remote(...args: unknown[]): unknown
  run(...args: unknown[]): unknown
  options(options: object): Callable
}

export function remoteFunction(descriptor: FunctionDescriptor, options: object): object {
  let made: { worker: CoreWorker; kind: TaskKind } | undefined
  const spec = parseTaskOptions(options)
  const kindFor = (worker: CoreWorker): TaskKind => {
    if (made?.worker !== worker) made = { worker, kind: taskKind(worker, descriptor, spec) }
    return made.kind
  }
  const callable: Callable = {
    remote(...args) {
      const worker = currentWorker(`${descriptor.name}.remote()`)
      return returnsOf(worker, worker.submit(kindFor(worker), args))
    },
    run(...args) {
      const worker = currentWorker(`${descriptor.name}.run()`)
      return runOf(worker, worker.submit(kindFor(worker), args))
    },
    options: (more) => remoteFunction(descriptor, { ...options, ...more }) as Callable,
  }
  return Object.freeze({
    ...callable,
    map: (inputs: Iterable<unknown>, o?: object, ...rest: unknown[]) =>
      mapValues(callable, inputs, parseMapOptions(o), rest),
    mapSettled: (inputs: Iterable<unknown>, o?: object, ...rest: unknown[]) =>
      mapSettled(callable, inputs, parseMapOptions(o), rest),
    mapRefs: (inputs: Iterable<unknown>, ...rest: unknown[]) =>
      Array.from(inputs, (input) => callable.remote(input, ...rest)),
  })
}

function taskKind(
  worker: CoreWorker,
  descriptor: FunctionDescriptor,
  spec: TaskSpecOptions,
): TaskKind {
  let identity: FunctionIdentity | undefined
  const name = spec.name ?? shownName(descriptor, sources())
  return {
    kind: 'task',
    identity: () => (identity ??= { ...identify(descriptor, sources()), name }),
    jobId: () => worker.jobId,
    name,
    method: undefined,
    actorId: undefined,
    numReturns: spec.numReturns,
    streaming: descriptor.isGenerator || descriptor.isAsyncGenerator,
    streamBufferSize: spec.streamBufferSize,
    maxRetries: spec.maxRetries,
    retryExceptions: retryNames(spec.retryExceptions) ?? false,
    timeoutMs: spec.timeoutMs,
    maxCalls: spec.maxCalls,
    concurrencyGroup: undefined,
    signal: spec.signal,
    resources: spec.resources,
    scheduling: {
      demand: spec.resources,
      strategy: spec.strategy,
      labelSelectors: spec.labelSelectors,
      env: wireEnv(spec.runtimeEnv),
      name,
      inspect: spec.inspect,
      retriable: spec.maxRetries !== 0,
    },
    limit: spec.limit,
    timing: new Timing(),
  }
}

export function wireEnv(env: TaskSpecOptions['runtimeEnv']): WireRuntimeEnv | undefined {
  if (env === undefined) return undefined
  const { envVars, workingDir } = env
  return { envVars, ...(workingDir === undefined ? {} : { workingDir }) }
}
