// The end of a run of several nodes, once all is well again:
//   1. programs end, and what is detached is ended; at rest nothing is held (I4, I5)
//   2. drivers leave, and nothing of their jobs is left (I5, I10)
import { fromHex, type ActorId } from '../../../runtime/common/ids.ts'
import { SimulationFailure } from '../failure.ts'
import { driversLeave, pass } from '../run.ts'
import type { SimDriver } from '../world.ts'
import type { Cluster } from './cluster.ts'
import { actorsOf, groupsOf, leftAtRest, leftOfJobs } from './left.ts'

/** Longer than any round of a program. */
const ENDS_MS = 180_000
/** Then nothing is held any more (I4): longer than a worker keeps what it has lent. */
const REST_MS = 60_000
/** Who sweeps what dead nodes left in the bucket looks so often. */
const SWEPT_MS = 75_000

export async function rest(cluster: Cluster): Promise<void> {
  const { world } = cluster
  await programsEnd(cluster)
  await endDetached(cluster)
  await pass(world, REST_MS)
  fail(cluster, 'I5: left at rest', leftAtRest(cluster))
  driversLeave(world)
  await pass(world, SWEPT_MS)
  fail(cluster, 'I10: left at the end', await leftOfJobs(cluster))
}

function fail({ world }: Cluster, what: string, left: readonly string[]): void {
  if (left.length === 0) return
  throw new SimulationFailure(`${what}: ${left.join('; ')}`, world.scheduler.nowMs)
}

async function programsEnd(cluster: Cluster): Promise<void> {
  const { scheduler } = cluster.world
  cluster.isEnding = true
  const atWork = (): string[] =>
    [...cluster.atWork].flatMap(({ alive, name }) => (alive ? [name] : []))
  const untilMs = scheduler.nowMs + ENDS_MS
  await scheduler.run({ untilMs, done: () => atWork().length === 0 })
  fail(cluster, 'I9: programs do not end', atWork())
}

/** By a driver, as whoever has a handle of it would. */
async function endDetached(cluster: Cluster): Promise<void> {
  const { world } = cluster
  const actors = (await actorsOf(cluster)).filter(({ detached }) => detached)
  const groups = (await groupsOf(cluster)).filter(({ detached }) => detached)
  const driver = world.drivers.find(({ process }) => process.alive)
  if (driver === undefined) return
  const ended = (async () => {
    for (const { actorId, nodeId } of actors) await kill(driver, actorId, nodeId)
    for (const { groupId } of groups) {
      await driver.core.deps.raylet.request('removeGroup', { groupId })
    }
  })()
  let isDone = false
  world.scheduler.at(world.scheduler.nowMs, driver.process, 'ends what is detached', () => {
    ended.then(
      () => {
        isDone = true
      },
      (error: unknown) => {
        world.scheduler.fail('what is detached cannot be ended', error)
      },
    )
  })
  await world.scheduler.run({ untilMs: world.scheduler.nowMs + ENDS_MS, done: () => isDone })
}

async function kill({ core }: SimDriver, actorId: string, homeId: string): Promise<void> {
  const id = fromHex(actorId) as ActorId
  await core.deps.raylet.request('killActor', { actorId: id, noRestart: true, homeId })
}
