// What a run of the bench keeps of the rows that an earlier one left in its file.
import type { Machine, Measured, Report, ReportRow } from './report.ts'
import type { Row } from './rows.ts'

/**
 * Rows of another machine or commit cannot stand beside new ones.
 * @param path of its file
 * @param rows that are to be measured now
 * @throws Error when others would be lost by that.
 */
export function keptRows(
  path: string,
  before: Report | undefined,
  { machine, commit, rows }: { machine: Machine; commit: string; rows: readonly Row[] },
): Map<string, ReportRow> {
  if (before === undefined) return new Map()
  if (before.commit === commit && JSON.stringify(before.machine) === JSON.stringify(machine)) {
    return new Map(before.rows.map((row) => [row.name, row]))
  }
  const others = before.rows.filter(({ name }) => !rows.some((row) => row.name === name))
  if (others.length === 0) return new Map()
  throw new Error(
    `${path} has rows of commit ${before.commit} on ${before.machine.cpu} that would be lost: ` +
      'measure all rows, or give another file with --json.',
  )
}

/** Whether a row need not be measured again to have what is wanted of it. */
export function isWhole(row: ReportRow | undefined, wanted: Measured): boolean {
  if (row?.measured === undefined || row.failed !== undefined) return false
  const { seconds, columns, nodes } = row.measured
  return (
    seconds === wanted.seconds &&
    wanted.columns.every((column) => columns.includes(column)) &&
    (wanted.nodes === 1 || nodes === wanted.nodes)
  )
}

/** Two trees with changes are not known to be the same, nor are two outside a repository. */
export const isResumable = (commit: string): boolean => /^[0-9a-f]+$/.test(commit)
