// What a run of the bench keeps of the rows that an earlier one left in its file.
import type { Machine, Report, ReportRow } from './report.ts'
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

/** Whether there is no reason to measure a row again. */
export const isWhole = (row: ReportRow | undefined): boolean =>
  row !== undefined && row.failed === undefined
