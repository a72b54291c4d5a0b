// What runs under a limiter on several nodes ends with its owner, also where the raylet that is to
// end it stands still.
import { expect, test } from 'vitest'
import { get, limiter } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, driverOn, on, runAs } from './scene.ts'

const ONE = { name: 'one at a time', concurrency: 1 }
const LONG = aDoing('long', { sleepMs: 60_000, sizeBytes: 0 })
const NEXT = { ...LONG, key: 'next', sleepMs: 500 }
/** Others do not take who stands still so long for dead. */
const STILL_MS = 6_000
/** By then a worker whose owner has ended has ended itself. */
const LATER_MS = 2_000

/** Who stands still gives out no tokens. */
function notKeeper({ others }: Scene, butFor: SimMember): SimMember {
  const isKeeper = ({ node, nodeId }: SimMember): boolean =>
    node?.raylet.state.cluster?.limiters.keeper === nodeId
  const found = others.find((member) => member !== butFor && !isKeeper(member))
  if (found === undefined) throw new Error('each of them is the keeper')
  return found
}

test('D241 TB1 a driver ends as the raylet of its limited task stands still: the next runs alone', async () => {
  await playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const { cluster, home, others } = scene
      const { world, ledger } = cluster
      const [theirs] = others as [SimMember]
      const there = notKeeper(scene, theirs)
      const driver = driverOn(scene, theirs)
      const limit = limiter(ONE.name, { concurrency: ONE.concurrency })
      runAs(driver, () => {
        remote.limited.options({ limit, schedulingStrategy: on(there) }).remote(LONG, ONE)
      })
      await world.until(() => ledger.tasks.get(LONG.key)?.starts === 1)
      const untilMs = world.scheduler.nowMs + STILL_MS
      there.process.pause(STILL_MS)
      world.crash(driver.process)
      await remote.sleep(LATER_MS)
      const next = remote.limited.options({ limit, schedulingStrategy: on(home) }).remote(NEXT, ONE)
      expect(await get(next)).toBe(remote.combined(NEXT.key, []))
      next.free()
      expect(world.scheduler.nowMs).toBeLessThan(untilMs)
    },
  })
})
