// `npm run soak -- [--minutes N] [--out FOLDER]`: mixed load on a cluster of its own; resident
// memory of driver, raylet and workers must be flat after warm-up. Writes soak.svg and soak.json;
// ends with 1 when memory grew or a result was wrong.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runScript } from '../arguments.ts'
import { lineChart } from '../line-chart.ts'
import { describeCommit, describeMachine } from '../report.ts'
import { type Flatness, WARM_UP_SHARE } from './flatness.ts'
import { parseSoakOptions, type SoakOptions } from './options.ts'
import { FLAT, type Series, SHARED } from './series.ts'
import { type Soak, soak } from './soak.ts'

const say = (line: string): void => void process.stderr.write(`${line}\n`)

await runScript(async () => {
  const options = parseSoakOptions(process.argv.slice(2))
  const commit = describeCommit()
  const result = await resultOf(options)
  if (result === undefined) return
  write(result, commit, options)
  for (const name of FLAT) say(told(name, result.flatness[name]))
  const isLeaking = FLAT.some((name) => result.flatness[name].verdict === 'NOT FLAT')
  process.exitCode = isLeaking ? 1 : 0
})

async function resultOf({ minutes }: SoakOptions): Promise<Soak | undefined> {
  try {
    return await soak(minutes * 60, say)
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
    return undefined
  }
}

function write(result: Soak, commit: string, { minutes, out }: SoakOptions): void {
  const { rounds, flatness } = result
  const report = { machine: describeMachine(undefined), commit, minutes, rounds, flatness }
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'soak.svg'), chart(result, commit, minutes))
  writeFileSync(join(out, 'soak.json'), `${JSON.stringify(report, undefined, 2)}\n`)
}

function told(
  name: Series,
  { verdict, hours, grownMegabytes, allowedMegabytes, medianMegabytes }: Flatness,
): string {
  return (
    `${name.padEnd(13)} ${medianMegabytes.toFixed(0).padStart(4)} MB, grew by ` +
    `${grownMegabytes.toFixed(1)} MB (at most ${allowedMegabytes.toFixed(1)}) in ` +
    `${(hours * 60).toFixed(0)} minutes after warm-up, ` +
    `${(grownMegabytes / hours).toFixed(0)} MB per hour: ${verdict}`
  )
}

function chart({ memory }: Soak, commit: string, minutes: number): string {
  return lineChart({
    title: `Resident memory under mixed load, ${minutes} minutes, commit ${commit}`,
    xUnit: 'minutes',
    yUnit: 'MB',
    lines: ([...FLAT, SHARED] as const).map((name) => ({
      name,
      points: memory[name].map(({ seconds, megabytes }) => ({ x: seconds / 60, y: megabytes })),
    })),
    shadedToX: minutes * WARM_UP_SHARE,
  })
}
