// A scenario over several nodes: the driver of the first one has a program of its own, in a cluster
// to which nothing happens but what the program does to it. It is judged after every event, as all
// runs are.
import { Draw } from '../draw.ts'
import { SimulationFailure } from '../failure.ts'
import { NODES_PROBES, Probes } from '../probes.ts'
import { enclosed } from '../run.ts'
import { World } from '../world.ts'
import { Cluster, type ProgramOf } from './cluster.ts'
import { setStageOf } from './run.ts'
import type { SimMember } from './member.ts'
import { drawNodesPlan, withoutNodesFaults, type NodesPlan } from './plan.ts'

export interface Scene {
  readonly cluster: Cluster
  /** Whose driver runs the program. */
  readonly home: SimMember
  /** Of the others, in the order of their machines. */
  readonly others: readonly SimMember[]
}

export interface NodesScenario<T> {
  /** What is random in it comes of that. Default: always the same. */
  readonly seed?: string
  readonly plan: NodesPlan
  program(scene: Scene): Promise<T>
}

/** Virtual time in which a scenario must end. */
const LIMIT_MS = 300_000

/** Good links, one CPU each, and nothing that strikes. */
export function calmNodes(nodeCount: number): NodesPlan {
  const plan = withoutNodesFaults(drawNodesPlan(new Draw('scenarios')))
  const link = { ...plan.node.link, latencyMs: 1, jitterMs: 0.1 }
  const storage = { latencyMs: 5, failChance: 0 }
  return {
    ...plan,
    nodeCount,
    bucket: undefined,
    faultsEndMs: 0,
    node: { ...plan.node, cpus: 1, link, storage },
  }
}

/** @returns what the program gave. @throws SimulationFailure when a promise was broken */
export async function playNodes<T>(scenario: NodesScenario<T>): Promise<T> {
  const { seed = 'scenario', plan } = scenario
  const draw = new Draw(seed)
  const world = new World(draw, plan.node, new Probes(NODES_PROBES))
  let given: { readonly value: T } | undefined
  const programOf: ProgramOf = ({ cluster, member }) => ({
    run: async () => {
      if (member !== cluster.members[0]) return
      await world.until(() => areAcquainted(cluster))
      try {
        const others = cluster.members.slice(1)
        given = { value: await scenario.program({ cluster, home: member, others }) }
      } catch (error) {
        world.scheduler.fail('the scenario failed', error)
      }
    },
  })
  const failure = await enclosed(world, undefined, async () => {
    const cluster = new Cluster(world, draw, plan, programOf)
    setStageOf(cluster, draw)
    world.scheduler.at(0, undefined, 'all start', () => {
      cluster.startAll()
    })
    const done = (): boolean => given !== undefined
    const ended = await world.scheduler.run({ untilMs: LIMIT_MS, done })
    if (ended !== 'done') throw new SimulationFailure('I9: it never ends', world.scheduler.nowMs)
  })
  if (failure !== undefined) throw failure
  if (given === undefined) throw new Error('the scenario gave nothing')
  return given.value
}

/** All have started, and would lease at all others. */
function areAcquainted({ plan, members }: Cluster): boolean {
  const sees = ({ node, nodeId: own }: SimMember): number => {
    const nodes = node?.raylet.state.cluster?.view.nodes() ?? []
    return [...nodes].filter(({ nodeId }) => nodeId !== own).length
  }
  return members.every((member) => member.started && sees(member) === plan.nodeCount - 1)
}
