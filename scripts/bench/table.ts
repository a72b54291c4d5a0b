// The bench on the terminal: a line per row as it is measured, with its ratios; under a row, what
// its floor asks for and it does not reach, and who failed.
import type { ReportRow } from './report.ts'
import { type Row, ratio } from './rows.ts'
import type { RowResult } from './run-row.ts'

const NAME_WIDTH = 46
const VALUE_WIDTH = 10
const RATIO_WIDTH = 9
export const CONTENDERS = [
  ['ray', 'ray'],
  ['piscina', 'piscina'],
  ['echo', 'echo'],
  ['echoPolling', 'echo poll'],
  ['memcpy', 'memcpy'],
  ['bare', 'bare lists'],
] as const
export type Contender = (typeof CONTENDERS)[number][0]

export function tableHead(): string {
  const heads = CONTENDERS.map(([, head]) => head.padStart(VALUE_WIDTH + RATIO_WIDTH))
  return `${'row'.padEnd(NAME_WIDTH)} ${'virga'.padStart(VALUE_WIDTH)} ${'± %'.padStart(4)} ${'unit'.padEnd(11)}${heads.join('')}`
}

export function tableLine(row: Row, report: ReportRow, errors: RowResult['errors']): string {
  const cells = CONTENDERS.map(([contender]) => cell(row, report, contender))
  const { value, sd } = report
  const spread = value === null || sd === null ? '' : ((100 * sd) / Math.abs(value)).toFixed(0)
  const head = [
    row.name.padEnd(NAME_WIDTH),
    show(value).padStart(VALUE_WIDTH),
    spread.padStart(4),
    row.unit.padEnd(11),
  ]
  const failures = [...errors].map(([column, text]) => `    ${column} failed: ${text}`)
  return [`${head.join(' ')}${cells.join('')}`, ...missed(row, report), ...failures].join('\n')
}

/** How many times better than a contender, or null where one of the two has no value. */
export function ratioTo(row: Row, report: ReportRow, contender: Contender): number | null {
  const other = report[contender] ?? null
  return report.value === null || other === null ? null : ratio(row, report.value, other)
}

function cell(row: Row, report: ReportRow, contender: Contender): string {
  const times = ratioTo(row, report, contender)
  const shown = times === null ? '' : `(${significant(times)} ×)`
  return show(report[contender] ?? null).padStart(VALUE_WIDTH) + shown.padStart(RATIO_WIDTH)
}

function missed(row: Row, report: ReportRow): string[] {
  const { toRay, toEcho, toMemcpy, absolute } = row.floor ?? {}
  const asks: [Contender, number | undefined][] = [
    ['ray', toRay],
    ['echo', toEcho],
    ['memcpy', toMemcpy],
  ]
  const lines = asks.flatMap(([contender, least]) => {
    const reached = ratioTo(row, report, contender)
    if (least === undefined || reached === null || reached >= least) return []
    return [`    below its floor: ${significant(reached)} × ${contender}, wanted ${least} ×`]
  })
  if (absolute !== undefined && report.value !== null) {
    const kept = row.better === 'higher' ? report.value >= absolute : report.value <= absolute
    if (!kept)
      lines.push(`    off its floor: ${show(report.value)}, wanted ${absolute} ${row.unit}`)
  }
  return lines
}

export const show = (value: number | null): string => (value === null ? '–' : significant(value))

export function significant(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toPrecision(3)
}
