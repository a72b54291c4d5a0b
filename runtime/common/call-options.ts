// Options of what is called once there is a cluster, and of init itself: checked at the call.
// What nobody gives costs nothing: the defaults are constants.
// Source: Ray python/ray/_private/worker.py (get, wait, cancel, init) for meaning and defaults.
import { UsageError } from './errors.ts'
import { labelsOf } from './label-selector.ts'
import type { Labels } from './label-selector.ts'
import {
  abortSignal,
  flag,
  listOf,
  nameText,
  oneOf,
  option,
  readOptions,
  refuse,
  waitMs,
  wholeNumber,
} from './option-checks.ts'
import type { Check } from './option-checks.ts'
import { BUNDLES_MAX } from './option-values.ts'
import { RESOURCE_BYTES_MAX, bundleOf, demandOf } from './resource-demand.ts'
import type { ResourceOptions } from './resource-demand.ts'
import type { ResourceSet } from './resources.ts'
import { runtimeEnvOf } from './runtime-env.ts'
import type { RuntimeEnvSpec } from './runtime-env.ts'
import { showValue } from './show-value.ts'
import type { KillOptions, NamespaceOptions } from './surface-actors.ts'
import type { InitOptions, MapOptions, PlacementGroupOptions } from './surface-options.ts'
import type { CancelOptions, GetOptions, WaitOptions } from './surface-refs.ts'

const IN_FLIGHT_MAX = 1_000_000
const MODULES_MAX = 10_000
/** Smaller arenas hold no page-aligned object beside another. */
const OBJECT_STORE_BYTES_MIN = 1024 * 1024

export interface GetSpecOptions {
  /** 0 polls; undefined waits for ever. */
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly copy: boolean
}

const GET: Readonly<Record<keyof GetOptions, true>> = { timeoutMs: true, signal: true, copy: true }
const GET_DEFAULT: GetSpecOptions = { timeoutMs: undefined, signal: undefined, copy: false }

/** @throws UsageError for an option that is unknown or out of range. */
export function parseGetOptions(options: unknown, where = 'get()'): GetSpecOptions {
  if (options === undefined) return GET_DEFAULT
  const given = readOptions(options, where, GET)
  return {
    timeoutMs: option(given, 'timeoutMs', waitMs),
    signal: option(given, 'signal', abortSignal),
    copy: option(given, 'copy', flag) ?? false,
  }
}

export interface WaitSpecOptions {
  /** 0 only when there is nothing to wait for. */
  readonly numReturns: number
  readonly timeoutMs: number | undefined
  readonly fetchLocal: boolean
  readonly signal: AbortSignal | undefined
}

const WAIT: Readonly<Record<keyof WaitOptions, true>> = {
  numReturns: true,
  timeoutMs: true,
  fetchLocal: true,
  signal: true,
}

/**
 * @param refCount  how many refs are waited for.
 * @throws UsageError, also for a numReturns that cannot be.
 */
export function parseWaitOptions(options: unknown, refCount: number): WaitSpecOptions {
  const given = readOptions(options, 'wait()', WAIT)
  const numReturns = option(given, 'numReturns', (label, value) => {
    const good = Number.isInteger(value) && (value as number) >= 1 && (value as number) <= refCount
    const must = `a whole number from 1 to the number of refs, which is ${refCount}`
    return good ? (value as number) : refuse(label, must, value)
  })
  return {
    numReturns: numReturns ?? Math.min(1, refCount),
    timeoutMs: option(given, 'timeoutMs', waitMs),
    fetchLocal: option(given, 'fetchLocal', flag) ?? true,
    signal: option(given, 'signal', abortSignal),
  }
}

export interface MapSpecOptions {
  readonly ordered: boolean
  /** Undefined: from the CPUs of the cluster. */
  readonly inFlight: number | undefined
  readonly signal: AbortSignal | undefined
}

const MAP: Readonly<Record<keyof MapOptions, true>> = {
  ordered: true,
  inFlight: true,
  signal: true,
}

/** @throws UsageError for an option that is unknown or out of range. */
export function parseMapOptions(options: unknown, where = 'map()'): MapSpecOptions {
  const given = readOptions(options, where, MAP)
  return {
    ordered: option(given, 'ordered', flag) ?? true,
    inFlight: option(given, 'inFlight', wholeNumber(1, IN_FLIGHT_MAX)),
    signal: option(given, 'signal', abortSignal),
  }
}

const CANCEL: Readonly<Record<keyof CancelOptions, true>> = { force: true, recursive: true }

/** @throws UsageError for an option that is unknown or out of range. */
export function parseCancelOptions(options: unknown): Readonly<Required<CancelOptions>> {
  const given = readOptions(options, 'cancel()', CANCEL)
  return {
    force: option(given, 'force', flag) ?? false,
    recursive: option(given, 'recursive', flag) ?? true,
  }
}

const KILL: Readonly<Record<keyof KillOptions, true>> = { noRestart: true }

/** @throws UsageError for an option that is unknown or out of range. */
export function parseKillOptions(options: unknown): Readonly<Required<KillOptions>> {
  const given = readOptions(options, 'kill()', KILL)
  return { noRestart: option(given, 'noRestart', flag) ?? true }
}

const NAMESPACE: Readonly<Record<keyof NamespaceOptions, true>> = { namespace: true }

/**
 * The name of an actor to find, and where.
 * @returns namespace undefined: that of the job.
 */
export function parseActorName(
  name: unknown,
  options: unknown,
  where = 'getActor()',
): { readonly name: string; readonly namespace: string | undefined } {
  const given = readOptions(options, where, NAMESPACE)
  const namespace = option(given, 'namespace', nameText)
  return { name: nameText('the name of an actor', name), namespace }
}

export interface GroupSpecOptions {
  readonly bundles: readonly ResourceSet[]
  readonly strategy: 'PACK' | 'SPREAD' | 'STRICT_PACK' | 'STRICT_SPREAD'
  readonly name: string | undefined
  readonly detached: boolean
}

const GROUP: Readonly<Record<keyof PlacementGroupOptions, true>> = {
  strategy: true,
  name: true,
  lifetime: true,
}
const groupStrategy = oneOf('PACK', 'SPREAD', 'STRICT_PACK', 'STRICT_SPREAD')

/** @throws UsageError for no bundles, a bundle of nothing, an amount or option that is wrong. */
export function parsePlacementGroup(bundles: unknown, options: unknown): GroupSpecOptions {
  const given = readOptions(options, 'placementGroup()', GROUP)
  if (!Array.isArray(bundles) || bundles.length === 0 || bundles.length > BUNDLES_MAX) {
    const got = Array.isArray(bundles) ? `${bundles.length} bundles` : showValue(bundles)
    const text = `bundles must be an array of 1 to ${BUNDLES_MAX} bundles, got ${got}`
    throw new UsageError(`${text}. For example [{ CPU: 1 }, { CPU: 1, GPU: 1 }]`)
  }
  return {
    bundles: bundles.map((bundle, i) => bundleOf(bundle, `bundles[${i}]`)),
    strategy: option(given, 'strategy', groupStrategy) ?? 'PACK',
    name: option(given, 'name', nameText),
    detached: option(given, 'lifetime', oneOf('detached')) === 'detached',
  }
}

/** @throws UsageError for what is no name. */
export const parseGroupName = (name: unknown): string =>
  nameText('the name of a placement group', name)

/** How long `ready()` or `wait()` of a group waits; undefined: for ever. */
export function parseReadyTimeout(options: unknown): number | undefined {
  return option(readOptions(options, 'ready()', { timeoutMs: true }), 'timeoutMs', waitMs)
}

export interface InitSpecOptions {
  readonly address: string | undefined
  /** As given, to be laid over what the machine has: see nodeResourcesOf. */
  readonly resources: ResourceOptions
  readonly labels: Labels
  readonly objectStoreMemoryBytes: number | undefined
  readonly overflow: { readonly to: string; readonly maxUsd: number } | undefined
  readonly modules: readonly string[]
  readonly namespace: string | undefined
  readonly jobName: string | undefined
  readonly runtimeEnv: RuntimeEnvSpec | undefined
  readonly logToDriver: boolean
  readonly durable: boolean
  readonly ignoreReinitError: boolean
}

const INIT: Readonly<Record<keyof InitOptions, true>> = {
  address: true,
  numCpus: true,
  numGpus: true,
  resources: true,
  labels: true,
  memoryBytes: true,
  objectStoreMemoryBytes: true,
  overflow: true,
  modules: true,
  namespace: true,
  jobName: true,
  runtimeEnv: true,
  logToDriver: true,
  durable: true,
  ignoreReinitError: true,
}

/** @throws UsageError for an option that is unknown or out of range; InvalidEnvError. */
export function parseInitOptions(options: unknown): InitSpecOptions {
  const given = readOptions(options, 'init()', INIT)
  const { numCpus, numGpus, memoryBytes, resources } = given
  const amounts: ResourceOptions = { numCpus, numGpus, memoryBytes, resources }
  // Only for its errors: what the machine has is not known yet.
  demandOf(amounts, 0)
  return {
    address: option(given, 'address', text),
    resources: amounts,
    labels: option(given, 'labels', labelsOf) ?? {},
    objectStoreMemoryBytes: option(
      given,
      'objectStoreMemoryBytes',
      wholeNumber(OBJECT_STORE_BYTES_MIN, RESOURCE_BYTES_MAX),
    ),
    overflow: option(given, 'overflow', overflowOf),
    modules: option(given, 'modules', listOf(text, MODULES_MAX)) ?? [],
    namespace: option(given, 'namespace', nameText),
    jobName: option(given, 'jobName', nameText),
    runtimeEnv: option(given, 'runtimeEnv', runtimeEnvOf),
    logToDriver: option(given, 'logToDriver', flag) ?? true,
    durable: option(given, 'durable', flag) ?? false,
    ignoreReinitError: option(given, 'ignoreReinitError', flag) ?? false,
  }
}

const text: Check<string> = (label, value) =>
  typeof value === 'string' && value !== ''
    ? value
    : refuse(label, 'a text that is not empty', value)

const overflowOf: Check<{ readonly to: string; readonly maxUsd: number }> = (label, value) => {
  const given = readOptions(value, label, { to: true, maxUsd: true })
  const { to, maxUsd } = given
  if (typeof to !== 'string' || !to.startsWith('aws://')) {
    return refuse(`${label}.to`, "the address of a deployed cluster, 'aws://NAME'", to)
  }
  if (typeof maxUsd !== 'number' || !Number.isFinite(maxUsd) || maxUsd < 0) {
    return refuse(`${label}.maxUsd`, 'a finite number of dollars ≥ 0', maxUsd)
  }
  return { to, maxUsd }
}
