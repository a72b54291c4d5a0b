// `npm run soak -- [--minutes N] [--out FOLDER]`: mixed load on a cluster of its own; resident
// memory of driver, raylet and workers must be flat after warm-up. Writes soak.svg and soak.json;
// ends with 1 when memory grew or a result was wrong.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { lineChart } from '../line-chart.ts'
import { describeCommit, describeMachine } from '../report.ts'
import { WARM_UP_SHARE } from './flatness.ts'
import { FLAT, SHARED, type Soak, soak } from './soak.ts'

const MINUTES_DEFAULT = '30'
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: MINUTES_DEFAULT },
    out: { type: 'string', default: join(import.meta.dirname, '../../../bench/results') },
  },
})
const minutes = Number(values.minutes)
if (!(minutes > 0)) {
  say(`--minutes takes a number above 0, not '${values.minutes}'.`)
  process.exit(2)
}
const commit = describeCommit()
const result = await soak(minutes * 60, say)
mkdirSync(values.out, { recursive: true })
writeFileSync(join(values.out, 'soak.svg'), chart(result))
const report = {
  machine: describeMachine(undefined),
  commit,
  minutes,
  rounds: result.rounds,
  flatness: result.flatness,
}
writeFileSync(join(values.out, 'soak.json'), `${JSON.stringify(report, undefined, 2)}\n`)
for (const name of FLAT) {
  const { flat, hours, grownMegabytes, allowedMegabytes, medianMegabytes } = result.flatness[name]
  say(
    `${name.padEnd(13)} ${medianMegabytes.toFixed(0).padStart(4)} MB, grew by ` +
      `${grownMegabytes.toFixed(1)} MB (at most ${allowedMegabytes.toFixed(1)}) in ` +
      `${(hours * 60).toFixed(0)} minutes after warm-up, ` +
      `${(grownMegabytes / hours).toFixed(0)} MB per hour: ` +
      (flat ? 'flat' : 'NOT FLAT'),
  )
}
process.exitCode = FLAT.every((name) => result.flatness[name].flat) ? 0 : 1

function chart({ memory }: Soak): string {
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
