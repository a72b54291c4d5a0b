// What scenarios of several nodes say of a node.
import { nodeAffinity } from '../../../sdk/index.ts'
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
