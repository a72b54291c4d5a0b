// Methods of an actor handle: options, call, run. Each is a TaskKind pushed to the actor's worker.
import type { ActorInfo, MethodSpec } from '../protocol/actor-messages.ts'
import {
  parseCallOptions,
  refuseNumReturns,
  STREAM_BUFFER_SIZE_DEFAULT,
  type CallSpecOptions,
} from '../common/options.ts'
import { remoteMethodOf } from '../common/remote-target.ts'
import { leftError, type RemoteMethodParts } from './actor-handle.ts'
import { atCaller } from './call-site.ts'
import type { CoreWorker } from './core-worker.ts'
import type { ObjectEntry } from './object-entry.ts'
import { returnsOf, runOf } from './returns.ts'
import type { TaskRecord } from './task-record.ts'
import { Timing, type RetryExceptions, type TaskKind } from './task-kind.ts'

export function actorHandleOf(worker: CoreWorker, info: ActorInfo, entry: ObjectEntry): object {
  return worker.actorHandle(info, entry, (name) => {
    const kind = methodKind(worker, info, name, entry)
    return remoteMethod(worker, info, kind)
  })
}

function remoteMethod(worker: CoreWorker, info: ActorInfo, kind: TaskKind): RemoteMethodParts {
  const call = (args: readonly unknown[]): TaskRecord => {
    if (worker.hasLeft) throw leftError(info)
    return worker.actors.call(info, () => worker.submitter.record(kind, worker.scope(), args))
  }
  const remote = (...args: unknown[]): unknown => {
    try {
      return returnsOf(worker, call(args))
    } catch (error) {
      throw atCaller(error, remote)
    }
  }
  const run = (...args: unknown[]): unknown => {
    try {
      return runOf(worker, call(args))
    } catch (error) {
      throw atCaller(error, run)
    }
  }
  return remoteMethodOf(() => kind.name, {
    remote,
    run,
    options: (options: object) =>
      remoteMethod(worker, info, withOptions(kind, parseCallOptions(options))),
  })
}

function methodKind(
  worker: CoreWorker,
  info: ActorInfo,
  name: string,
  entry: ObjectEntry,
): TaskKind {
  const spec: MethodSpec = info.methods[name] ?? { kind: 'value' }
  const fn = { home: '', ordinal: 0, hash: '', name: `${info.className}.${name}` }
  return {
    kind: 'actor',
    identity: () => fn,
    jobId: () => worker.jobId,
    name: fn.name,
    method: name,
    actorId: info.actorId,
    numReturns: spec.numReturns ?? 1,
    streaming: spec.kind === 'stream',
    streamBufferSize: STREAM_BUFFER_SIZE_DEFAULT,
    maxRetries: spec.maxTaskRetries ?? info.maxTaskRetries,
    asItsActor: spec.maxTaskRetries === undefined,
    retryExceptions: spec.retryExceptions ?? false,
    timeoutMs: undefined,
    maxCalls: undefined,
    concurrencyGroup: spec.concurrencyGroup,
    signal: undefined,
    resources: {},
    scheduling: undefined,
    limit: undefined,
    timing: new Timing(),
    holds: entry,
  }
}

/** Error classes are told apart by name across processes. */
export function retryNames(retry: CallSpecOptions['retryExceptions']): RetryExceptions | undefined {
  return typeof retry === 'object' ? retry.map((type) => type.name) : retry
}

function withOptions(kind: TaskKind, options: CallSpecOptions): TaskKind {
  if (kind.streaming) refuseNumReturns(kind.name, options.numReturns)
  return {
    ...kind,
    numReturns: options.numReturns ?? kind.numReturns,
    timeoutMs: options.timeoutMs ?? kind.timeoutMs,
    concurrencyGroup: options.concurrencyGroup ?? kind.concurrencyGroup,
    maxRetries: options.maxTaskRetries ?? kind.maxRetries,
    asItsActor: kind.asItsActor === true && options.maxTaskRetries === undefined,
    retryExceptions: retryNames(options.retryExceptions) ?? kind.retryExceptions,
    signal: options.signal ?? kind.signal,
    timing: new Timing(),
  }
}
