// `npm run bench`: Virga beside Ray, piscina and the machine itself, row by row in turn in one run.
// The figures of one run can be compared with each other, and with nothing else: hence the ratios.
import { writeFileSync } from 'node:fs'
import { openColumns } from './columns.ts'
import { type BenchOptions, parseBenchOptions, USAGE } from './options.ts'
import { describeCommit, describeMachine, type Report, reportRow } from './report.ts'
import { runRow } from './run-row.ts'
import { tableHead, tableLine } from './table.ts'

async function bench({ rows, wanted, seconds, jsonPath }: BenchOptions): Promise<void> {
  const { columns, leftOut, rayVersion } = await openColumns(wanted, say)
  const machine = describeMachine(rayVersion)
  say(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, Node ${machine.node}`)
  if (rayVersion !== undefined) say(`Ray ${rayVersion}`)
  for (const reason of leftOut) say(`Left out: ${reason}`)
  say(`\n${tableHead()}`)

  const results: Report['rows'][number][] = []
  for (const row of rows) {
    const result = reportRow(await runRow(row, columns, seconds))
    say(tableLine(result))
    results.push(result)
  }
  if (results.some((row) => row.errors.virga !== undefined)) process.exitCode = 1
  if (jsonPath === undefined) return
  const report: Report = { machine, commit: describeCommit(), seconds, leftOut, rows: results }
  writeFileSync(jsonPath, `${JSON.stringify(report, undefined, 2)}\n`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

try {
  const options = parseBenchOptions(process.argv.slice(2))
  if (options === 'help') process.stdout.write(USAGE)
  else await bench(options)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
