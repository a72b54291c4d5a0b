// `npm run sim -- --scale`: simulates a thousand nodes with a million tasks, and
// writes what it answers to bench/results/scale.json, with a plot beside it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Load } from '../test/sim/scale/load.ts'
import {
  LARGE,
  PARTS,
  reportOf,
  type ScaleParts,
  type ScaleReport,
} from '../test/sim/scale/report.ts'
import { lineChart } from './bench/line-chart.ts'
import { describeCommit, describeMachine } from './bench/report.ts'

const FOLDER = join(import.meta.dirname, '../bench/results')
/** Points of a line in the plot and in the file. */
const POINTS_MAX = 200

export async function scale(print: (line: string) => void): Promise<void> {
  const parts: Record<string, unknown> = {}
  for (const [name, run] of Object.entries(PARTS)) {
    print(`simulates ${name}`)
    parts[name] = await run(LARGE)
  }
  const report = reportOf(LARGE, parts as unknown as ScaleParts)
  publish(report)
  for (const line of summary(report)) print(line)
}

function publish(report: ScaleReport): void {
  const { oneDriver, manyDrivers, eightNodes, ...rest } = report
  const said = {
    machine: describeMachine(undefined),
    commit: describeCommit(),
    ...rest,
    oneDriver: thinned(oneDriver),
    manyDrivers: thinned(manyDrivers),
    eightNodes: thinned(eightNodes),
  }
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(join(FOLDER, 'scale.json'), `${JSON.stringify(said, rounded, 2)}\n`)
  writeFileSync(join(FOLDER, 'scale.svg'), chart(report))
}

const thinned = ({ busy, ...load }: Load): Load => ({
  ...load,
  busy: busy.filter((_, i) => i % Math.ceil(busy.length / POINTS_MAX) === 0),
})

const rounded = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(4)) : value

function chart({ plan, oneDriver, manyDrivers }: ScaleReport): string {
  const line = (name: string, load: Load) => ({
    name,
    points: thinned(load).busy.map(({ seconds, share }) => ({ x: seconds, y: 100 * share })),
  })
  return lineChart({
    title: `${shown(plan.tasks)} tasks on ${shown(plan.nodes)} simulated nodes: CPUs that run one`,
    xUnit: 'seconds since the first was submitted',
    yUnit: '%',
    lines: [line('1 driver', oneDriver), line(`${String(plan.drivers)} drivers`, manyDrivers)],
    shadedToX: 0,
  })
}

function summary({ plan, members, ...report }: ScaleReport): string[] {
  const { placement, oneDriver, manyDrivers, eightNodes, facts, dollars } = report
  const slowest = Math.max(...placement.map(({ p99Microseconds }) => p99Microseconds))
  const seconds = (ms: number | undefined): string => ((ms ?? NaN) / 1_000).toFixed(2)
  const { steady, plan: of } = members
  const units = steady.writeUnits / steady.seconds / of.nodes
  const hottest = [members.joining, members.outage, members.dying, members.leaving, facts]
    .map((usage) => usage.hottest)
    .reduce((a, b) => (a.unitsPerSecond > b.unitsPerSecond ? a : b))
  return [
    `placing a task: p99 of the worst case ${slowest.toFixed(1)} µs`,
    `every CPU is busy after ${seconds(oneDriver.rampMs.all)} s with one driver, ` +
      `${seconds(manyDrivers.rampMs.all)} s with ${String(plan.drivers)}, ` +
      `${seconds(eightNodes.rampMs.all)} s on 8 nodes`,
    `gossip: ${manyDrivers.gossipBytesPerNodeSecond.toFixed(0)} bytes a node and second`,
    `GCS: ${units.toFixed(3)} write units a node and second; hottest key '${hottest.key}' with ` +
      `${hottest.unitsPerSecond.toFixed(0)} units in a second`,
    `${dollars.perHour.nodes.toFixed(0)} dollars an hour for nodes, ` +
      `${dollars.perHour.gcs.toFixed(2)} for the GCS; ${dollars.allTasks.toFixed(2)} for all tasks`,
  ]
}

const shown = (count: number): string => count.toLocaleString('en-US')
