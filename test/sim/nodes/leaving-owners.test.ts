// What processes of a node own that leaves on request, and others hold refs of: it stays (F06).
import { describe, expect, test } from 'vitest'
import { DRAIN_GRACE_MS } from '../../../runtime/common/limits.ts'
import { get } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import {
  aDoing,
  countIn,
  digestsOf,
  freeAll,
  keeperOn,
  LARGE_BYTES,
  leave,
  lentOn,
  on,
} from './scene.ts'

const OWNED_MS = 300_000
const CUT_MS = 120_000
/** Longer than a connection lasts over which nothing comes. */
const BROKEN_MS = 17_000
const LENT = aDoing('lent')
const MADE = remote.combined('lent.1', [])
const PUT = remote.digestOfPart(LENT, 0)

/** Until no store has anything of this job. */
const allFreed = ({ cluster }: Scene): Promise<void> =>
  cluster.world.until(() => cluster.members.every((member) => countIn(member) === 0))

describe('F06 D235 the node of an owner leaves', () => {
  test.each([
    ['large', LARGE_BYTES],
    ['small', 0],
  ])('what its task has put, and had made, is read, and made once: %s', async (_, sizeBytes) => {
    const what = { ...LENT, sizeBytes }
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, others } = scene
        const [leaving, staying] = others as [SimMember, SimMember]
        const { lending, stored, made, stamped } = await lentOn(leaving, what, OWNED_MS)
        const keeper = keeperOn(staying)
        await keeper.keep.run({ refs: [stored, made] })
        await leave(scene, leaving)
        expect(await digestsOf([stored, made])).toEqual([PUT, MADE])
        expect(typeof (await get(stamped))).toBe('number')
        freeAll([lending, stored, made, stamped])
        await remote.sleep(30_000)
        expect(await keeper.read.run()).toEqual([PUT, MADE])
        const startsOf = (key: string): number | undefined => cluster.ledger.tasks.get(key)?.starts
        expect(['lent.1', 'lent.2'].map(startsOf)).toEqual([1, 1])
        await keeper.drop.run()
        await allFreed(scene)
      },
    })
  })

  test('what its actor has put is read, and freed when nobody refers to it', async () => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const [leaving] = scene.others as [SimMember]
        const keeper = keeperOn(leaving)
        const giving = keeper.giveAway.remote(LENT)
        const { refs } = await get(giving)
        await remote.sleep(1_000)
        expect(await leave(scene, leaving)).toBeLessThan(DRAIN_GRACE_MS)
        expect(await digestsOf(refs)).toEqual([PUT])
        freeAll([giving, ...refs])
        await allFreed(scene)
      },
    })
  })

  test('what cannot be given yet, or at all, keeps nothing else: a task that runs, and an actor', async () => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const [leaving] = scene.others as [SimMember]
        const keeper = keeperOn(leaving)
        const { refs } = await keeper.giveAway.run(LENT)
        const held = [
          await keeper.make.run('made there'),
          await keeper.begin.run({ ...LENT, key: 'long', sleepMs: 60_000 }),
        ]
        await remote.sleep(1_000)
        await leave(scene, leaving)
        expect(await digestsOf(refs)).toEqual([PUT])
        expect(held).toHaveLength(2)
      },
    })
  })

  test.each([
    ['large', LARGE_BYTES],
    ['small', 0],
  ])('what is inside a value that it has put stays with that value: %s', async (_, sizeBytes) => {
    const what = { ...LENT, sizeBytes }
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const [leaving, staying] = scene.others as [SimMember, SimMember]
        const keeper = keeperOn(leaving)
        const there = { schedulingStrategy: on(staying), maxRetries: 0 }
        const given = remote.combine.options(there).remote({ ...what, key: 'given' })
        await keeper.keep.run({ refs: [given] })
        const wrapping = keeper.wrap.remote(what)
        const { ref } = await get(wrapping)
        given.free()
        await remote.sleep(1_000)
        await leave(scene, leaving)
        await remote.sleep(10_000)
        const { refs } = await get(ref)
        ref.free()
        const combined = remote.combined('given', [])
        expect(await digestsOf(refs)).toEqual([combined, PUT])
        freeAll([wrapping, ...refs])
        await allFreed(scene)
      },
    })
  })

  test.each([
    ['is cut off from it', 0],
    ['reads its refs when it has left', 30_000],
  ])('CB2 who %s registers with its heir', async (_, busyMs) => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { network } = scene.cluster.world
        const [leaving, staying] = scene.others as [SimMember, SimMember]
        const giver = keeperOn(leaving)
        const giving = giver.giveAway.remote(LENT)
        const { refs } = await get(giving)
        const keeper = keeperOn(staying)
        const busy = keeper.giveAway.remote({ ...LENT, sizeBytes: 0, sleepMs: busyMs })
        if (busyMs === 0) network.holdMachines(staying.machine, leaving.machine, CUT_MS)
        const keeping = keeper.keep.remote({ refs })
        await leave(scene, leaving)
        freeAll([giving, ...refs])
        await get(keeping)
        freeAll([busy, keeping])
        await remote.sleep(60_000)
        expect(await keeper.read.run()).toEqual([PUT])
        await keeper.drop.run()
        await allFreed(scene)
      },
    })
  })

  test('HV2 one that holds something of it is cut off from it: the others get theirs', async () => {
    await playNodes({
      plan: calmNodes(4),
      program: async (scene) => {
        const { network } = scene.cluster.world
        const [leaving, cutOff] = scene.others as [SimMember, SimMember]
        const giver = keeperOn(leaving)
        const keeper = keeperOn(cutOff)
        await keeper.keepOf.run(giver, LENT) // the first who borrows
        const { refs } = await giver.giveAway.run(LENT)
        await remote.sleep(1_000)
        network.holdMachines(cutOff.machine, leaving.machine, CUT_MS)
        await remote.sleep(BROKEN_MS)
        await leave(scene, leaving)
        expect(await digestsOf(refs)).toEqual([PUT])
      },
    })
  })

  test('HV1 what is complete while something large is handed on is given, too', async () => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, others } = scene
        const [leaving, staying] = others as [SimMember, SimMember]
        const keeper = keeperOn(leaving)
        const given = await keeper.giveAway.run(LENT)
        const quick = { ...LENT, key: 'quick', sizeBytes: 0, sleepMs: 3_000 }
        const begun = await keeper.beginOn.run(quick, staying.nodeId)
        await remote.sleep(500)
        await leave(scene, leaving)
        const [put, made] = await get([...given.refs, begun.ref])
        expect([put, made].map((each) => remote.digestOf(each as remote.Value))).toEqual([
          PUT,
          remote.combined('quick', []),
        ])
        expect(cluster.ledger.tasks.get('quick')?.starts).toBe(1)
      },
    })
  })

  test('HV1 an actor that is busy to the end gives what it has put', async () => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const [leaving] = scene.others as [SimMember]
        const keeper = keeperOn(leaving)
        const { refs } = await keeper.giveAway.run(LENT)
        const busy = keeper.giveAway.remote({ ...LENT, sleepMs: 60_000 })
        await remote.sleep(1_000)
        await leave(scene, leaving)
        expect(await digestsOf(refs)).toEqual([PUT])
        await get(busy).catch(() => undefined)
      },
    })
  })
})
