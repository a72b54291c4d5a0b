// What a driver owned of whose end other nodes did not hear, beside a detached actor of its job.
import { expect, test } from 'vitest'
import { getActor, type ObjectRef } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, countIn, driverOn, losePower, on, runAs } from './scene.ts'
import { RemoteKeeper, type KeeperClass } from './workload.ts'

const NAMED = { name: 'keeper', namespace: remote.SHARED_NAMESPACE }

interface Ending {
  readonly theirs: SimMember
  readonly crashDriver: () => void
}

/**
 * Ends the driver of the first of the others, which has had two objects made on the second; a
 * detached actor of it holds the one.
 * @returns how many are there once that is over, what the actor reads, and how many are left when
 * it holds none any more.
 */
const afterEndOf = (
  keeping: 'where they lie' | 'elsewhere',
  ends: (scene: Scene, ending: Ending) => Promise<void> | void,
): Promise<{ held: number; read: number[]; left: number }> =>
  playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const { world } = scene.cluster
      const [theirs, there, third] = scene.others as [SimMember, SimMember, SimMember]
      const driver = driverOn(scene, theirs)
      await runAs(driver, async () => {
        const makes = remote.combine.options({ schedulingStrategy: on(there), maxRetries: 0 })
        const refs: ObjectRef<remote.Value>[] = []
        for (const key of ['held', 'not held']) {
          refs.push(makes.remote(aDoing(key, { atMostOnce: true })))
        }
        await world.until(() => countIn(there) === 2)
        const place = { schedulingStrategy: on(keeping === 'elsewhere' ? third : there) }
        const keeper = RemoteKeeper.options({ ...place, ...NAMED, lifetime: 'detached' }).remote()
        await keeper.keep.run({ refs: refs.slice(0, 1) })
      })
      await remote.sleep(2_000)
      const crashDriver = (): void => {
        world.crash(driver.process)
      }
      await ends(scene, { theirs, crashDriver })
      await remote.sleep(100_000)
      const held = countIn(there)
      const { namespace } = NAMED
      const keeper = await getActor<KeeperClass>(NAMED.name, { namespace })
      const read = await keeper.read.run()
      await keeper.drop.run()
      await remote.sleep(20_000)
      return { held, read, left: countIn(there) }
    },
  })

const KEPT = { held: 1, read: [remote.combined('held', [])], left: 0 }

const cutOff = ({ cluster: { members, world } }: Scene, theirs: SimMember, forMs: number): void => {
  for (const { machine } of members) {
    if (machine !== theirs.machine) world.network.holdMachines(theirs.machine, machine, forMs)
  }
}

test.each(['where they lie', 'elsewhere'] as const)(
  'D232 it ends while its node is cut off: what its actor, %s, holds stays, and nothing else',
  async (keeping) => {
    const after = await afterEndOf(keeping, async (scene, { theirs, crashDriver }) => {
      cutOff(scene, theirs, 40_000)
      await remote.sleep(2_000)
      crashDriver()
      await remote.sleep(40_000)
    })
    expect(after).toEqual(KEPT)
  },
)

test.each(['where they lie', 'elsewhere'] as const)(
  'D232 its node dies: what its actor, %s, holds stays, and nothing else',
  async (keeping) => {
    const after = await afterEndOf(keeping, (scene, { theirs }) => {
      losePower(scene, theirs)
    })
    expect(after).toEqual(KEPT)
  },
)

test('D232 it lives, and its node was cut off: all that it owns stays', async () => {
  const held: number[] = []
  await afterEndOf('elsewhere', async (scene, { theirs, crashDriver }) => {
    const [, there] = scene.others as [SimMember, SimMember]
    cutOff(scene, theirs, 40_000)
    await remote.sleep(140_000)
    held.push(countIn(there))
    crashDriver()
  })
  expect(held).toEqual([2])
})
