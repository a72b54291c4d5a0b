// A chart of lines over time.
import { svgChart } from './svg-chart.ts'

export interface Line {
  readonly name: string
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

export interface LineChart {
  readonly title: string
  readonly xUnit: string
  readonly yUnit: string
  readonly lines: readonly Line[]
  /** Left of it, the plot is shaded: warm-up. */
  readonly shadedToX: number
}

const WIDTH = 900
const HEIGHT = 360
const LEFT = 60
const RIGHT = 130
const TOP = 36
const BOTTOM = 40
const TICKS = 5
/** Told apart by the colour-blind as well, on white and on black (Okabe and Ito, 2008). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00']

export function lineChart({ title, xUnit, yUnit, lines, shadedToX }: LineChart): string {
  const all = lines.flatMap(({ points }) => points)
  const xMax = Math.max(1, ...all.map(({ x }) => x))
  const yMax = 1.1 * Math.max(1, ...all.map(({ y }) => y))
  const atX = (x: number): number => LEFT + ((WIDTH - LEFT - RIGHT) * x) / xMax
  const atY = (y: number): number => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * y) / yMax
  const grid = Array.from({ length: TICKS + 1 }, (_, i) => {
    const [x, y] = [(xMax * i) / TICKS, (yMax * i) / TICKS]
    return (
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(atY(y))}" y2="${at(atY(y))}"/>` +
      `<text x="${LEFT - 6}" y="${at(atY(y) + 4)}" text-anchor="end">${short(y)}</text>` +
      `<text x="${at(atX(x))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(x)}</text>`
    )
  })
  const drawn = lines.map(({ name, points }, i) => {
    const path = points.map(({ x, y }) => `${at(atX(x))},${at(atY(y))}`).join(' ')
    const colour = COLOURS[i % COLOURS.length]
    const label = TOP + 16 + 18 * i
    return (
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>` +
      `<rect x="${WIDTH - RIGHT + 10}" y="${label - 9}" width="10" height="10" fill="${colour}"/>` +
      `<text x="${WIDTH - RIGHT + 26}" y="${label}">${name}</text>`
    )
  })
  return svgChart({ width: WIDTH, height: HEIGHT, title, titleX: LEFT }, [
    `<rect class="shade" x="${LEFT}" y="${TOP}" width="${at(atX(shadedToX) - LEFT)}" height="${HEIGHT - TOP - BOTTOM}"/>`,
    ...grid,
    ...drawn,
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${xUnit}</text>`,
    `<text x="6" y="${TOP - 4}">${yUnit}</text>`,
  ])
}

const at = (pixels: number): string => pixels.toFixed(1)
const short = (value: number): string => (value >= 10 ? value.toFixed(0) : value.toPrecision(2))
