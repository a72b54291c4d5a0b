// One run of one seed of a cluster of several nodes:
//   1. all nodes start; drivers have tasks run while faults strike
//   2. faults end; within HEAL_MS all know the same, every living node serves (I9)
//   3. where asked, programs end, and nothing is left but for what lives: rest.ts (I4, I5, I10)
import { registry } from '../../../runtime/core-worker/registry-system.ts'
import { Draw } from '../draw.ts'
import { SimulationFailure } from '../failure.ts'
import { NODES_PROBES, Probes } from '../probes.ts'
import { enclosed, resultOf, type RunResult } from '../run.ts'
import { World } from '../world.ts'
import { setStage } from '../workload.ts'
import { crashPoint } from '../faults.ts'
import { Cluster } from './cluster.ts'
import { injectNodesFaults } from './faults.ts'
import { checkCluster, notHealed, strangers } from './invariants.ts'
import { rest } from './rest.ts'
import { drawNodesPlan, withoutNodesFaults, type NodesPlan, type PartName } from './plan.ts'

export interface NodesRunOptions {
  /** Plants a bug; returns what undoes it. */
  readonly plant?: () => () => void
  readonly faultless?: boolean
  readonly keepsLines?: boolean
  /** What drivers do beside tasks. */
  readonly parts?: readonly PartName[]
  /** At the end programs end, and what is left then is judged. */
  readonly rests?: boolean
}

/** Virtual time after the last fault: a node that died last has its lease and its restart. */
const HEAL_MS = 75_000
/** Tasks must have ended well so shortly before the end. */
const GOOD_MS = 20_000
/** Longer than word of the end of a process is on its way. */
const WORD_MS = 3_000

export async function runNodesSeed(
  seed: number,
  options: NodesRunOptions = {},
): Promise<RunResult<NodesPlan>> {
  const draw = new Draw(`nodes ${String(seed)}`)
  const drawn = drawNodesPlan(draw.fork('plan'), options.parts)
  const plan = options.faultless === true ? withoutNodesFaults(drawn) : drawn
  const world = new World(draw, plan.node, new Probes(NODES_PROBES))
  if (options.keepsLines === true) world.scheduler.trace.lines = []
  const failure = await enclosed(world, options.plant, async () => {
    const cluster = await live(world, draw, plan)
    if (options.rests === true) await rest(cluster)
  })
  return resultOf(world, { seed, plan, failure })
}

/** From now on the workload is that cluster's, and it is judged after every event. */
export function setStageOf(cluster: Cluster, draw: Draw): void {
  const { world, ledger } = cluster
  const mayCrash = crashPoint(world, draw.fork('crash points'))
  setStage({ ledger, mayCrash, processOf: (pid) => world.processOf(pid) })
  registry().currentCoreWorker = undefined
  world.scheduler.afterEvent = (process) => {
    checkCluster(cluster, process)
    world.tellWaiters()
  }
}

async function live(world: World, draw: Draw, plan: NodesPlan): Promise<Cluster> {
  const { scheduler } = world
  const cluster = new Cluster(world, draw, plan)
  setStageOf(cluster, draw)
  cluster.startAll()
  injectNodesFaults(cluster, draw.fork('faults'))
  cluster.lastsUntil(plan.faultsEndMs)
  const untilHealed = (): number => cluster.troubleEndsMs + HEAL_MS
  let before = new Set<string>()
  for (let untilMs = 0; untilMs < untilHealed();) {
    untilMs = untilHealed()
    await scheduler.run({ untilMs: untilMs - WORD_MS, done: () => false })
    before = strangers(cluster)
    await scheduler.run({ untilMs, done: () => false })
  }
  const after = strangers(cluster)
  const found = notHealed(cluster, scheduler.nowMs - GOOD_MS)
  found.push(...[...before].filter((each) => after.has(each)))
  if (found.length > 0) throw new SimulationFailure(`I9: ${found.join('; ')}`, scheduler.nowMs)
  return cluster
}
