// Options of tasks, actors and calls: checked when `remote()` or `options()` is called, so that an
// error points at the line that is wrong, and made into specs with every default filled in.
//   parseTaskOptions   TaskOptions  -> TaskSpecOptions
//   parseActorOptions  ActorOptions -> ActorSpecOptions
//   parseCallOptions   CallOptions  -> CallSpecOptions
// To lay options over options, spread the raw ones and parse the result.
// Source: Ray python/ray/_common/ray_option_utils.py for options and defaults; the bad-input
// catalogue, rows B21, B22 and B34, for what is refused.
import { UsageError } from './errors.ts'
import { labelSelectorOf } from './label-selector.ts'
import type { LabelSelector } from './label-selector.ts'
import { didYouMean } from './nearest-name.ts'
import {
  abortSignal,
  countOrForEver,
  flag,
  limitMs,
  listOf,
  nameText,
  oneOf,
  option,
  plainObject,
  readOptions,
  recordOf,
  refuse,
  wholeNumber,
} from './option-checks.ts'
import type { Check, Given, Where } from './option-checks.ts'
import { DEFAULT_STRATEGY, limitOf, strategyOf } from './option-values.ts'
import type { LimitSpec, SchedulingStrategy } from './option-values.ts'
import { demandOf } from './resource-demand.ts'
import { CPU, GPU, MEMORY } from './resources.ts'
import type { ResourceSet } from './resources.ts'
import { runtimeEnvOf } from './runtime-env.ts'
import type { RuntimeEnvSpec } from './runtime-env.ts'
import type {
  ActorOptions,
  CallOptions,
  ErrorClass,
  MethodOption,
  Placed,
  TaskOptions,
} from './surface-options.ts'

/** Attempts after the first. Source: Ray DEFAULT_TASK_MAX_RETRIES. */
const MAX_RETRIES_DEFAULT = 3
/** Items a generator may be ahead of its reader. Ray sets no bound; an endless one needs one. */
export const STREAM_BUFFER_SIZE_DEFAULT = 64
/** Results of one call. */
const NUM_RETURNS_MAX = 100_000
const STREAM_BUFFER_SIZE_MAX = 1_000_000
const CONCURRENCY_MAX = 100_000
const CONCURRENCY_GROUPS_MAX = 1000
const FALLBACKS_MAX = 64
const ERROR_CLASSES_MAX = 256

/** Where and with what something runs. */
export interface PlacedSpecOptions {
  readonly name: string | undefined
  /** What must be free for it to be placed. */
  readonly resources: ResourceSet
  readonly strategy: SchedulingStrategy
  /** Tried in order; empty: every node will do. */
  readonly labelSelectors: readonly LabelSelector[]
  readonly runtimeEnv: RuntimeEnvSpec | undefined
}

/** false: none; true: whatever was thrown; or instances of these classes. */
export type RetryExceptions = boolean | readonly ErrorClass[]

export interface TaskSpecOptions extends PlacedSpecOptions {
  readonly numReturns: number
  /** -1: for ever. */
  readonly maxRetries: number
  readonly retryExceptions: RetryExceptions
  readonly timeoutMs: number | undefined
  /** Undefined: the worker is used for ever. */
  readonly maxCalls: number | undefined
  readonly signal: AbortSignal | undefined
  readonly burst: 'auto' | 'always' | 'never'
  readonly streamBufferSize: number
  readonly limit: LimitSpec | undefined
  readonly inspect: boolean
}

export interface MethodSpecOptions {
  readonly concurrencyGroup: string | undefined
  readonly numReturns: number | undefined
  readonly maxTaskRetries: number | undefined
  readonly retryExceptions: RetryExceptions | undefined
}

export interface CallSpecOptions extends MethodSpecOptions {
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
}

export interface ActorSpecOptions extends PlacedSpecOptions {
  /** The CPU in `resources` is needed to place the actor, and given back once it lives. */
  readonly defaultResources: boolean
  /** Undefined: that of the job. */
  readonly namespace: string | undefined
  readonly detached: boolean
  readonly getIfExists: boolean
  readonly maxRestarts: number
  readonly maxTaskRetries: number
  readonly maxConcurrency: number
  readonly concurrencyGroups: Readonly<Record<string, number>>
  readonly methods: Readonly<Record<string, MethodSpecOptions>>
  /** -1: no limit. */
  readonly maxPendingCalls: number
}

const PLACED: Readonly<Record<keyof Placed, true>> = {
  name: true,
  numCpus: true,
  numGpus: true,
  memoryBytes: true,
  resources: true,
  acceleratorType: true,
  schedulingStrategy: true,
  labelSelector: true,
  fallbackLabelSelectors: true,
  runtimeEnv: true,
}

const TASK: Readonly<Record<keyof TaskOptions, true>> = {
  ...PLACED,
  numReturns: true,
  maxRetries: true,
  retryExceptions: true,
  timeoutMs: true,
  maxCalls: true,
  signal: true,
  burst: true,
  streamBufferSize: true,
  limit: true,
  inspect: true,
}

const METHOD: Readonly<Record<keyof MethodOption, true>> = {
  concurrencyGroup: true,
  numReturns: true,
  maxTaskRetries: true,
  retryExceptions: true,
}

const CALL: Readonly<Record<keyof CallOptions, true>> = { ...METHOD, timeoutMs: true, signal: true }

const ACTOR: Readonly<Record<keyof ActorOptions, true>> = {
  ...PLACED,
  namespace: true,
  lifetime: true,
  getIfExists: true,
  maxRestarts: true,
  maxTaskRetries: true,
  maxConcurrency: true,
  concurrencyGroups: true,
  methods: true,
  maxPendingCalls: true,
}

const numReturns = wholeNumber(0, NUM_RETURNS_MAX)
const retries = countOrForEver(0, 'to retry for ever')
const restarts = countOrForEver(0, 'to restart for ever')
const pendingCalls = countOrForEver(1, 'for no limit')
const concurrency = wholeNumber(1, CONCURRENCY_MAX)

/**
 * @throws UsageError for an option that is unknown or out of range; InvalidEnvError.
 */
export function parseTaskOptions(options: unknown, where: Where = 'remote()'): TaskSpecOptions {
  const given = readOptions(options, where, TASK)
  const resources = demandOf(given, 1)
  const callsDefault = resources[GPU] === undefined ? undefined : 1
  const maxCalls = option(given, 'maxCalls', wholeNumber(0)) ?? callsDefault
  return {
    ...placedOf(given, resources),
    numReturns: option(given, 'numReturns', numReturns) ?? 1,
    maxRetries: option(given, 'maxRetries', retries) ?? MAX_RETRIES_DEFAULT,
    retryExceptions: option(given, 'retryExceptions', retryExceptions) ?? false,
    timeoutMs: option(given, 'timeoutMs', limitMs),
    maxCalls: maxCalls === 0 ? undefined : maxCalls,
    signal: option(given, 'signal', abortSignal),
    burst: option(given, 'burst', oneOf('auto', 'always', 'never')) ?? 'auto',
    streamBufferSize:
      option(given, 'streamBufferSize', wholeNumber(1, STREAM_BUFFER_SIZE_MAX)) ??
      STREAM_BUFFER_SIZE_DEFAULT,
    limit: option(given, 'limit', limitOf),
    inspect: option(given, 'inspect', flag) ?? false,
  }
}

/**
 * @param methodNames  the public methods of the class, where they are known.
 * @throws UsageError for an option that is unknown or out of range, a method that the class does
 *   not have, a concurrency group that is not declared; InvalidEnvError.
 */
export function parseActorOptions(
  options: unknown,
  where: Where = 'remote()',
  methodNames?: readonly string[],
): ActorSpecOptions {
  const given = readOptions(options, where, ACTOR)
  const groups =
    option(given, 'concurrencyGroups', recordOf(concurrency, CONCURRENCY_GROUPS_MAX)) ?? {}
  return {
    ...actorResources(given),
    namespace: option(given, 'namespace', nameText),
    detached: option(given, 'lifetime', oneOf('detached')) === 'detached',
    getIfExists: option(given, 'getIfExists', flag) ?? false,
    maxRestarts: option(given, 'maxRestarts', restarts) ?? 0,
    maxTaskRetries: option(given, 'maxTaskRetries', retries) ?? 0,
    maxConcurrency: option(given, 'maxConcurrency', concurrency) ?? 1,
    concurrencyGroups: groups,
    methods: option(given, 'methods', methodsOf(Object.keys(groups), methodNames)) ?? {},
    maxPendingCalls: option(given, 'maxPendingCalls', pendingCalls) ?? -1,
  }
}

/** At the call: options() may give the name. @throws UsageError */
export function refuseNameless({ getIfExists, name }: ActorSpecOptions): void {
  if (!getIfExists || name !== undefined) return
  throw new UsageError('getIfExists needs a name: it gives the living actor of that name')
}

/**
 * A generator's results are its items, however many.
 * @param name  of the function or method, as shown.
 * @throws UsageError when numReturns is given for one.
 */
export function refuseNumReturns(name: string, numReturnsGiven: number | undefined): void {
  if (numReturnsGiven === undefined || numReturnsGiven === 1) return
  throw new UsageError(
    `${name} is a generator function, which gives a stream of refs: leave numReturns out`,
    { data: { option: 'numReturns' } },
  )
}

/**
 * Options of one call of an actor.
 * @param groups  the concurrency groups of the actor, where they are known.
 * @throws UsageError for an option that is unknown or out of range.
 */
export function parseCallOptions(
  options: unknown,
  where = 'options()',
  groups?: readonly string[],
): CallSpecOptions {
  const given = readOptions(options, where, CALL)
  return {
    ...methodOf(given, groups),
    timeoutMs: option(given, 'timeoutMs', limitMs),
    signal: option(given, 'signal', abortSignal),
  }
}

function placedOf(given: Given<keyof Placed>, resources: ResourceSet): PlacedSpecOptions {
  const first = option(given, 'labelSelector', labelSelectorOf)
  const others =
    option(given, 'fallbackLabelSelectors', listOf(labelSelectorOf, FALLBACKS_MAX)) ?? []
  if (first === undefined && others.length > 0) {
    throw new UsageError('fallbackLabelSelectors needs a labelSelector to fall back from')
  }
  return {
    name: option(given, 'name', nameText),
    resources,
    strategy: option(given, 'schedulingStrategy', strategyOf) ?? DEFAULT_STRATEGY,
    labelSelectors: first === undefined ? [] : [first, ...others],
    runtimeEnv: option(given, 'runtimeEnv', runtimeEnvOf),
  }
}

/**
 * An actor that names no resource but memory needs 1 CPU to be placed and holds none; one that
 * names some holds what it names, and 1 CPU unless it says how many.
 * Source: Ray python/ray/actor.py, DEFAULT_ACTOR_CREATION_CPU_SIMPLE and _SPECIFIED.
 */
function actorResources(
  given: Given<keyof Placed>,
): PlacedSpecOptions & { readonly defaultResources: boolean } {
  const named = Object.keys(demandOf(given, 0)).some((name) => name !== MEMORY && name !== CPU)
  const defaultResources = !named && given.numCpus === undefined
  return { ...placedOf(given, demandOf(given, 1)), defaultResources }
}

function methodOf(
  given: Given<keyof MethodOption>,
  groups: readonly string[] | undefined,
): MethodSpecOptions {
  return {
    concurrencyGroup: option(given, 'concurrencyGroup', groupOf(groups)),
    numReturns: option(given, 'numReturns', numReturns),
    maxTaskRetries: option(given, 'maxTaskRetries', retries),
    retryExceptions: option(given, 'retryExceptions', retryExceptions),
  }
}

function methodsOf(
  groups: readonly string[],
  methodNames: readonly string[] | undefined,
): Check<Readonly<Record<string, MethodSpecOptions>>> {
  return (label, value) => {
    const methods = Object.create(null) as Record<string, MethodSpecOptions>
    for (const [name, options] of Object.entries(plainObject(label, value))) {
      if (methodNames?.includes(name) === false) {
        const hint = didYouMean(name, methodNames) || `. It has ${methodNames.join(', ') || 'none'}`
        throw new UsageError(`${label}: the class has no public method ${name}${hint}`)
      }
      methods[name] = methodOf(readOptions(options, `${label}.${name}`, METHOD), groups)
    }
    return methods
  }
}

function groupOf(groups: readonly string[] | undefined): Check<string> {
  return (label, value) => {
    const name = nameText(label, value)
    if (groups === undefined || groups.includes(name)) return name
    const known = groups.length === 0 ? 'and none is declared' : `of ${groups.join(', ')}`
    const text = `${label} must be one of concurrencyGroups, ${known}, got '${name}'`
    throw new UsageError(`${text}${didYouMean(name, groups)}`, { data: { option: label } })
  }
}

const errorClasses = listOf<ErrorClass>((label, value) => {
  const isClass = typeof value === 'function'
  const prototype: unknown = isClass ? value.prototype : undefined
  if (value === Error || prototype instanceof Error) return value as ErrorClass
  return refuse(label, 'a class of errors, such as RangeError', value)
}, ERROR_CLASSES_MAX)

const retryExceptions: Check<RetryExceptions> = (label, value) => {
  if (typeof value === 'boolean') return value
  if (Array.isArray(value)) return errorClasses(label, value)
  return refuse(label, 'true, false or an array of classes of errors', value)
}
