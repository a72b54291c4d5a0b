// `npm run bench`: Virga beside Ray, piscina and the machine itself, row by row in turn in one run.
// The figures of one run can be compared with each other, and with nothing else: hence the ratios.
import { openColumns } from './columns.ts'
import { gate } from './gate.ts'
import { type BenchOptions, parseBenchOptions, USAGE } from './options.ts'
import { publish } from './publish.ts'
import { describeCommit, describeMachine, type Machine, readReport } from './report.ts'
import { type Report, type ReportRow, reportRow, writeReport } from './report.ts'
import { measuredTogether } from './rows.ts'
import { runRows } from './run-row.ts'
import { tableHead, tableLine } from './table.ts'

async function bench(options: BenchOptions): Promise<void> {
  const { columns, leftOut, rayVersion } = await openColumns(options.wanted, progress)
  const machine = describeMachine(rayVersion)
  const commit = describeCommit()
  say(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, Node ${machine.node}`)
  if (rayVersion !== undefined) say(`Ray ${rayVersion}`)
  for (const reason of leftOut) say(`Left out: ${reason}`)
  say(`\n${tableHead()}`)

  const known = knownRows(options, machine, commit)
  const todo = options.rows.filter(({ name }) => !options.resume || !known.has(name))
  const groups = measuredTogether(todo)
  const startedAtMs = performance.now()
  for (const [i, rows] of groups.entries()) {
    const minutes = ((performance.now() - startedAtMs) / 60_000).toFixed(1)
    progress(`${minutes} min, ${i + 1} of ${groups.length}: ${rows[0]?.name ?? ''}`)
    for (const result of await runRows(rows, columns, options.seconds)) {
      const row = reportRow(result)
      say(tableLine(result.row, row, result.errors))
      known.set(row.name, row)
      if (result.errors.has('virga')) process.exitCode = 1
    }
    if (options.jsonPath === undefined) continue
    writeReport(options.jsonPath, { machine, commit, rows: [...known.values()] })
  }
  if (options.publish) publish({ machine, commit, rows: [...known.values()] })
}

/** What the JSON file has already. Rows of another machine or commit cannot stand beside new ones. */
function knownRows(
  { jsonPath, rows }: BenchOptions,
  machine: Machine,
  commit: string,
): Map<string, ReportRow> {
  const report: Report | undefined = jsonPath === undefined ? undefined : readReport(jsonPath)
  if (report === undefined) return new Map()
  if (report.commit === commit && JSON.stringify(report.machine) === JSON.stringify(machine)) {
    return new Map(report.rows.map((row) => [row.name, row]))
  }
  const others = report.rows.filter(({ name }) => !rows.some((row) => row.name === name))
  if (others.length === 0) return new Map()
  throw new Error(
    `${jsonPath ?? ''} has rows of commit ${report.commit} on ${report.machine.cpu} that would be ` +
      'lost: measure all rows, or give another file with --json.',
  )
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`)
}

try {
  const options = parseBenchOptions(process.argv.slice(2))
  if (options === 'help') process.stdout.write(USAGE)
  else if (options.gate) process.exitCode = (await gate(options.seconds, say)) ? 0 : 1
  else await bench(options)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
