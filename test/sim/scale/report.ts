// What the simulation of a large cluster answers: one run of each part, put together.
import { PRICES, usdPerHour } from './costs.ts'
import { runFacts, type Facts } from './facts.ts'
import { runLoad, type Load, type LoadPlan } from './load.ts'
import { runMembers, type Members, type MembersPlan } from './members.ts'
import { placementCosts, type PlacementCost } from './placement.ts'

export interface ScalePlan {
  readonly seed: number
  readonly nodes: number
  readonly cpus: number
  readonly tasks: number
  /** The ramp is that of one driver, and of so many. */
  readonly drivers: number
  readonly taskMs: number
  readonly members: MembersPlan
}

export interface ScaleParts {
  readonly placement: readonly PlacementCost[]
  /** 10,000 tasks over 8 nodes. */
  readonly eightNodes: Load
  readonly facts: Facts
  /** Until every CPU is busy. */
  readonly oneDriver: Load
  readonly manyDrivers: Load
  readonly members: Members
}

export interface ScaleReport extends ScaleParts {
  readonly plan: ScalePlan
  readonly dollars: {
    readonly prices: typeof PRICES
    readonly perHour: ReturnType<typeof usdPerHour>
    /** Of all tasks together, on nodes that are busy with them, with the GCS and S3. */
    readonly allTasks: number
  }
}

export const LARGE: ScalePlan = {
  ...{ seed: 1, nodes: 1_000, cpus: 64, tasks: 1_000_000, drivers: 20, taskMs: 10_000 },
  members: {
    ...{ seed: 1, nodes: 1_000, joinMs: 10_000, steadyMs: 20_000, outageMs: 30_000 },
    ...{ deaths: 50, leaveMs: 20_000 },
  },
}

/** One after the other, or each in a process of its own: they share nothing. */
export const PARTS: {
  readonly [K in keyof ScaleParts]: (plan: ScalePlan) => ScaleParts[K] | Promise<ScaleParts[K]>
} = {
  placement: ({ seed, nodes, cpus, tasks }) =>
    placementCosts({ seed, nodes, cpus, tasks: Math.min(tasks, 20_000) }),
  eightNodes: ({ seed, cpus }) =>
    runLoad({
      ...{ seed, nodes: 8, cpus, drivers: 1, tasks: 10_000, taskMs: 5_000, rampOnly: true },
    }),
  facts: ({ seed, drivers, tasks }) => runFacts({ seed, drivers, tasks, specBytes: 100 }),
  // So long that none ends before the last has begun.
  oneDriver: (plan) => runLoad({ ...loadOf(plan), drivers: 1, taskMs: 300_000 }),
  manyDrivers: (plan) => runLoad(loadOf(plan)),
  members: ({ members }) => runMembers(members),
}

const loadOf = ({ seed, nodes, cpus, tasks, drivers, taskMs }: ScalePlan): LoadPlan => ({
  ...{ seed, nodes, cpus, tasks, drivers, taskMs, rampOnly: true },
})

export function reportOf(plan: ScalePlan, parts: ScaleParts): ScaleReport {
  const { members, facts } = parts
  const { nodes, cpus, tasks, taskMs } = plan
  const { steady } = members
  const nodeSeconds = members.plan.nodes * steady.seconds
  const perHour = usdPerHour({
    nodes,
    writeUnitsPerSecond: (nodes * steady.writeUnits) / nodeSeconds,
    readUnitsPerSecond: (nodes * steady.readUnits) / nodeSeconds,
    s3PutsPerSecond: 0,
  })
  const factsPerHour = usdPerHour({
    nodes: 0,
    writeUnitsPerSecond: facts.writeUnits,
    readUnitsPerSecond: facts.readUnits,
    s3PutsPerSecond: facts.s3Puts,
  })
  const busySeconds = (tasks * taskMs) / 1_000 / (nodes * cpus)
  const allTasks =
    ((perHour.nodes + perHour.gcs) * busySeconds + factsPerHour.gcs + factsPerHour.s3) / 3_600
  return { plan, ...parts, dollars: { prices: PRICES, perHour, allTasks } }
}
