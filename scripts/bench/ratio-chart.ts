// The README's chart: a bar per row, as long as Virga is faster than Ray, on a logarithmic scale,
// with marks for the raw echo, memcpy and piscina.
import type { Report, ReportRow } from './report.ts'
import { ROWS, type Row } from './rows.ts'
import { svgChart } from './svg-chart.ts'
import { type Contender, ratioTo, significant } from './table.ts'

const WIDTH = 900
const LEFT = 310
const RIGHT = 70
const TOP = 62
const ROW_HEIGHT = 20
const RATIO_MIN = 0.1
const RATIO_MAX = 1000
const TICKS = [0.1, 1, 10, 100, 1000]
const FASTER = '#0072b2'
const SLOWER = '#d55e00'
const MARKS: readonly (readonly [Contender, label: string, colour: string])[] = [
  ['echo', 'raw echo', '#009e73'],
  ['memcpy', 'memcpy', '#cc79a7'],
  ['piscina', 'piscina', '#e69f00'],
]

export function ratioChart({ machine, commit, rows }: Report): string {
  const shown = rows.flatMap((report) => {
    const row = ROWS.find(({ name }) => name === report.name)
    return row === undefined || !isCompared(row, report) ? [] : [{ row, report }]
  })
  const height = TOP + ROW_HEIGHT * shown.length + 30
  const bottom = height - 24
  const ticks = TICKS.map((tick) => {
    const x = at(tick)
    return (
      `<line class="grid" x1="${x}" x2="${x}" y1="${TOP - 4}" y2="${bottom}"/>` +
      `<text x="${x}" y="${bottom + 16}" text-anchor="middle">${tick} ×</text>`
    )
  })
  const legend = MARKS.map(
    ([, label, colour], i) =>
      `<circle cx="${LEFT + 230 + 110 * i}" cy="40" r="4" fill="${colour}"/>` +
      `<text x="${LEFT + 240 + 110 * i}" y="44">to ${label}</text>`,
  )
  const ray = machine.ray === undefined ? '' : ` ${machine.ray}`
  const title = `Virga ${commit}: how many times faster, on ${machine.cores} cores of ${machine.cpu}`
  return svgChart({ width: WIDTH, height, title, titleX: 8 }, [
    `<rect x="${LEFT}" y="34" width="14" height="12" fill="${FASTER}"/><text x="${LEFT + 20}" y="44">to Ray${ray}</text>`,
    ...legend,
    ...ticks,
    ...shown.map(({ row, report }, i) => rowOf(row, report, TOP + ROW_HEIGHT * i)),
  ])
}

const isCompared = (row: Row, report: ReportRow): boolean =>
  (['ray', ...MARKS.map(([contender]) => contender)] as const).some(
    (contender) => ratioTo(row, report, contender) !== null,
  )

function rowOf(row: Row, report: ReportRow, y: number): string {
  const parts = [`<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${row.name}</text>`]
  const toRay = ratioTo(row, report, 'ray')
  if (toRay !== null) {
    const [from, to] = [Math.min(at(1), at(toRay)), Math.max(at(1), at(toRay))]
    const colour = toRay < 1 ? SLOWER : FASTER
    parts.push(
      `<rect x="${from}" y="${y + 2}" width="${(to - from).toFixed(1)}" height="${ROW_HEIGHT - 7}" fill="${colour}"/>`,
      `<text x="${WIDTH - 8}" y="${y + 12}" text-anchor="end">${significant(toRay)} ×</text>`,
    )
  }
  for (const [contender, , colour] of MARKS) {
    const ratio = ratioTo(row, report, contender)
    if (ratio === null) continue
    parts.push(
      `<circle cx="${at(ratio)}" cy="${y + 8}" r="4" fill="${colour}" stroke="#fff" stroke-width="0.7"/>`,
    )
  }
  return parts.join('')
}

/** Where a ratio stands, within the scale. */
function at(ratio: number): number {
  const clamped = Math.min(RATIO_MAX, Math.max(RATIO_MIN, ratio))
  const share = Math.log(clamped / RATIO_MIN) / Math.log(RATIO_MAX / RATIO_MIN)
  return Number((LEFT + (WIDTH - LEFT - RIGHT) * share).toFixed(1))
}
