// The bench on the terminal: a line per row as it is measured, with its ratios; under a row, what
// its floor asks for and it does not reach.
import type { ReportRow } from './report.ts'

const NAME_WIDTH = 31
const VALUE_WIDTH = 12
const COLUMNS = [
  ['ray', 'ray'],
  ['piscina', 'piscina'],
  ['echo', 'echo'],
  ['echoPolling', 'echo poll'],
  ['memcpy', 'memcpy'],
] as const
type Column = (typeof COLUMNS)[number][0]

export function tableHead(): string {
  const heads = COLUMNS.map(([, head]) => head.padStart(VALUE_WIDTH + RATIO_WIDTH))
  return `${'row'.padEnd(NAME_WIDTH)} ${'virga'.padStart(VALUE_WIDTH)} ${'± %'.padStart(4)} ${'unit'.padEnd(12)}${heads.join('')}`
}
const RATIO_WIDTH = 9

export function tableLine(row: ReportRow): string {
  const cells = COLUMNS.map(([column]) => cell(row, column))
  const spread = row.value === null || row.sd === null ? '' : (100 * row.sd) / row.value
  const head = [
    row.name.padEnd(NAME_WIDTH),
    show(row.value).padStart(VALUE_WIDTH),
    (spread === '' ? '' : spread.toFixed(0)).padStart(4),
    row.unit.padEnd(12),
  ]
  const lines = [`${head.join(' ')}${cells.join('')}`, ...missed(row), ...failures(row)]
  return lines.join('\n')
}

function cell(row: ReportRow, column: Column): string {
  const ratio = ratioTo(row, column)
  const shown = ratio === null ? '' : `(${significant(ratio)} ×)`
  return show(row[column]).padStart(VALUE_WIDTH) + shown.padStart(RATIO_WIDTH)
}

/** How many times better than that column, or null where one of the two has no value. */
function ratioTo(row: ReportRow, column: Column): number | null {
  const other = row[column]
  if (row.value === null || other === null) return null
  return row.better === 'higher' ? row.value / other : other / row.value
}

function missed(row: ReportRow): string[] {
  const { toRay, toEcho, toMemcpy, absolute } = row.floor
  const asks: [Column, number | undefined][] = [
    ['ray', toRay],
    ['echo', toEcho],
    ['memcpy', toMemcpy],
  ]
  const lines = asks.flatMap(([column, least]) => {
    const reached = ratioTo(row, column)
    if (least === undefined || reached === null || reached >= least) return []
    return [`    below its floor: ${significant(reached)} × ${column}, wanted ${least} ×`]
  })
  if (absolute !== undefined && row.value !== null) {
    const kept = row.better === 'higher' ? row.value >= absolute : row.value <= absolute
    if (!kept) lines.push(`    off its floor: ${show(row.value)}, wanted ${absolute} ${row.unit}`)
  }
  return lines
}

const failures = (row: ReportRow): string[] =>
  Object.entries(row.errors).map(([column, text]) => `    ${column} failed: ${text}`)

const show = (value: number | null): string => (value === null ? '–' : significant(value))

function significant(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toPrecision(3)
}
