// `npm run bench`: Virga beside Ray, piscina and the machine itself, row by row in turn in one run.
// The figures of one run can be compared with each other, and with nothing else: hence the ratios.
import { runScript } from './arguments.ts'
import { openColumns } from './columns.ts'
import { gate } from './gate.ts'
import { type BenchOptions, parseBenchOptions, USAGE } from './options.ts'
import { publish } from './publish.ts'
import { describeCommit, describeMachine, readReport, reportOf, reportRow } from './report.ts'
import { writeReport } from './report.ts'
import { isResumable, isWhole, keptRows } from './resume.ts'
import { measuredTogether } from './rows.ts'
import { runRows, type RowResult } from './run-row.ts'
import { tableHead, tableLine } from './table.ts'

async function bench(options: BenchOptions): Promise<void> {
  const { columns, leftOut, rayVersion } = await openColumns(options, progress)
  const machine = describeMachine(rayVersion)
  const commit = describeCommit()
  say(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, Node ${machine.node}`)
  if (rayVersion !== undefined) say(`Ray ${rayVersion}`)
  for (const reason of leftOut) say(`Left out: ${reason}`)
  const { seconds, nodes } = options
  const measured = { seconds, columns: columns.map(({ name }) => name), nodes }
  say(`\n${tableHead(measured)}`)

  const { jsonPath } = options
  const before = jsonPath === undefined ? undefined : readReport(jsonPath)
  const known = keptRows(jsonPath ?? '', before, { machine, commit, rows: options.rows })
  // After every row, so that a run which is cut short leaves files that agree.
  const save = (): void => {
    const report = reportOf(machine, commit, known)
    if (jsonPath !== undefined) writeReport(jsonPath, report)
    if (options.publish) publish(report)
  }
  const resumes = options.resume && isResumable(commit)
  const todo = options.rows.filter(({ name }) => !resumes || !isWhole(known.get(name), measured))
  const groups = measuredTogether(todo)
  const startedAtMs = performance.now()
  for (const [i, rows] of groups.entries()) {
    const minutes = ((performance.now() - startedAtMs) / 60_000).toFixed(1)
    progress(`${minutes} min, ${i + 1} of ${groups.length}: ${rows[0]?.name ?? ''}`)
    for (const result of await runRows(rows, columns, seconds)) {
      const row = { ...reportRow(result), measured }
      say(tableLine(result, row, measured))
      known.set(row.name, row)
      if (hasFailed(result)) process.exitCode = 1
    }
    save()
  }
  if (groups.length === 0) save()
}

const hasFailed = ({ errors }: RowResult): boolean => errors.has('virga') || errors.has('nodes')

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`)
}

await runScript(async () => {
  const options = parseBenchOptions(process.argv.slice(2))
  if (options === 'help') process.stdout.write(USAGE)
  else if (options.gate) process.exitCode = (await gate(options.seconds, say)) ? 0 : 1
  else await bench(options)
})
