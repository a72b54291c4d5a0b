// The section of the README that tells the results: the chart, the machine, the command, every row
// that misses its floor or is behind what it is measured beside, how much its rounds deviate, what
// must be known to read a row right, and every row that was not measured, so that none is left out
// in silence.
import type { Report, ReportRow } from './report.ts'
import { HEAVY_ROUNDS, ROUNDS, ROWS, type Row } from './rows.ts'
import { CONTENDERS, missedFloors, ratioTo, show, significant, spreadOf } from './table.ts'

const BEGIN = '<!-- bench: written by npm run bench -- --publish -->'
const END = '<!-- bench: end -->'
const FEW_ROUNDS = `The mean of ${HEAVY_ROUNDS} rounds; other rows have ${ROUNDS}.`

/** Puts the section between its markers. @throws Error when the text has not both. */
export function withSection(text: string, section: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`The text has no '${BEGIN}' before '${END}'.`)
  return `${text.slice(0, begin + BEGIN.length)}\n${section}\n${text.slice(end)}`
}

/** @param paths of the chart and of the figures, as the README links to them. */
export function readmeSection(
  { machine, commit, rows }: Report,
  paths: { readonly chart: string; readonly figures: string },
): string {
  const told = rows.flatMap((report) => {
    const row = ROWS.find(({ name }) => name === report.name)
    return row === undefined ? [] : [{ row, report }]
  })
  const behind = told.flatMap(lineBehind)
  const measured = new Set(rows.flatMap(({ name, value }) => (value === null ? [] : [name])))
  const unmeasured = ROWS.flatMap(({ name }) => (measured.has(name) ? [] : [name]))
  const ray = machine.ray === undefined ? 'without Ray' : `beside Ray ${machine.ray}`
  return [
    `![How many times better than Ray, row by row](${paths.chart})`,
    '',
    `\`npm run bench -- --publish\` at commit ${commit}, ${ray}, on ${machine.cores} cores of ` +
      `${machine.cpu} with ${machine.memoryGb} GB, Linux ${machine.kernel}, ` +
      `Node ${machine.node}. The figures: [${paths.figures}](${paths.figures}).`,
    '',
    [howManyMeasured(unmeasured), ...whatFailed(rows)].join(' '),
    '',
    ...start(told),
    ...floors(told),
    ...(behind.length === 0
      ? ['In none of them is Virga behind what it is measured beside.']
      : [
          'Where Virga is slower or bigger; `echo` is a message there and one back over a bare ' +
            'socket, `echo poll` the same without ever sleeping, `memcpy` a bare copy, `bare ' +
            'lists` two threads that only copy lists; ± is the deviation of rounds from their mean:',
          '',
          '| row | Virga | ± | unit | beside, and how much of it Virga has |',
          '|---|---|---|---|---|',
          ...behind,
        ]),
    ...notes(told),
  ].join('\n')
}

function howManyMeasured(unmeasured: readonly string[]): string {
  if (unmeasured.length === 0) return `All ${ROWS.length} rows were measured.`
  const measuredCount = ROWS.length - unmeasured.length
  // Quoted, as names have commas in them.
  const names = unmeasured.map((name) => `\`${name}\``).join(', ')
  return `${measuredCount} of ${ROWS.length} rows were measured. Not measured: ${names}.`
}

function whatFailed(rows: readonly ReportRow[]): string[] {
  const failures = rows.flatMap(({ name, failed = [] }) =>
    CONTENDERS.flatMap(([contender, head]) =>
      failed.includes(contender) ? [`${head} in \`${name}\``] : [],
    ),
  )
  return failures.length === 0 ? [] : [`Failed: ${failures.join(', ')}.`]
}

interface Told {
  readonly row: Row
  readonly report: ReportRow
}

/** How long a user waits first: the comparison of the README points to it. */
function start(told: readonly Told[]): string[] {
  const found = told.find(({ row }) => row.name === 'init() to first result')
  const { value = null, ray = null } = found?.report ?? {}
  if (found === undefined || value === null) return []
  const beside = ray === null ? '' : `, with Ray ${show(ray)} ${found.row.unit}`
  return [
    `A cluster starts and gives its first result in ${show(value)} ${found.row.unit}${beside}.`,
    '',
  ]
}

/** The floors are the design's (rows.ts). */
function floors(told: readonly Told[]): string[] {
  const missed = told.flatMap(({ row, report }) =>
    missedFloors(row, report).map(
      ({ reached, wanted }) => `\`${row.name}\` ${reached} of ${wanted}`,
    ),
  )
  if (missed.length === 0) return ['No row misses its floor.', '']
  return [`Below their floor: ${missed.join('; ')}.`, '']
}

function lineBehind({ row, report }: Told): string[] {
  const beside = CONTENDERS.flatMap(([contender, head]) => {
    const ratio = ratioTo(row, report, contender)
    if (ratio === null || ratio >= 1) return []
    return [`${head} ${show(report[contender] ?? null)} (${significant(ratio)} ×)`]
  })
  if (beside.length === 0) return []
  const spread = spreadOf(report)
  const deviation = spread === undefined ? '–' : `${spread} %`
  const cells = [row.name, show(report.value), deviation, row.unit, beside.join(', ')]
  return [`| ${cells.join(' | ')} |`]
}

/** Each once, with the rows that it is for. */
function notes(told: readonly Told[]): string[] {
  const noted = told.flatMap(({ row, report }) => {
    if (report.value === null) return []
    const own = row.heavy === true ? [FEW_ROUNDS, ...(row.notes ?? [])] : (row.notes ?? [])
    return own.map((note) => ({ name: row.name, note }))
  })
  const lines = [...Map.groupBy(noted, ({ note }) => note)].map(
    ([note, rows]) => `- ${rows.map(({ name }) => `\`${name}\``).join(', ')}: ${note}`,
  )
  return lines.length === 0 ? [] : ['', ...lines]
}
