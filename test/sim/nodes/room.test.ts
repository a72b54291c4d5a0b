// D243: a node that was full has room again, and what waits for that at another one goes there.
import { expect, test } from 'vitest'
import { get } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes } from './play.ts'
import { aDoing, driverOn, runAs } from './scene.ts'

const LONG_MS = 60_000
const SHORT_MS = 10_000
/** Of a round of gossip, which takes a second. */
const AT_ONCE_MS = 100

test('GO5 a task that no node had room for begins where one has some again, at once', async () => {
  const tookMs = await playNodes({
    plan: calmNodes(3),
    program: async (scene) => {
      const { cluster, home, others } = scene
      const { world } = cluster
      const [freed, busy] = others as [SimMember, SimMember]
      const runs = ({ node }: SimMember): boolean => (node?.raylet.state.leases.size ?? 0) > 0
      const fill = (key: string, sleepMs: number) =>
        remote.combine.remote(aDoing(key, { sleepMs, sizeBytes: 0 }))
      const own = fill('own', LONG_MS)
      await world.until(() => runs(home))
      const theirs = runAs(driverOn(scene, freed), () => fill('theirs', SHORT_MS))
      await world.until(() => runs(freed))
      const kept = runAs(driverOn(scene, busy), () => fill('kept', LONG_MS))
      await world.until(() => runs(busy))
      const waiting = remote.quick
        .options({ numCpus: 0.5 })
        .remote(aDoing('waiting', { sizeBytes: 0 }))
      await world.until(() => !runs(freed))
      const { scheduler } = world
      const freedMs = scheduler.nowMs
      await get(waiting)
      const took = scheduler.nowMs - freedMs
      await get(own)
      for (const ref of [own, waiting]) ref.free()
      runAs(driverOn(scene, freed), () => theirs.free())
      runAs(driverOn(scene, busy), () => kept.free())
      return took
    },
  })
  expect(tookMs).toBeLessThan(AT_ONCE_MS)
})
