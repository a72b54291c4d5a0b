// A node that gets a twentieth of its time until then: all of its processes stand still over and
// over, and go on for a moment in between, as under a quota of the CPU (faults.md F11).
import type { Cluster } from './cluster.ts'
import type { SimMember } from './member.ts'
import { processesOn } from './scene.ts'

export const SLICE_MS = 500
const STILL_SHARE = 0.95

export function slowDown(
  cluster: Pick<Cluster, 'world'>,
  member: SimMember,
  untilMs: number,
): void {
  const { world } = cluster
  const { nowMs } = world.scheduler
  if (nowMs >= untilMs || !member.process.alive) return
  for (const process of processesOn(world, member)) process.pause(STILL_SHARE * SLICE_MS)
  world.scheduler.at(nowMs + SLICE_MS, undefined, `${member.machine} is slow`, () => {
    slowDown(cluster, member, untilMs)
  })
}
