// What a run of the bench leaves behind: the JSON that commits and machines are compared by.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import type { ColumnName } from './columns.ts'
import { ROWS } from './rows.ts'
import type { RowResult } from './run-row.ts'
import { mean, standardDeviation } from './statistics.ts'

export interface Report {
  readonly machine: Machine
  readonly commit: string
  readonly rows: readonly ReportRow[]
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly node: string
  /** Absent: Ray was not measured. */
  readonly ray?: string
}

/** null: the contender has no such row, or was not asked, or failed. */
export interface ReportRow {
  readonly name: string
  readonly unit: string
  readonly value: number | null
  readonly sd: number | null
  readonly ray: number | null
  readonly raySd: number | null
  readonly piscina: number | null
  readonly echo: number | null
  readonly echoPolling: number | null
  readonly memcpy: number | null
  /** Absent: the run is older than the column. */
  readonly bare?: number | null
  /** Virga on several nodes of this machine. Absent: as `bare`. */
  readonly nodes?: number | null
  /** Absent: none. */
  readonly failed?: readonly ColumnName[]
}

export function reportRow({ row, samples, errors }: RowResult): ReportRow {
  const of = (column: ColumnName): number | null => mean(samples.get(column) ?? [])
  return {
    name: row.name,
    unit: row.unit,
    value: of('virga'),
    sd: standardDeviation(samples.get('virga') ?? []),
    ray: of('ray'),
    raySd: standardDeviation(samples.get('ray') ?? []),
    piscina: of('piscina'),
    echo: of('echo'),
    echoPolling: of('echoPolling'),
    memcpy: of('memcpy'),
    bare: of('bare'),
    nodes: of('nodes'),
    ...(errors.size === 0 ? {} : { failed: [...errors.keys()] }),
  }
}

/** Rows stand in the bench's order, whatever order they were measured in. */
export function reportOf(
  machine: Machine,
  commit: string,
  measured: ReadonlyMap<string, ReportRow>,
): Report {
  return { machine, commit, rows: ROWS.flatMap(({ name }) => measured.get(name) ?? []) }
}

/** @returns undefined when there is no such file. */
export function readReport(path: string): Report | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report) : undefined
}

export function writeReport(path: string, report: Report): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.part`, `${JSON.stringify(report, undefined, 2)}\n`)
  renameSync(`${path}.part`, path)
}

export function describeMachine(rayVersion: string | undefined): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    node: process.versions.node,
    ...(rayVersion === undefined ? {} : { ray: rayVersion }),
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
