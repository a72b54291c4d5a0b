// Processes that hold what others own, and are cut off from them.
import { describe, expect, test } from 'vitest'
import { get, put, type ObjectRef } from '../../../sdk/index.ts'
import { machineOf } from '../process.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes } from './play.ts'
import {
  aDoing,
  countIn,
  digestsOf,
  freeAll,
  keeperOn,
  LARGE_BYTES,
  lentOn,
  losePower,
  on,
} from './scene.ts'
import { untilTold, waitsThere } from './workload.ts'

describe('a borrower that is cut off', () => {
  test('D216 a link between two living nodes is cut: what is borrowed over it is there after it, and goes with its borrower', async () => {
    const what = aDoing('kept')
    const { read, left } = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster: { world }, home, others }) => {
        const [there] = others as [SimMember]
        const keeper = keeperOn(there)
        const refs = [remote.combine.remote(what), await put(remote.valueOf(1, LARGE_BYTES))]
        await keeper.keep.run({ refs })
        world.network.holdMachines(home.machine, there.machine, 40_000)
        await remote.sleep(5_000)
        freeAll(refs)
        await remote.sleep(45_000)
        const read = await keeper.read.run()
        await keeper.drop.run()
        await remote.sleep(15_000)
        return { read, left: countIn(home) + countIn(there) }
      },
    })
    expect(read).toEqual([remote.combined(what.key, []), 1])
    expect(left).toBe(0)
  })

  test.each(['process', 'node'])(
    'D216 a borrower is cut off and its %s dies meanwhile: what it held is freed',
    async (what) => {
      const counts = await playNodes({
        plan: calmNodes(3),
        program: async (scene) => {
          const { world } = scene.cluster
          const { home, others } = scene
          const [there] = others as [SimMember]
          const keeper = keeperOn(there)
          const ref = await put(remote.valueOf(1, LARGE_BYTES))
          await keeper.keep.run({ refs: [ref] })
          world.network.holdMachines(home.machine, there.machine, 40_000)
          await remote.sleep(5_000)
          ref.free()
          await remote.sleep(20_000)
          const before = countIn(home)
          if (what === 'node') losePower(scene, there)
          for (const { process } of world.workers()) {
            if (machineOf(process) === there.machine) world.crash(process)
          }
          await remote.sleep(60_000)
          return [before, countIn(home)]
        },
      })
      expect(counts).toEqual([1, 0])
    },
  )
})

describe('an owner that is cut off', () => {
  const lent = aDoing('passed')
  const values = [remote.digestOfPart(lent, 0), remote.combined('passed.1', [])]

  test.each(['it reads it after the cut', 'it reads it at once'])(
    'D222 from a borrower that is given its ref by a third process, which drops its own: it stays, and goes with that borrower; %s',
    async (when) => {
      const { read, left } = await playNodes({
        plan: calmNodes(3),
        program: async ({ cluster: { world }, others }) => {
          const [owning, keeping] = others as [SimMember, SimMember]
          const keeper = keeperOn(keeping)
          await keeper.keep.run({ refs: [] })
          const { lending, stored, made, stamped } = await lentOn(owning, lent, 1_000)
          await get([stored, made])
          await remote.sleep(3_000)
          world.network.holdMachines(owning.machine, keeping.machine, 60_000)
          await keeper.keep.run({ refs: [stored, made] })
          const early = when === 'it reads it at once' ? keeper.read.remote() : undefined
          freeAll([lending, stamped, stored, made])
          await remote.sleep(75_000)
          const read = await (early === undefined ? keeper.read.run() : get(early))
          await keeper.drop.run()
          await remote.sleep(15_000)
          return { read, left: countIn(owning) + countIn(keeping) }
        },
      })
      expect(read).toEqual(values)
      expect(left).toBe(0)
    },
  )

  test('BT2 from a borrower that is given its ref: what that answers does not wait for the link', async () => {
    const { tookMs, read } = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster: { world }, others }) => {
        const [owning, keeping] = others as [SimMember, SimMember]
        const keeper = keeperOn(keeping)
        await keeper.keep.run({ refs: [] })
        const { lending, stored, made, stamped } = await lentOn(owning, lent, 1_000)
        await remote.sleep(3_000)
        world.network.holdMachines(owning.machine, keeping.machine, 60_000)
        const sinceMs = world.scheduler.nowMs
        await keeper.keep.run({ refs: [stored, made] })
        const tookMs = world.scheduler.nowMs - sinceMs
        freeAll([lending, stamped, stored, made])
        await remote.sleep(75_000)
        return { tookMs, read: await keeper.read.run() }
      },
    })
    expect(tookMs).toBeLessThan(3_000)
    expect(read).toEqual(values)
  })

  test('D229 for longer than any death takes to be known: who reads what it owns waits, and gets it', async () => {
    const read = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster: { world }, others }) => {
        const [owning, keeping] = others as [SimMember, SimMember]
        const keeper = keeperOn(keeping)
        await keeper.keepLent.run(lent, owning.nodeId)
        await remote.sleep(3_000)
        world.network.holdMachines(owning.machine, keeping.machine, 150_000)
        return await keeper.read.run()
      },
    })
    expect(read).toEqual(values)
  })

  test('D222 from a borrower that gets its ref inside a result of a third process: it stays', async () => {
    const { read, left } = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster: { world }, home, others }) => {
        const [owning, giving] = others as [SimMember, SimMember]
        const giver = keeperOn(giving)
        await giver.keepLent.run(lent, owning.nodeId)
        await giver.read.run()
        await remote.sleep(3_000) // its lease is over
        world.network.holdMachines(owning.machine, home.machine, 60_000)
        await remote.sleep(5_000)
        const given = giver.give.remote()
        const { refs } = await get(given)
        given.free()
        await giver.drop.run()
        await remote.sleep(75_000)
        const read = await digestsOf(refs)
        freeAll(refs)
        await remote.sleep(15_000)
        return { read, left: countIn(owning) + countIn(giving) }
      },
    })
    expect(read).toEqual(values)
    expect(left).toBe(0)
  })

  test.each(['is whole again', 'is cut while the driver drops what it holds'])(
    'D219 with nothing else of its job on its node stays, and goes with what it owns: the link %s',
    async (how) => {
      const what = aDoing('lent')
      const { read, left } = await playNodes({
        plan: calmNodes(3),
        program: async ({ cluster: { world }, home, others }) => {
          const [there] = others as [SimMember]
          const { lending, stored, made, stamped } = await lentOn(there, what, 10_000)
          await remote.sleep(2_000)
          const refs = [lending, stored, made, stamped]
          const isDropped = how !== 'is whole again'
          const early = isDropped ? await get([stored, made]) : []
          world.network.holdMachines(home.machine, there.machine, 40_000)
          if (isDropped) for (const ref of refs) ref.free()
          await remote.sleep(45_000)
          const read = isDropped ? early : await get([stored, made])
          if (!isDropped) for (const ref of refs) ref.free()
          await remote.sleep(30_000)
          return { read: read.map(remote.digestOf), left: countIn(there) }
        },
      })
      expect(read).toEqual([remote.digestOfPart(what, 0), remote.combined('lent.1', [])])
      expect(left).toBe(0)
    },
  )
})

describe('an owner that is cut off from whoever holds its lease', () => {
  const lent = aDoing('lent')

  /** @param cutMs  from just after what it owns has come. @param runs  what runs there then. */
  const cutFor = (
    cutMs: number,
    runs: { readonly seed?: string; readonly begin?: (there: SimMember) => ObjectRef<unknown> },
  ): Promise<{ read: number[]; left: number; leases: number }> =>
    playNodes({
      ...(runs.seed === undefined ? {} : { seed: runs.seed }),
      plan: calmNodes(3),
      program: async ({ cluster: { world }, home, others }) => {
        const [there] = others as [SimMember]
        const { lending, stored, made, stamped } = await lentOn(there, lent, 10_000)
        const refs: ObjectRef<unknown>[] = [lending, stored, made, stamped]
        if (runs.begin !== undefined) {
          refs.push(runs.begin(there))
          await remote.sleep(200)
        }
        world.network.holdMachines(home.machine, there.machine, cutMs)
        await remote.sleep(35_000)
        const leases = others.reduce((sum, { node }) => sum + leasesOf(node), 0)
        await remote.sleep(10_000)
        const read = await digestsOf([stored, made])
        if (runs.begin !== undefined) await get(refs.at(-1) as ObjectRef<unknown>)
        freeAll(refs)
        await remote.sleep(30_000)
        return { read, left: countIn(there), leases }
      },
    })
  const leasesOf = (node: SimMember['node']): number => node?.raylet.state.leases.size ?? 0
  const values = [remote.digestOfPart(lent, 0), remote.combined('lent.1', [])]
  const untilToldOn = (member: SimMember): ObjectRef<number> =>
    untilTold.options({ schedulingStrategy: on(member) }).remote(60_000)

  test('D231 and runs nothing: it stays, and goes with what it owns', async () => {
    expect(await cutFor(40_000, {})).toEqual({ read: values, left: 0, leases: 0 })
  })

  test('D231 and runs a task, with one of its own elsewhere: both are told to end, and it stays', async () => {
    const begin = (there: SimMember): ObjectRef<unknown> =>
      waitsThere.options({ schedulingStrategy: on(there) }).remote(60_000)
    expect(await cutFor(40_000, { begin })).toEqual({ read: values, left: 0, leases: 0 })
  })

  test('D231 for so long that not all ends of what was cut notice it, and none at the same time: it stays', async () => {
    for (let seed = 0; seed < 25; seed += 1) {
      const { read, left } = await cutFor(18_000, { seed: String(seed), begin: untilToldOn })
      expect({ seed, read, left }).toEqual({ seed, read: values, left: 0 })
    }
  })
})
