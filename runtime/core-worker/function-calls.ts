// Calls of remote functions: the TaskKind of a function with its options.
import type { TaskSpecOptions } from '../common/options.ts'
import type { FunctionIdentity, WireRuntimeEnv } from '../protocol/messages.ts'
import { retryNames } from './actor-calls.ts'
import type { CoreWorker } from './core-worker.ts'
import { identify, shownName, type FunctionDescriptor } from './functions.ts'
import { Timing, type TaskKind } from './task-kind.ts'

export function functionKind(
  worker: CoreWorker,
  descriptor: FunctionDescriptor,
  spec: TaskSpecOptions,
): TaskKind {
  const { sources } = worker.deps
  const name = spec.name ?? shownName(descriptor, sources)
  let identity: FunctionIdentity | undefined
  return {
    kind: 'task',
    identity: () => (identity ??= { ...identify(descriptor, sources), name }),
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
