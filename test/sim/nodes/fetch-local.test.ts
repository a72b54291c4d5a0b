// What a wait brings to the node of its program, counted there.
import { expect, test } from 'vitest'
import { DeadlockError } from '../../../runtime/common/errors.ts'
import { get, wait } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import { calmNodes, playNodes } from './play.ts'
import type { SimMember } from './member.ts'
import { aDoing, countIn, freeAll, losePower, on } from './scene.ts'
import { givenBy, lendAll, RemoteCircle, waitsLater } from './workload.ts'

/** Longer than what nobody wants is still fetched, and short enough for no connection to end. */
const CUT_MS = 12_500

test('GE5 wait has what is stored elsewhere brought here, unless it is told not to', async () => {
  const counts = await playNodes({
    plan: calmNodes(3),
    program: async ({ home, others }) => {
      const made = others.map((there, at) => {
        const strategy = { schedulingStrategy: on(there) }
        return remote.combine.options(strategy).remote(aDoing(`made ${String(at)}`))
      })
      const all = { numReturns: made.length }
      const seen: number[] = []
      const [complete] = await wait(made, { ...all, fetchLocal: false })
      seen.push(complete.length, countIn(home))
      const [before] = await wait(made, { ...all, timeoutMs: 0 })
      seen.push(before.length)
      const [local] = await wait(made, all)
      seen.push(local.length, countIn(home))
      const [later] = await wait(made, { ...all, timeoutMs: 0 })
      seen.push(later.length)
      freeAll(made)
      return seen
    },
  })
  expect(counts).toEqual([2, 0, 0, 2, 2, 2])
})

test('GE5 what is adopted lies on another node, and a wait has it brought here', async () => {
  const what = aDoing('lent')
  const calm = calmNodes(3)
  const counts = await playNodes({
    plan: { ...calm, node: { ...calm.node, cpus: 4 } },
    program: async ({ cluster, home, others }) => {
      const [there, elsewhere] = others as [SimMember, SimMember]
      const lent = await lendAll.options({ schedulingStrategy: on(there) }).run(what, 60_000)
      const reads = remote.openBox.options({ schedulingStrategy: on(elsewhere) })
      await reads.run({ ...what, key: 'read', sizeBytes: 0 }, { refs: [lent.made] })
      const { world } = cluster
      world.crash(world.processOf(lent.pid))
      await wait([lent.made], { fetchLocal: false })
      const seen = [countIn(elsewhere), countIn(home)]
      await wait([lent.made])
      seen.push(countIn(home))
      freeAll([lent.stored, lent.made, lent.stamped])
      return seen
    },
  })
  expect(counts).toEqual([1, 0, 1])
})

test('GE3 tasks hold all CPUs and wait for what was lost with its node: it is made again on theirs', async () => {
  const digests = await playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const [there, ...rest] = scene.others as [SimMember, ...SimMember[]]
      const waiting = [scene.home, ...rest].map((member) =>
        waitsLater
          .options({ schedulingStrategy: on(member) })
          .remote(aDoing(member.machine), there.nodeId, 20_000),
      )
      await scene.cluster.world.until(() => countIn(there) === waiting.length)
      await remote.sleep(5_000)
      losePower(scene, there)
      const got = await get(waiting)
      freeAll(waiting)
      return [got, [scene.home, ...rest].map(({ machine }) => remote.combined(machine, []))]
    },
  })
  expect(digests[0]).toEqual(digests[1])
})

test('GE3 a wait for what was lost is told as a ring, where that is made by who waits', async () => {
  const what = aDoing('circle')
  const told = await playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const [there] = scene.others as [SimMember]
      const circle = RemoteCircle.options({ schedulingStrategy: on(scene.home) }).remote()
      const ref = givenBy.options({ schedulingStrategy: on(there, true) }).remote(circle, what)
      await scene.cluster.world.until(() => countIn(there) === 1)
      const waiting = circle.waitsLater.remote({ ref }, 20_000)
      await remote.sleep(5_000)
      losePower(scene, there)
      const told = await get(waiting).catch((error: unknown) => (error as Error).cause)
      freeAll([waiting, ref])
      return told
    },
  })
  expect(told).toBeInstanceOf(DeadlockError)
})

test('LC3 what a wait leaves behind comes no more after a while, until the next wait wants it', async () => {
  const counts = await playNodes({
    plan: calmNodes(2),
    program: async ({ cluster, home, others }) => {
      const [there] = others as [SimMember]
      const strategy = { schedulingStrategy: on(there) }
      const made = remote.combine.options(strategy).remote(aDoing('made there'))
      await wait([made], { fetchLocal: false })
      cluster.world.network.holdMachines(home.machine, there.machine, CUT_MS)
      const [ready] = await wait([made], { timeoutMs: 1_000 })
      const seen = [ready.length]
      await remote.sleep(3 * CUT_MS) // given up before the link was whole again
      seen.push(countIn(home))
      const [later] = await wait([made])
      seen.push(later.length, countIn(home))
      made.free()
      return seen
    },
  })
  expect(counts).toEqual([0, 0, 1, 1])
})
