// What the simulation of a large cluster answers: one run of each part, put together.
import { PRICES, usdPerHour } from './costs.ts'
import { runFacts, type Facts } from './facts.ts'
import { runLoad, type Load } from './load.ts'
import { runMembers, type Members } from './members.ts'
import { placementCosts, type PlacementCost } from './placement.ts'

export interface ScalePlan {
  readonly seed: number
  readonly nodes: number
  readonly cpus: number
  readonly tasks: number
  /** The runs begin with one driver, and with so many. */
  readonly drivers: number
  readonly taskMs: number
  readonly joinMs: number
  readonly steadyMs: number
  readonly deaths: number
}

export interface ScaleReport {
  readonly plan: ScalePlan
  readonly placement: readonly PlacementCost[]
  /** Until every CPU is busy. */
  readonly oneDriver: Load
  /** Until all tasks have ended. */
  readonly manyDrivers: Load
  /** 10,000 tasks over 8 nodes. */
  readonly eightNodes: Load
  readonly members: Members
  readonly facts: Facts
  readonly dollars: {
    readonly prices: typeof PRICES
    readonly perHour: ReturnType<typeof usdPerHour>
    /** Of all tasks together, with the GCS and S3. */
    readonly perRun: number
  }
}

export const LARGE: ScalePlan = {
  ...{ seed: 1, nodes: 1_000, cpus: 64, tasks: 1_000_000, drivers: 20, taskMs: 10_000 },
  ...{ joinMs: 60_000, steadyMs: 60_000, deaths: 50 },
}

export async function runScale(plan: ScalePlan, say: (what: string) => void): Promise<ScaleReport> {
  const { seed, nodes, cpus, tasks, drivers, taskMs } = plan
  say(`placing tasks on ${String(nodes)} nodes`)
  const placement = placementCosts({ seed, nodes, cpus, tasks: Math.min(tasks, 40_000) })
  say('10,000 tasks over 8 nodes')
  const load = { seed, nodes, cpus, tasks }
  const eightNodes = await runLoad({
    ...{ seed, nodes: 8, cpus, drivers: 1, tasks: 10_000, taskMs: 5_000, rampOnly: true },
  })
  say(`lineage and demand of ${String(tasks)} tasks`)
  const facts = await runFacts({ seed, drivers, tasks, specBytes: 100 })
  say(`${String(tasks)} tasks of one driver, until every CPU is busy`)
  // So long that none ends before the last has begun.
  const oneDriver = await runLoad({ ...load, drivers: 1, taskMs: 300_000, rampOnly: true })
  say(`${String(tasks)} tasks of ${String(drivers)} drivers, until all have ended`)
  const manyDrivers = await runLoad({ ...load, drivers, taskMs })
  say(`membership of ${String(nodes)} nodes`)
  const members = await runMembers(plan)
  const seconds = manyDrivers.endMs / 1_000
  const perHour = usdPerHour({
    nodes,
    writeUnitsPerSecond: members.steady.writeUnits / members.steady.seconds,
    readUnitsPerSecond: members.steady.readUnits / members.steady.seconds,
    s3PutsPerSecond: 0,
  })
  const facted = usdPerHour({
    nodes: 0,
    writeUnitsPerSecond: facts.writeUnits,
    readUnitsPerSecond: facts.readUnits,
    s3PutsPerSecond: facts.s3Puts,
  })
  const perRun = ((perHour.nodes + perHour.gcs) * seconds + facted.gcs + facted.s3) / 3_600
  const dollars = { prices: PRICES, perHour, perRun }
  return { plan, placement, oneDriver, manyDrivers, eightNodes, members, facts, dollars }
}
