// What a run of the bench leaves behind: the JSON that commits and machines are compared by.
import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import type { ColumnName } from './columns.ts'
import type { Floor, Row } from './rows.ts'
import type { RowResult } from './run-row.ts'
import { mean, standardDeviation } from './statistics.ts'

export interface Report {
  readonly machine: Machine
  readonly commit: string
  readonly seconds: number
  readonly leftOut: readonly string[]
  readonly rows: readonly ReportRow[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly node: string
  readonly ray: string | undefined
}

/** null: the contender has no such row, or was not asked, or failed. */
export interface ReportRow {
  readonly name: string
  readonly unit: string
  readonly better: Row['better']
  readonly value: number | null
  readonly sd: number | null
  readonly ray: number | null
  readonly raySd: number | null
  readonly piscina: number | null
  readonly echo: number | null
  readonly echoPolling: number | null
  readonly memcpy: number | null
  readonly floor: Floor
  readonly samples: Readonly<Partial<Record<ColumnName, readonly number[]>>>
  readonly errors: Readonly<Partial<Record<ColumnName, string>>>
}

export function reportRow({ row, samples, errors }: RowResult): ReportRow {
  const of = (column: ColumnName): number | null => mean(samples.get(column) ?? [])
  return {
    name: row.name,
    unit: row.unit,
    better: row.better,
    value: of('virga'),
    sd: standardDeviation(samples.get('virga') ?? []),
    ray: of('ray'),
    raySd: standardDeviation(samples.get('ray') ?? []),
    piscina: of('piscina'),
    echo: of('echo'),
    echoPolling: of('echoPolling'),
    memcpy: of('memcpy'),
    floor: row.floor ?? {},
    samples: Object.fromEntries(samples),
    errors: Object.fromEntries(errors),
  }
}

export function describeMachine(rayVersion: string | undefined): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.versions.node,
    ray: rayVersion,
  }
}

/** The commit, with `+` when the tree differs from it; 'unknown' outside a repository. */
export function describeCommit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const changed = git('status', '--porcelain', '--', 'runtime', 'sdk') === '' ? '' : '+'
    return git('rev-parse', '--short', 'HEAD') + changed
  } catch {
    return 'unknown' // no git, or no repository: an unpacked archive is measured as well
  }
}
