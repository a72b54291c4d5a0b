// What scenarios of several nodes say of a node.
import { nodeAffinity } from '../../../sdk/index.ts'
import type { SimWorker } from '../launcher.ts'
import { machineOf } from '../process.ts'
import type { SimMember } from './member.ts'
import type { Scene } from './play.ts'

export const on = ({ nodeId }: SimMember, soft = false): ReturnType<typeof nodeAffinity> =>
  nodeAffinity(nodeId, { soft })

/** What lies in its store. */
export const countIn = ({ node }: SimMember): number => node?.store?.list().length ?? 0

export function losePower({ cluster: { world } }: Scene, member: SimMember): void {
  for (const process of world.processes()) {
    if (machineOf(process) === member.machine) world.crash(process)
  }
}

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
