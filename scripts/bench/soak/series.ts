// Which process each line of the soak's plot follows, and what it holds.
import type { Role } from '../processes.ts'

/** What must stay flat: resident memory of a process without the objects it has mapped. */
export const FLAT = ['driver', 'raylet', 'oldest worker', 'mean worker'] as const
/** Of the process that has most of the arena mapped: the store's size is its bound. */
export const SHARED = 'mapped objects'
export type Series = (typeof FLAT)[number] | typeof SHARED

export interface Resident {
  readonly pid: number
  /** undefined: of none that is followed. */
  readonly role: Role | undefined
  readonly startedAtTicks: number
  readonly ownBytes: number
  readonly sharedBytes: number
}

/**
 * A process that has just been forked has its parent's command line, and next to no memory, until
 * it runs a program of its own: the driver is known by its pid, the raylet by its age.
 * @returns megabytes of each series, or nothing before there is a worker.
 */
export function seriesOf(
  rows: readonly Resident[],
  driverPid: number,
): Record<Series, number> | undefined {
  const workers = rows.filter(({ role }) => role === 'worker')
  const driver = rows.find(({ pid }) => pid === driverPid)
  const raylet = oldestOf(rows.filter(({ role }) => role === 'raylet'))
  const oldest = oldestOf(workers)
  if (driver === undefined || raylet === undefined || oldest === undefined) return undefined
  const mean = workers.reduce((sum, row) => sum + row.ownBytes, 0) / workers.length
  return {
    driver: driver.ownBytes / 1e6,
    raylet: raylet.ownBytes / 1e6,
    'oldest worker': oldest.ownBytes / 1e6,
    'mean worker': mean / 1e6,
    [SHARED]: Math.max(...rows.map((row) => row.sharedBytes)) / 1e6,
  }
}

const oldestOf = (rows: readonly Resident[]): Resident | undefined =>
  rows.toSorted((a, b) => a.startedAtTicks - b.startedAtTicks)[0]
