// What scenarios of several nodes say of a node.
import { get, nodeAffinity, type ObjectRef } from '../../../sdk/index.ts'
import { Draw } from '../draw.ts'
import type { SimWorker } from '../launcher.ts'
import { machineOf, type SimProcess } from '../process.ts'
import { digestOf, type Doing, type Value } from '../workload.ts'
import type { SimDriver, World } from '../world.ts'
import type { SimMember } from './member.ts'
import type { Scene } from './play.ts'
import { lendAll, RemoteKeeper, type Lent } from './workload.ts'

/** Above what travels in messages. */
export const LARGE_BYTES = 200_000

/** Something large that is made at once. */
export const aDoing = (key: string, of: Partial<Doing> = {}): Doing => ({
  ...{ key, sleepMs: 0, spinMs: 0, sizeBytes: LARGE_BYTES, atMostOnce: false },
  ...of,
})

export const on = ({ nodeId }: SimMember, soft = false): ReturnType<typeof nodeAffinity> =>
  nodeAffinity(nodeId, { soft })

export const keeperOn = (member: SimMember): ReturnType<typeof RemoteKeeper.remote> =>
  RemoteKeeper.options({ schedulingStrategy: on(member) }).remote()

/** What a task on that node has lent, and the ref of its result. */
export async function lentOn(
  member: SimMember,
  what: Doing,
  forMs: number,
): Promise<Lent & { readonly lending: ObjectRef<Lent> }> {
  const lending = lendAll.options({ schedulingStrategy: on(member) }).remote(what, forMs)
  return { ...(await get(lending)), lending }
}

export const digestsOf = async (refs: readonly ObjectRef<Value>[]): Promise<number[]> =>
  (await get([...refs])).map(digestOf)

export const freeAll = (refs: readonly ObjectRef<unknown>[]): void => {
  for (const ref of refs) ref.free()
}

/** What lies in its store. */
export const countIn = ({ node }: SimMember): number => node?.store?.list().length ?? 0

/** Its raylet, its driver and its workers, as far as they run. */
export const processesOn = (world: World, { machine }: SimMember): SimProcess[] =>
  world.processes().filter((process) => machineOf(process) === machine)

export function losePower({ cluster: { world } }: Scene, member: SimMember): void {
  for (const process of processesOn(world, member)) world.crash(process)
}

/** It is asked to leave. @returns once it is gone, how long that took, in ms. */
export async function leave({ cluster }: Scene, member: SimMember): Promise<number> {
  const { world } = cluster
  const beganMs = world.scheduler.nowMs
  cluster.drain(member, new Draw('drain'))
  await world.until(() => !member.process.alive)
  return world.scheduler.nowMs - beganMs
}

export function driverOn({ cluster }: Scene, { machine }: SimMember): SimDriver {
  const found = cluster.world.drivers.find(({ process }) => machineOf(process) === machine)
  if (found === undefined) throw new Error(`there is no driver on ${machine}`)
  return found
}

/** What a program of that driver does. */
export const runAs = <T>({ core }: SimDriver, run: () => T): T =>
  core.deps.context.run(core.rootScope, run)

/** The other machine on which a task runs. */
export function whereElse({ cluster, home }: Scene): string {
  const isBusy = ({ core }: SimWorker): boolean => (core?.execution?.executor.runningCount ?? 0) > 0
  const machines = cluster.world
    .workers()
    .filter(isBusy)
    .map(({ process }) => machineOf(process))
  const found = machines.find((machine) => machine !== home.machine)
  if (found === undefined) throw new Error('no task runs elsewhere')
  return found
}
