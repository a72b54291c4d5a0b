// Calls of remote functions: the TaskKind of a function with its options.
import { UsageError } from '../common/errors.ts'
import { toHex } from '../common/ids.ts'
import type { SchedulingStrategy } from '../common/option-values.ts'
import type { TaskSpecOptions } from '../common/options.ts'
import type { FunctionIdentity } from '../protocol/actor-messages.ts'
import type { WireRuntimeEnv, WireStrategy } from '../protocol/messages.ts'
import { retryNames } from './actor-calls.ts'
import { strategyIn } from './captured.ts'
import type { CoreWorker } from './core-worker.ts'
import { identify, shownName, type FunctionDescriptor } from './functions.ts'
import { ofDetachedIn } from './scope.ts'
import { Timing, type TaskKind } from './task-kind.ts'

/** Kinds beside the plain one that one function remembers. */
const KINDS_MAX = 64

/** The kinds of one function with one set of options: for plain calls, and for those with what the
 *  caller hands on: a group that captures its children, a detached actor that it works for. */
export class FunctionKinds {
  readonly #descriptor: FunctionDescriptor
  readonly #spec: TaskSpecOptions
  /** By what is handed on: at most KINDS_MAX. */
  readonly #handedOn = new Map<string, TaskKind>()
  #worker: CoreWorker | undefined
  #plain: TaskKind | undefined

  constructor(descriptor: FunctionDescriptor, spec: TaskSpecOptions) {
    this.#descriptor = descriptor
    this.#spec = spec
  }

  /** The kind of a call made now. */
  kindFor(worker: CoreWorker): TaskKind {
    if (worker !== this.#worker) {
      this.#worker = worker
      this.#plain = undefined
      this.#handedOn.clear()
    }
    const { strategy } = this.#spec
    const scope = worker.scope()
    const wanted = strategyIn(scope, strategy)
    const captured = wanted !== strategy && wanted.kind === 'PLACEMENT_GROUP' ? wanted : undefined
    const ofDetached = ofDetachedIn(scope)
    if (captured === undefined && ofDetached.ofDetached !== true) {
      return (this.#plain ??= functionKind(worker, this.#descriptor, this.#spec))
    }
    return this.#kindWith(worker, captured, ofDetached)
  }

  #kindWith(
    worker: CoreWorker,
    captured: (WireStrategy & { kind: 'PLACEMENT_GROUP' }) | undefined,
    ofDetached: Pick<TaskKind, 'ofDetached'>,
  ): TaskKind {
    const key = `${captured?.groupId ?? ''} ${String(ofDetached.ofDetached)}`
    let kind = this.#handedOn.get(key)
    if (kind === undefined) {
      if (this.#handedOn.size >= KINDS_MAX) this.#handedOn.clear()
      const strategy = captured ?? this.#spec.strategy
      kind = {
        ...functionKind(worker, this.#descriptor, { ...this.#spec, strategy }),
        ...ofDetached,
      }
      this.#handedOn.set(key, kind)
    }
    return kind
  }
}

function functionKind(
  worker: CoreWorker,
  descriptor: FunctionDescriptor,
  spec: TaskSpecOptions,
): TaskKind {
  const { sources } = worker.deps
  refuseElsewhere(worker, spec)
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
      strategy: wireStrategy(spec.strategy),
      labelSelectors: spec.labelSelectors,
      env: wireEnv(worker, spec.runtimeEnv),
      name,
      inspect: spec.inspect,
      retriable: spec.maxRetries !== 0,
    },
    limit: spec.limit,
    timing: new Timing(),
  }
}

/** What this cluster cannot do, told at the first call instead of being ignored. */
function refuseElsewhere(worker: CoreWorker, spec: TaskSpecOptions): void {
  if (spec.burst === 'always') {
    throw new UsageError(
      "burst: 'always' runs a task in Lambda, which needs a deployed cluster on AWS, and this " +
        'version reaches none yet: leave it out, and the task runs on the nodes of this cluster',
    )
  }
  if (!isInline(worker)) return
  if (spec.maxCalls !== undefined && (spec.resources['GPU'] ?? 0) === 0) refuseInline('maxCalls')
  if (spec.inspect) refuseInline('inspect')
}

const isInline = (worker: CoreWorker): boolean => worker.options.welcome.arena.kind === 'memory'

function refuseInline(what: string): never {
  throw new UsageError(
    `${what} needs a process per worker, and inline mode has none: run with ` +
      "init({ address: 'local' })",
  )
}

/** @throws UsageError for an environment of its own, which inline mode would have to ignore. */
export function refuseEnv(env: TaskSpecOptions['runtimeEnv']): void {
  if (env === undefined) return
  if (env.workingDir !== undefined) refuseInline('runtimeEnv.workingDir')
  if (Object.keys(env.envVars).length > 0) refuseInline('runtimeEnv.envVars')
}

/** @throws UsageError for what shapes the files that travel: none do yet. */
export function refuseShipping(env: TaskSpecOptions['runtimeEnv']): void {
  if (env === undefined || (env.npm.length === 0 && env.excludes.length === 0)) return
  throw new UsageError(
    'runtimeEnv.npm and runtimeEnv.excludes shape what travels to other machines; on one machine ' +
      'workers see the packages and files of the driver: leave them out',
  )
}

/** Ids of nodes travel as people see them, in hex. */
export function wireStrategy(strategy: SchedulingStrategy): WireStrategy {
  if (strategy.kind !== 'NODE_AFFINITY') return strategy
  return { ...strategy, nodeId: toHex(strategy.nodeId) }
}

export function wireEnv(
  worker: CoreWorker,
  env: TaskSpecOptions['runtimeEnv'],
): WireRuntimeEnv | undefined {
  if (env === undefined) return undefined
  if (isInline(worker)) refuseEnv(env)
  refuseShipping(env)
  const { envVars, workingDir } = env
  return { envVars, ...(workingDir === undefined ? {} : { workingDir }) }
}
