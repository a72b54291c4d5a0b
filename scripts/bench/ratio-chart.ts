// The README's chart: a bar per row, as long as Virga is better than Ray, on a logarithmic scale,
// with marks for what else it is measured beside. What lies beyond the scale points out of it.
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
const BETTER = '#0072b2'
const WORSE = '#d55e00'
const MARKS: readonly (readonly [Contender, label: string, colour: string])[] = [
  ['echo', 'raw echo', '#009e73'],
  ['echoPolling', 'echo poll', '#56b4e9'],
  ['memcpy', 'memcpy', '#cc79a7'],
  ['piscina', 'piscina', '#e69f00'],
  ['bare', 'bare lists', '#999999'],
]
const LEGEND_LEFT = 150
const LEGEND_STEP = 120
const ARROW = 7

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
      `<circle cx="${LEGEND_LEFT + LEGEND_STEP * i}" cy="40" r="4" fill="${colour}"/>` +
      `<text x="${LEGEND_LEFT + 10 + LEGEND_STEP * i}" y="44">to ${label}</text>`,
  )
  const ray = machine.ray === undefined ? '' : ` ${machine.ray}`
  const title =
    `Virga ${commit}: how many times better (faster, or with less memory or CPU), ` +
    `on ${machine.cores} cores of ${machine.cpu}`
  return svgChart({ width: WIDTH, height, title, titleX: 8 }, [
    `<rect x="8" y="34" width="14" height="12" fill="${BETTER}"/><text x="28" y="44">to Ray${ray}</text>`,
    ...legend,
    `<text x="${WIDTH - 8}" y="44" text-anchor="end">▸ beyond the scale</text>`,
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
    const colour = toRay < 1 ? WORSE : BETTER
    parts.push(
      `<rect x="${from}" y="${y + 2}" width="${(to - from).toFixed(1)}" height="${ROW_HEIGHT - 7}" fill="${colour}"/>`,
      `<text x="${WIDTH - 8}" y="${y + 12}" text-anchor="end">${significant(toRay)} ×</text>`,
    )
    if (isBeyond(toRay)) parts.push(arrow(toRay, y, colour))
  }
  for (const [contender, label, colour] of MARKS) {
    const ratio = ratioTo(row, report, contender)
    if (ratio === null) continue
    const mark = isBeyond(ratio)
      ? arrow(ratio, y, colour)
      : `<circle cx="${at(ratio)}" cy="${y + 8}" r="4" fill="${colour}" stroke="#fff" stroke-width="0.7"/>`
    parts.push(`<g><title>${significant(ratio)} × to ${label}</title>${mark}</g>`)
  }
  return parts.join('')
}

const isBeyond = (ratio: number): boolean => ratio < RATIO_MIN || ratio > RATIO_MAX

/** At the end of the scale, and out of it. */
function arrow(ratio: number, y: number, colour: string): string {
  const [x, middle] = [at(ratio), y + 8]
  const tip = x + (ratio < 1 ? -ARROW : ARROW)
  const points = `${x},${middle - ARROW} ${tip},${middle} ${x},${middle + ARROW}`
  return `<polygon points="${points}" fill="${colour}" stroke="#fff" stroke-width="0.7"/>`
}

/** Where a ratio stands, within the scale. */
function at(ratio: number): number {
  const clamped = Math.min(RATIO_MAX, Math.max(RATIO_MIN, ratio))
  const share = Math.log(clamped / RATIO_MIN) / Math.log(RATIO_MAX / RATIO_MIN)
  return Number((LEFT + (WIDTH - LEFT - RIGHT) * share).toFixed(1))
}
