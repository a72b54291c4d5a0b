// What CI asks of speed: in no row may Virga fall under half of its published ratio to what the
// machine itself does in the same seconds. A busy machine slows both down; a row that fails is
// measured again before it is believed, and its best measurement counts. Rows of one call at a time
// are not asked: on a busy machine they tell of its scheduler, and fell there to a ninth. Those of
// several processes are warmed for long and rose there instead, as the echo suffers more: n:n 0.99,
// 1.98 and 5.79 times it at a load of 25, several drivers 2.37, 3.26 and 4.03.
import { openColumns } from './columns.ts'
import { PUBLISHED } from './options.ts'
import { readReport, type Report, reportRow } from './report.ts'
import { ROWS, type Row } from './rows.ts'
import { runRows } from './run-row.ts'
import { type Contender, ratioTo, significant } from './table.ts'

const SHARE_OF_PUBLISHED = 0.5
const TRIES = 3
const GATED: readonly (readonly [row: string, against: Contender])[] = [
  ['single client tasks async', 'echo'],
  ['1:1 actor calls async', 'echo'],
  ['1:n actor calls async', 'echo'],
  ['multi client tasks async', 'echo'],
  ['n:n actor calls async', 'echo'],
  ['1:1 async-actor calls async', 'echo'],
  ['single client put gigabytes', 'memcpy'],
]

/** @returns whether every row holds. */
export async function gate(seconds: number, say: (line: string) => void): Promise<boolean> {
  const published = readReport(PUBLISHED)
  let held = true
  for (const [name, against] of GATED) {
    const row = ROWS.find((each) => each.name === name)
    if (row === undefined) throw new Error(`the bench has no row '${name}'`)
    const least = SHARE_OF_PUBLISHED * publishedRatio(published, row, against)
    const best = await bestOf(row, against, least, seconds)
    const kept = best >= least
    held &&= kept
    const verdict = kept ? 'ok' : `TOO SLOW ${TRIES} times`
    say(`${name}: ${significant(best)} × ${against}, at least ${significant(least)}: ${verdict}`)
  }
  return held
}

/** Measures until the ratio is enough, at most TRIES times. */
async function bestOf(
  row: Row,
  against: Contender,
  least: number,
  seconds: number,
): Promise<number> {
  const { columns } = await openColumns({ wanted: new Set([against]), nodes: 1 }, () => undefined)
  let best = 0
  for (let attempt = 0; attempt < TRIES && best < least; attempt += 1) {
    const [result] = await runRows([row], columns, seconds)
    if (result === undefined) break
    const failure = result.errors.get('virga') ?? result.errors.get(against)
    if (failure !== undefined) throw new Error(`${row.name}: ${failure}`)
    best = Math.max(best, ratioTo(row, reportRow(result), against) ?? 0)
  }
  return best
}

/** @throws Error when no such ratio was published. */
function publishedRatio(report: Report | undefined, row: Row, against: Contender): number {
  const found = report?.rows.find(({ name }) => name === row.name)
  const ratio = found === undefined ? null : ratioTo(row, found, against)
  if (ratio !== null) return ratio
  throw new Error(
    `${PUBLISHED} has no '${row.name}' beside ${against}: npm run bench -- --publish writes it.`,
  )
}
