// Copies that other nodes have of what a process owned that has ended: they go when nobody can need
// them, also in a job that goes on, and not before.
import { expect, test } from 'vitest'
import { get, getActor, kill } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes } from './play.ts'
import { aDoing, countIn, digestsOf, driverOn, freeAll, keeperOn, on, runAs } from './scene.ts'
import { RemoteKeeper, unwrap, type KeeperClass } from './workload.ts'

const PUT = aDoing('put', { atMostOnce: true })
const READ = { ...PUT, key: 'read', sizeBytes: 10 }
const DIGEST = remote.digestOfPart(PUT, 0)
/** Two looks, and as much again. */
const TWO_LOOKS_MS = 60_000

/** How many copies the second node has of what an actor on the first has put, once that is killed. */
test.each([
  ['D237 a copy goes that nobody refers to', false, [1, 0, 0]],
  [
    'D237 a copy stays that the driver holds a ref of, is read, and goes with that',
    true,
    [1, 1, 0],
  ],
] as const)('%s', async (_, isHeld, counted) => {
  const counts = await playNodes({
    plan: calmNodes(4),
    program: async ({ others }) => {
      const [first, second] = others as [SimMember, SimMember]
      const counts: number[] = []
      const owner = keeperOn(first)
      const owning = owner.own.remote(PUT)
      const { refs } = await get(owning)
      const reads = remote.combine.options({ schedulingStrategy: on(second) })
      const reading = reads.remote(READ, ...refs)
      await get(reading)
      freeAll(isHeld ? [owning, reading] : [owning, reading, ...refs])
      await remote.sleep(2_000)
      await kill(owner)
      counts.push(countIn(second))
      await remote.sleep(TWO_LOOKS_MS)
      counts.push(countIn(second))
      if (isHeld) {
        expect(await digestsOf(refs)).toEqual([DIGEST])
        freeAll(refs)
      }
      await remote.sleep(TWO_LOOKS_MS)
      counts.push(countIn(second))
      return counts
    },
  })
  expect(counts).toEqual(counted)
})

test('EO1 what may be inside a value that somebody holds stays with that', async () => {
  await playNodes({
    plan: calmNodes(4),
    program: async ({ others }) => {
      const [first, second] = others as [SimMember, SimMember]
      const owner = keeperOn(first)
      const wrapping = owner.wrap.remote(PUT)
      const { ref } = await get(wrapping)
      const reading = unwrap.options({ schedulingStrategy: on(second) }).remote(ref)
      expect(await get(reading)).toEqual([DIGEST])
      freeAll([wrapping, reading])
      await remote.sleep(2_000)
      await kill(owner)
      await remote.sleep(TWO_LOOKS_MS)
      const { refs } = await get(ref)
      expect(await digestsOf(refs)).toEqual([DIGEST])
      freeAll([ref, ...refs])
      await remote.sleep(2 * TWO_LOOKS_MS)
      expect(countIn(second)).toBe(0)
    },
  })
})

test('D237 a driver ends beside a detached actor: copies go of what that holds no ref of', async () => {
  const counts = await playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const [theirs, maker, reader] = scene.others as [SimMember, SimMember, SimMember]
      const driver = driverOn(scene, theirs)
      const named = { name: 'keeper', namespace: remote.SHARED_NAMESPACE }
      await runAs(driver, async () => {
        const makes = remote.combine.options({ schedulingStrategy: on(maker), maxRetries: 0 })
        const made = ['held', 'not held'].map((key) => makes.remote({ ...PUT, key }))
        const reads = remote.combine.options({ schedulingStrategy: on(reader) })
        await get(reads.remote(READ, ...made))
        const place = { schedulingStrategy: on(theirs), lifetime: 'detached' } as const
        const keeper = RemoteKeeper.options({ ...place, ...named }).remote()
        await keeper.keep.run({ refs: made.slice(0, 1) })
      })
      await remote.sleep(2_000)
      const counts = [countIn(reader)]
      scene.cluster.world.crash(driver.process)
      await remote.sleep(TWO_LOOKS_MS)
      counts.push(countIn(reader))
      const keeper = await getActor<KeeperClass>(named.name, { namespace: named.namespace })
      expect(await keeper.read.run()).toEqual([remote.combined('held', [])])
      await keeper.drop.run()
      await remote.sleep(2 * TWO_LOOKS_MS)
      return [...counts, countIn(reader)]
    },
  })
  expect(counts).toEqual([2, 1, 0])
})
