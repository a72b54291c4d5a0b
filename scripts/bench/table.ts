// The bench on the terminal: a line per row as it is measured, with its ratios; under a row, what
// its floor asks for and it does not reach, and who failed.
import type { Measured, ReportRow } from './report.ts'
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
  ['nodes', 'on nodes'],
] as const
export type Contender = (typeof CONTENDERS)[number][0]

/** Columns that nobody asked for are left out. */
const shownOf = ({ columns }: Measured): (typeof CONTENDERS)[number][] =>
  CONTENDERS.filter(([contender]) => columns.includes(contender))

export function tableHead(measured: Measured): string {
  const heads = shownOf(measured).map(([, head]) => head.padStart(VALUE_WIDTH + RATIO_WIDTH))
  return `${'row'.padEnd(NAME_WIDTH)} ${'virga'.padStart(VALUE_WIDTH)} ${'± %'.padStart(4)} ${'unit'.padEnd(11)}${heads.join('')}`
}

export function tableLine(
  { row, errors }: RowResult,
  report: ReportRow,
  measured: Measured,
): string {
  const { nodes } = measured
  const cells = shownOf(measured).map(([contender]) => cell(row, report, contender))
  const spread = spreadOf(report)
  const head = [
    row.name.padEnd(NAME_WIDTH),
    show(report.value).padStart(VALUE_WIDTH),
    (spread ?? '').padStart(4),
    row.unit.padEnd(11),
  ]
  const missed = missedFloors(row, report).map(
    ({ reached, wanted }) => `    below its floor: ${reached}, wanted ${wanted}`,
  )
  const failures = [...errors].map(([column, text]) => `    ${column} failed: ${text}`)
  const onNodes = nodes > 1 ? [onNodesLine(row, report, nodes)] : []
  return [`${head.join(' ')}${cells.join('')}`, ...missed, ...onNodes, ...failures].join('\n')
}

/** Under a row: what of it there is on several nodes, and which floors that misses. */
function onNodesLine(row: Row, report: ReportRow, nodes: number): string {
  const { value, nodes: onNodes = null } = report
  const on = `    on ${nodes} nodes`
  if (value === null || onNodes === null) return `${on}: not measured`
  const missed = missedFloors(row, { ...report, value: onNodes }).map(
    ({ reached, wanted }) => `, below its floor: ${reached}, wanted ${wanted}`,
  )
  const ofOne = significant(ratio(row, onNodes, value))
  return `${on} ${show(onNodes)} ${row.unit}, ${ofOne} × one node${missed.join('')}`
}

/** How many times better than a contender; null where one of the two has no value, or is a time of
 *  0: too little for the clock that it was measured with. */
export function ratioTo(row: Row, report: ReportRow, contender: Contender): number | null {
  const { value } = report
  const other = report[contender] ?? null
  if (value === null || other === null || other === 0) return null
  if (value === 0 && row.better === 'lower') return null
  return ratio(row, value, other)
}

/** By how much Virga's rounds deviate, in per cent of their mean. */
export function spreadOf({ value, sd }: ReportRow): string | undefined {
  if (value === null || sd === null) return undefined
  return (value === 0 ? 0 : (100 * sd) / Math.abs(value)).toFixed(0)
}

function cell(row: Row, report: ReportRow, contender: Contender): string {
  const times = ratioTo(row, report, contender)
  const shown = times === null ? '' : `(${significant(times)} ×)`
  return show(report[contender] ?? null).padStart(VALUE_WIDTH) + shown.padStart(RATIO_WIDTH)
}

/** What a row's floor asks for and it does not reach, in words. */
export function missedFloors(row: Row, report: ReportRow): { reached: string; wanted: string }[] {
  const { toRay, toEcho, toMemcpy, absolute } = row.floor ?? {}
  const asks: [Contender, number | undefined][] = [
    ['ray', toRay],
    ['echo', toEcho],
    ['memcpy', toMemcpy],
  ]
  const missed = asks.flatMap(([contender, least]) => {
    const reached = ratioTo(row, report, contender)
    if (least === undefined || reached === null || reached >= least) return []
    return [{ reached: `${significant(reached)} × ${contender}`, wanted: `${least} ×` }]
  })
  const { value } = report
  if (absolute === undefined || value === null) return missed
  const kept = row.better === 'higher' ? value >= absolute : value <= absolute
  if (kept) return missed
  return [...missed, { reached: show(value), wanted: `${absolute} ${row.unit}` }]
}

export const show = (value: number | null): string => (value === null ? '–' : significant(value))

export function significant(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return value.toPrecision(3)
}
