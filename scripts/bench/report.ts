// What a run of the bench leaves behind: the JSON that commits and machines are compared by.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import type { ColumnName } from './columns.ts'
import { ROWS } from './rows.ts'
import type { RowResult } from './run-row.ts'
import { mean, standardDeviation } from './statistics.ts'

const ROOT = join(import.meta.dirname, '../..')
/** What a figure depends on. */
const MEASURED = ['runtime', 'sdk', 'cli', 'scripts/bench', 'package-lock.json']

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

/** How a row was measured: what a later run asks before it takes it over. */
export interface Measured {
  /** Length of a round. */
  readonly seconds: number
  readonly columns: readonly ColumnName[]
  /** Of the cluster in the column `nodes`; 1: there is no such column. */
  readonly nodes: number
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
  /** Absent: the run is older than this. */
  readonly measured?: Measured
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

/** @returns undefined when there is no such file. @throws Error when it is something else. */
export function readReport(path: string): Report | undefined {
  if (!existsSync(path)) return undefined
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as Partial<Report> | null
    if (!Array.isArray(report?.rows)) throw new Error('it has no rows')
    return report as Report
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`${path} holds no results of the bench: ${why}.`, { cause: error })
  }
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
      execFileSync('git', args, {
        cwd: ROOT,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
    const changed = git('status', '--porcelain', '--', ...MEASURED) === '' ? '' : '+'
    return git('rev-parse', '--short', 'HEAD') + changed
  } catch {
    return 'unknown' // no git, or no repository: an unpacked archive is measured as well
  }
}
