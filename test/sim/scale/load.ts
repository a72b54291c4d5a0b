// Many tasks on many nodes: from the first submission until every CPU is busy, and on until all
// have ended.
import { seededRandom } from '../../support/seeded.ts'
import { ScaleDriver } from './driver.ts'
import { ScaleNode } from './node.ts'
import { Traffic } from './traffic.ts'
import { VirtualTime } from './virtual-time.ts'

export interface LoadPlan {
  readonly seed: number
  readonly nodes: number
  readonly cpus: number
  readonly drivers: number
  readonly tasks: number
  /** Task times are drawn evenly between half of this and one and a half. */
  readonly taskMs: number
  /** The run ends when all CPUs are busy; else when all tasks have ended. */
  readonly rampOnly?: boolean
}

export interface Load {
  readonly plan: LoadPlan
  /** Since the tasks were submitted, until so many of the CPUs ran a task; undefined: never. */
  readonly rampMs: Readonly<Record<'half' | 'most' | 'all', number | undefined>>
  readonly endMs: number
  readonly done: number
  /** The share of CPUs that run a task, by seconds since the submission. */
  readonly busy: readonly { readonly seconds: number; readonly share: number }[]
  readonly gossipBytesPerNodeSecond: number
  readonly gossipBytesPerNodeSecondMax: number
  readonly dialled: { readonly max: number; readonly mean: number }
  readonly messages: Readonly<Record<string, number>>
  readonly grants: number
}

const SETTLE_MS = 20_000
const SAMPLE_MS = 50
const LIMIT_MS = 3_600_000

export async function runLoad(plan: LoadPlan): Promise<Load> {
  const time = new VirtualTime()
  const random = seededRandom(plan.seed)
  const traffic = new Traffic(time)
  const byId = new Map<string, ScaleNode>()
  const find = (id: string): ScaleNode => {
    const node = byId.get(id)
    if (node === undefined) throw new Error(`there is no node ${id}`)
    return node
  }
  const nodes = Array.from(
    { length: plan.nodes },
    (_, index) => new ScaleNode(index, plan.cpus, { time, random, traffic, find }),
  )
  for (const node of nodes) byId.set(node.id, node)
  const rows = nodes.map(({ row }) => row)
  for (const node of nodes) node.start(rows)
  await time.runUntil(SETTLE_MS) // their first loads are told
  const startMs = time.monotonicMs()
  const gossipBefore = traffic.gossipBytes
  const drivers = Array.from({ length: plan.drivers }, (_, index) => {
    const home = nodes[Math.floor((index * plan.nodes) / plan.drivers)]
    if (home === undefined) throw new RangeError('there is no node for a driver')
    const tasks = Math.round(plan.tasks / plan.drivers)
    const durationMs = (): number => plan.taskMs * (0.5 + random.next())
    return new ScaleDriver(home, { tasks, durationMs }, { time, random })
  })
  for (const driver of drivers) driver.start()
  const cpusInAll = plan.nodes * plan.cpus
  const busy: { seconds: number; share: number }[] = []
  const reached = (share: number): number | undefined => {
    const found = busy.find((sample) => sample.share >= share)
    return found && Math.round(found.seconds * 1_000)
  }
  const sumOf = (field: 'running' | 'done' | 'granted'): number =>
    drivers.reduce((sum, driver) => sum + driver[field], 0)
  const isOver = (): boolean => {
    if (plan.rampOnly === true) return (busy.at(-1)?.share ?? 0) >= 1
    return sumOf('done') >= plan.tasks
  }
  while (!isOver() && time.monotonicMs() - startMs < LIMIT_MS) {
    await time.runUntil(time.monotonicMs() + SAMPLE_MS)
    const seconds = (time.monotonicMs() - startMs) / 1_000
    busy.push({ seconds, share: sumOf('running') / cpusInAll })
  }
  const endMs = time.monotonicMs() - startMs
  return {
    plan,
    rampMs: { half: reached(0.5), most: reached(0.99), all: reached(1) },
    endMs,
    done: sumOf('done'),
    busy,
    gossipBytesPerNodeSecond:
      (traffic.gossipBytes - gossipBefore) / plan.nodes / Math.max(1, endMs / 1_000),
    gossipBytesPerNodeSecondMax: traffic.gossipBytesMax,
    dialled: traffic.partners,
    messages: Object.fromEntries(traffic.messages),
    grants: sumOf('granted'),
  }
}
