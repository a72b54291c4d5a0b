// Logical resources: amounts by name, as integers, so that sums are exact.
// Invariants:
//   RS1. CPU, GPU and custom resources count in steps of 0.0001 (1 CPU = 10,000 units); memory
//       counts in bytes. Both stay far below 2^53, also when a thousand nodes are added up.
//   RS2. A set has sorted names and no zeros, so that equal sets have equal texts.
// Source: Ray src/ray/common/scheduling/fixed_point.h; ray_constants.py MIN_RESOURCE_GRANULARITY.
import type { Resources } from './surface-options.ts'

/** Amounts in units, by name (RS1, RS2). */
export type ResourceSet = Readonly<Record<string, number>>

export const CPU = 'CPU'
export const GPU = 'GPU'
export const MEMORY = 'memory'

/** Units of one CPU, GPU or custom resource. */
export const UNITS_PER_ONE = 10_000

/** The set of nothing. */
export const NO_RESOURCES: ResourceSet = Object.freeze({})

/** How many units one of `name` has: 10,000, but 1 for memory, which is in bytes. */
export const unitsPerOne = (name: string): number => (name === MEMORY ? 1 : UNITS_PER_ONE)

/** A set in normal form (RS2). */
export function resourceSet(amounts: Readonly<Record<string, number>>): ResourceSet {
  const set: Record<string, number> = {}
  for (const name of Object.keys(amounts).toSorted()) {
    const units = amounts[name] ?? 0
    if (units !== 0) set[name] = units
  }
  return set
}

/** The units of one resource; 0 when it is not in the set. */
export const unitsOf = (set: ResourceSet, name: string): number => set[name] ?? 0

export function addResources(a: ResourceSet, b: ResourceSet): ResourceSet {
  const sum: Record<string, number> = { ...a }
  for (const name of Object.keys(b)) sum[name] = unitsOf(sum, name) + unitsOf(b, name)
  return resourceSet(sum)
}

/** Whether `available` has all of `demand`. */
export function fits(demand: ResourceSet, available: ResourceSet): boolean {
  for (const name in demand) {
    if (unitsOf(demand, name) > unitsOf(available, name)) return false
  }
  return true
}

/** The names of which `available` has less than `demand`. */
export function lacking(demand: ResourceSet, available: ResourceSet): string[] {
  return Object.keys(demand).filter((name) => unitsOf(demand, name) > unitsOf(available, name))
}

/** Equal sets have equal keys: what scheduling classes are known by. */
export const resourceKey = (set: ResourceSet): string => JSON.stringify(set)

/** The set in amounts as users write them: `{ CPU: 0.5, memory: 1073741824 }`. */
export function toResources(set: ResourceSet): Resources {
  const amounts: Resources = {}
  for (const name of Object.keys(set)) amounts[name] = unitsOf(set, name) / unitsPerOne(name)
  return amounts
}

/** `{CPU: 0.5, memory: 1 GiB}`, for messages. */
export function showResources(set: ResourceSet): string {
  const parts = Object.keys(set).map((name) => `${name}: ${showAmount(set, name)}`)
  return parts.length === 0 ? 'nothing' : `{${parts.join(', ')}}`
}

/** `0.5`, or `1 GiB` of memory: one amount of a set. */
export function showAmount(set: ResourceSet, name: string): string {
  const units = unitsOf(set, name)
  return name === MEMORY ? showBytes(units) : String(units / unitsPerOne(name))
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `1.5 GiB`: at most one digit after the point. */
export function showBytes(sizeBytes: number): string {
  let size = sizeBytes
  let unit = 0
  while (Math.abs(size) >= 1024 && unit < BYTE_UNITS.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${Math.round(size * 10) / 10} ${BYTE_UNITS[unit] ?? 'B'}`
}
