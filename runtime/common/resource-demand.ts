// From what users write to resource sets, with the errors that say what is wrong.
// Invariants:
//   RD1. What is accepted is exact: a finite number >= 0, in steps of 0.0001, memory in bytes.
//   RD2. A GPU demand below 1 is a share of one GPU; from 1 on it is whole GPUs.
//   RD3. A name is no property of Object.prototype, so that sets may be plain objects.
// Source: Ray python/ray/_common/ray_option_utils.py; ray_constants.py.
import { UsageError } from './errors.ts'
import { CPU, GPU, MEMORY, UNITS_PER_ONE, resourceSet, unitsPerOne } from './resources.ts'
import type { ResourceSet } from './resources.ts'
import { showValue } from './show-value.ts'

/** Largest amount of one resource. Ray allows a thousand times as much, in 64-bit integers. */
const RESOURCE_AMOUNT_MAX = 100_000_000_000
/** Largest amount of memory in bytes: 1 PB. */
export const RESOURCE_BYTES_MAX = 1_000_000_000_000_000
const RESOURCE_NAME_CHARS_MAX = 128
/** Different resources that one demand may name. */
const RESOURCE_NAMES_MAX = 64

/** What one task asks of `accelerator_type:X`, of which a node with such a GPU has 1. */
const ACCELERATOR_SHARE = 0.001

export interface ResourceOptions {
  readonly numCpus?: unknown
  readonly numGpus?: unknown
  readonly memoryBytes?: unknown
  readonly resources?: unknown
  readonly acceleratorType?: unknown
}

/**
 * The demand of a task.
 * @param defaultCpus  CPUs when `numCpus` is not given.
 * @throws UsageError that names the option, the value and what to give instead.
 */
export function demandOf(options: ResourceOptions, defaultCpus: number): ResourceSet {
  return resourceSet({
    ...customUnits(options.resources),
    ...acceleratorUnits(options.acceleratorType),
    [CPU]: parseAmount('numCpus', CPU, options.numCpus ?? defaultCpus),
    [GPU]: parseAmount('numGpus', GPU, options.numGpus ?? 0),
    [MEMORY]: parseAmount('memoryBytes', MEMORY, options.memoryBytes ?? 0),
  })
}

/** What a machine has when the options of `init` do not say otherwise. */
export interface MachineResources {
  readonly numCpus: number
  readonly numGpus: number
  readonly memoryBytes: number
}

/**
 * The totals of a node.
 * @throws UsageError as demandOf does; also for a part of a GPU.
 */
export function nodeResourcesOf(options: ResourceOptions, machine: MachineResources): ResourceSet {
  const given = demandOf({ ...machine, ...withoutUndefined(options) }, machine.numCpus)
  if ((given[GPU] ?? 0) % UNITS_PER_ONE !== 0) {
    const shown = showValue(options.numGpus)
    throw new UsageError(`numGpus of a node must be a whole number, got ${shown}`)
  }
  return given
}

function withoutUndefined(options: ResourceOptions): ResourceOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/**
 * The resources of one bundle of a placement group: `{ CPU, GPU, memory, [custom] }`.
 * @param label  what the user calls it, such as `bundles[0]`.
 * @throws UsageError; also for a bundle of nothing.
 */
export function bundleOf(bundle: unknown, label: string): ResourceSet {
  const units: Record<string, number> = {}
  for (const [name, amount] of namedAmounts(bundle, label)) {
    if (!isBuiltIn(name)) checkName(name, label, meantBuiltIn(name))
    units[name] = parseAmount(`${label}.${name}`, name, amount)
  }
  const set = resourceSet(units)
  if (Object.keys(set).length > 0) return set
  throw new UsageError(
    `${label} must ask for more than 0 of some resource, got ${showValue(bundle)}`,
  )
}

/**
 * One amount in units (RD1, RD2).
 * @param label  what the user calls it: `numCpus`, `resources.disk`, `bundles[0].CPU`.
 */
function parseAmount(label: string, name: string, amount: unknown): number {
  if (typeof amount !== 'number' || !Number.isFinite(amount) || amount < 0) {
    throw new UsageError(`${label} must be a finite number ≥ 0, got ${showValue(amount)}`)
  }
  const amountMax = name === MEMORY ? RESOURCE_BYTES_MAX : RESOURCE_AMOUNT_MAX
  if (amount > amountMax) {
    throw new UsageError(`${label} must be at most ${amountMax}, got ${amount}`)
  }
  const exact = amount * unitsPerOne(name)
  const units = Math.round(exact)
  // What is left of 0.1 + 0.2 is no reason to refuse it; a step is 1.
  if (Math.abs(exact - units) > 1e-6 * Math.max(1, units)) refuseStep(label, name, amount)
  if (name === GPU && units > UNITS_PER_ONE && units % UNITS_PER_ONE !== 0) {
    throw new UsageError(
      `${label} must be a whole number of GPUs from 1 on (below 1 it is a share of one), ` +
        `got ${amount}. Use ${Math.floor(amount)} or ${Math.ceil(amount)}`,
    )
  }
  return units
}

function refuseStep(label: string, name: string, amount: number): never {
  if (name === MEMORY) {
    throw new UsageError(`${label} must be a whole number of bytes, got ${amount}`)
  }
  const near = Math.max(1, Math.round(amount * UNITS_PER_ONE)) / UNITS_PER_ONE
  throw new UsageError(`${label} must be a multiple of 0.0001, got ${amount}. Use ${near}`)
}

function customUnits(resources: unknown): Record<string, number> {
  const units: Record<string, number> = {}
  if (resources === undefined) return units
  for (const [name, amount] of namedAmounts(resources, 'resources')) {
    const builtIn = meantBuiltIn(name)
    if (isBuiltIn(name)) {
      throw new UsageError(`resources.${name} is not a custom resource: use ${OPTION_OF[name]}`)
    }
    checkName(name, 'resources', builtIn && OPTION_OF[builtIn])
    units[name] = parseAmount(`resources.${name}`, name, amount)
  }
  return units
}

function acceleratorUnits(type: unknown): Record<string, number> {
  if (type === undefined) return {}
  if (typeof type !== 'string' || type === '' || type.length > RESOURCE_NAME_CHARS_MAX) {
    const shown = showValue(type)
    throw new UsageError(`acceleratorType must be a name such as 'NVIDIA_A10G', got ${shown}`)
  }
  return { [`accelerator_type:${type}`]: ACCELERATOR_SHARE * UNITS_PER_ONE }
}

function namedAmounts(value: unknown, label: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const shown = showValue(value)
    throw new UsageError(`${label} must be an object of name: amount, got ${shown}`)
  }
  const entries = Object.entries(value).filter(([, amount]) => amount !== undefined)
  if (entries.length <= RESOURCE_NAMES_MAX) return entries
  throw new UsageError(`${label} may name ${RESOURCE_NAMES_MAX} resources, got ${entries.length}`)
}

const OPTION_OF = { CPU: 'numCpus', GPU: 'numGpus', memory: 'memoryBytes' } as const

const isBuiltIn = (name: string): name is keyof typeof OPTION_OF => Object.hasOwn(OPTION_OF, name)

/**
 * CPUS, cpu, num_gpus: a built-in resource by a wrong name. TPU and disk are names of their own.
 */
function meantBuiltIn(name: string): keyof typeof OPTION_OF | undefined {
  const core = name
    .toLowerCase()
    .replaceAll(/[_\s-]/g, '')
    .replace(/^num/, '')
    .replace(/s$/, '')
  if (core === 'cpu') return CPU
  if (core === 'gpu') return GPU
  return core === 'memory' || core === 'memorybyte' || core === 'mem' ? MEMORY : undefined
}

function checkName(name: string, label: string, meant: string | undefined): void {
  if (meant !== undefined) {
    throw new UsageError(`${label} has no resource ${showValue(name)}: did you mean ${meant}?`)
  }
  const printable = /^[^\p{Cc}\p{Cs}]+$/u.test(name)
  if (!printable || name.length > RESOURCE_NAME_CHARS_MAX || name in {}) {
    throw new UsageError(
      `${label} has ${showValue(name)}, which cannot name a resource: give 1 to ` +
        `${RESOURCE_NAME_CHARS_MAX} printable characters that are no property of Object.prototype`,
    )
  }
}
