// Who hears of a free, counted at all nodes; and that no copy stays, whatever happened before it.
import { expect, test, vi } from 'vitest'
import { currentWorker } from '../../../sdk/current.ts'
import { get, put, type ObjectRef } from '../../../sdk/index.ts'
import { actorEntryOf } from '../../../runtime/core-worker/actor-handle.ts'
import { ObjectPulls } from '../../../runtime/raylet/cluster/object-pulls.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, countIn, keeperOn, losePower, on } from './scene.ts'
import { askTeller, givesItemsOnce, givesOnce } from './workload.ts'

const what = aDoing('made')
const COUNT = 10

const leftIn = ({ home, others }: Scene): number =>
  [home, ...others].reduce((sum, each) => sum + countIn(each), 0)

/** How many times a node is told while `free` runs. */
async function countTold(free: () => Promise<void> | void): Promise<number> {
  const freed = vi.spyOn(ObjectPulls.prototype, 'freed')
  try {
    await free()
    await remote.sleep(2_000)
    return freed.mock.calls.length
  } finally {
    freed.mockRestore()
  }
}

/** What one node has made and another has read. */
async function madeAndRead(maker: SimMember, reader: SimMember): Promise<ObjectRef<remote.Value>> {
  const made = remote.combine.options({ schedulingStrategy: on(maker) }).remote(what)
  const reads = remote.combine.options({ schedulingStrategy: on(reader) })
  await get(reads.remote({ ...what, sizeBytes: 10 }, made))
  return made
}

test('D220 a free is told where the object was made, and where it went from there', async () => {
  const { counts, left } = await playNodes({
    plan: calmNodes(5),
    program: async (scene) => {
      const [one, two] = scene.others as [SimMember, SimMember]
      const counts: number[] = []
      const each = [...Array(COUNT).keys()]
      const own = await Promise.all(each.map((i) => put(remote.valueOf(i, what.sizeBytes))))
      counts.push(await countTold(() => own.forEach((ref) => ref.free())))
      const makes = remote.combine.options({ schedulingStrategy: on(one) })
      const made = each.map((i) => makes.remote({ ...what, key: `made ${String(i)}` }))
      await scene.cluster.world.until(() => countIn(one) === COUNT)
      await remote.sleep(1_000)
      counts.push(await countTold(() => made.forEach((ref) => ref.free())))
      const lent = await put(remote.valueOf(1, what.sizeBytes))
      const reads = remote.combine.options({ schedulingStrategy: on(two) })
      await get(reads.remote({ ...what, sizeBytes: 10 }, lent))
      await remote.sleep(5_000)
      counts.push(await countTold(() => lent.free()))
      return { counts, left: leftIn(scene) }
    },
  })
  expect(counts).toEqual([0, COUNT, 1])
  expect(left).toBe(0)
})

test('D220 a node dies that had made an object and given it to another: that is told', async () => {
  const counts = await playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const [maker, reader] = scene.others as [SimMember, SimMember]
      const made = await madeAndRead(maker, reader)
      losePower(scene, maker)
      await remote.sleep(60_000)
      const before = countIn(reader)
      made.free()
      await remote.sleep(5_000)
      return [before, countIn(scene.home) + countIn(reader)]
    },
  })
  expect(counts).toEqual([1, 0])
})

test('D220 a node dies just after it was told of a free: those that it had given the object are told', async () => {
  const counts = await playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const [maker, reader] = scene.others as [SimMember, SimMember]
      const made = await madeAndRead(maker, reader)
      await remote.sleep(5_000)
      losePower(scene, maker)
      made.free()
      await remote.sleep(60_000)
      return [countIn(scene.home), countIn(reader)]
    },
  })
  expect(counts).toEqual([0, 0])
})

test.each(['NOTHING', 'ERROR'] as const)(
  'a result whose word is lost with its link is freed though the next attempt stores none: %s',
  async (then) => {
    const counts = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster, home, others }) => {
        const [maker] = others as [SimMember]
        const doing = { ...what, key: `word of it is lost ${then}`, sleepMs: 2_000 }
        const once = givesOnce.options({ schedulingStrategy: on(maker, true), maxRetries: 1 })
        const ref = once.remote(doing, then)
        await remote.sleep(1_000)
        cluster.world.network.holdMachines(home.machine, maker.machine, 40_000)
        await get(ref).catch(() => undefined)
        const before = countIn(maker)
        await remote.sleep(60_000)
        return [before, countIn(maker)]
      },
    })
    expect(counts).toEqual([1, 0])
  },
)

test('what a stream gave behind a cut link is freed, as many as its reader had not heard of', async () => {
  const counts = await playNodes({
    plan: calmNodes(3),
    program: async ({ cluster, home, others }) => {
      const [maker] = others as [SimMember]
      const doing = { ...what, key: 'items of it are lost', sleepMs: 500 }
      const options = { schedulingStrategy: on(maker, true), maxRetries: 1, streamBufferSize: 3 }
      const stream = givesItemsOnce.options(options).remote(doing)[Symbol.asyncIterator]()
      const first = await stream.next()
      if (first.done !== true) first.value.free()
      cluster.world.network.holdMachines(home.machine, maker.machine, 40_000)
      const ends = await stream.next().then(
        ({ done }) => done,
        () => 'failed',
      )
      const before = countIn(maker)
      await remote.sleep(60_000)
      return [ends, before, countIn(maker)]
    },
  })
  expect(counts).toEqual(['failed', expect.toSatisfy((count: number) => count > 1), 0])
})

test('a handle of an actor that another process has made is held, though it was passed on', async () => {
  const isKnown = await playNodes({
    plan: calmNodes(2),
    program: async ({ others }) => {
      const [there] = others as [SimMember]
      const keeper = keeperOn(there)
      const making = keeper.make.remote('made there')
      const { teller } = await get(making)
      making.free()
      await askTeller.run(teller, 'to whom it was passed')
      await remote.sleep(1_000)
      const { references } = currentWorker('a look')
      return references.find(references.idOf(actorEntryOf(teller))) !== undefined
    },
  })
  expect(isKnown).toBe(true)
})
