// The section of the README that tells the results: the chart, the machine, the command, every row
// that misses its floor or is behind what it is measured beside, what must be known to read a row
// right, and every row that was not measured, so that none is left out in silence.
import type { Report, ReportRow } from './report.ts'
import { ROWS, type Row } from './rows.ts'
import { CONTENDERS, missedFloors, ratioTo, show, significant } from './table.ts'

const BEGIN = '<!-- bench: written by npm run bench -- --publish -->'
const END = '<!-- bench: end -->'

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
    `![How many times faster than Ray, row by row](${paths.chart})`,
    '',
    `\`npm run bench -- --publish\` at commit ${commit}, ${ray}, on ${machine.cores} cores of ` +
      `${machine.cpu} with ${machine.memoryGb} GB, Linux ${machine.kernel}, ` +
      `Node ${machine.node}. The figures: [${paths.figures}](${paths.figures}).`,
    '',
    [howManyMeasured(unmeasured), ...whatFailed(rows)].join(' '),
    '',
    ...floors(told),
    ...(behind.length === 0
      ? ['In none of them is Virga behind what it is measured beside.']
      : [
          'Where Virga is slower or bigger; `echo` is a message there and one back over a bare ' +
            'socket, `echo poll` the same without ever sleeping, `memcpy` a bare copy, `bare ' +
            'lists` two threads that only copy lists:',
          '',
          '| row | Virga | unit | beside, and how much of it Virga has |',
          '|---|---|---|---|',
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
  return [`| ${[row.name, show(report.value), row.unit, beside.join(', ')].join(' | ')} |`]
}

/** Each once, with the rows that it is for. */
function notes(told: readonly Told[]): string[] {
  const noted = told.filter(({ row, report }) => row.note !== undefined && report.value !== null)
  const lines = [...Map.groupBy(noted, ({ row }) => row.note)].map(
    ([note, rows]) => `- ${rows.map(({ row }) => `\`${row.name}\``).join(', ')}: ${note}`,
  )
  return lines.length === 0 ? [] : ['', ...lines]
}
