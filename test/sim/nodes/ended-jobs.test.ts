// What drains, drivers that end, and frees leave behind on other nodes, or keep there: as programs
// of their own.
import { describe, expect, test } from 'vitest'
import { get, getActor, kill, wait, type ObjectRef } from '../../../sdk/index.ts'
import { Draw } from '../draw.ts'
import { driversLeave } from '../run.ts'
import * as remote from '../workload.ts'
import { calmNodes, playNodes } from './play.ts'
import { aDoing, countIn, driverOn, freeAll, leave, on, runAs, whereElse } from './scene.ts'
import type { SimMember } from './member.ts'
import { RemoteKeeper, RemoteSender, RemoteTeller, sent, type Keeper } from './workload.ts'

/** Made there, and not brought here. */
async function madeOn(there: SimMember, what: remote.Doing): Promise<ObjectRef<remote.Value>> {
  const strategy = { schedulingStrategy: on(there), maxRetries: 0 }
  const ref = remote.combine.options(strategy).remote(what)
  await wait([ref], { numReturns: 1, fetchLocal: false })
  return ref
}

describe('what a detached actor does for another job, once that has ended', () => {
  /** @param doing  what that job's driver, on that node, does with it; then it is killed. */
  const keptAt = async (
    where: 'THERE' | 'ELSEWHERE',
    doing: (keeper: ReturnType<typeof RemoteKeeper.remote>) => Promise<void>,
  ): Promise<readonly [digests: readonly number[], count: number]> =>
    playNodes({
      plan: calmNodes(3),
      program: async ({ cluster: { world }, others }) => {
        const [there, elsewhere] = others as [SimMember, SimMember]
        const named = { name: `serves ${where}`, namespace: remote.SHARED_NAMESPACE }
        const options = { schedulingStrategy: on(there), lifetime: 'detached' as const, ...named }
        const keeper = RemoteKeeper.options(options).remote()
        await keeper.read.run()
        const { node } = where === 'THERE' ? there : elsewhere
        if (node === undefined) throw new Error('it has no raylet')
        const driver = await world.startDriver('another driver', node)
        await runAs(driver, async () => {
          await doing(await getActor<typeof Keeper>(named.name, { namespace: named.namespace }))
        })
        world.crash(driver.process)
        await remote.sleep(75_000)
        return [await keeper.read.run(), countIn(there)]
      },
    })
  const what = aDoing('kept')

  test.each(['THERE', 'ELSEWHERE'] as const)(
    'D252 what it has put, and keeps, stays: that was driven %s',
    async (where) => {
      const [digests, count] = await keptAt(where, async (keeper) => {
        const { refs } = await keeper.own.run(what)
        freeAll(refs)
      })
      expect(digests).toEqual([remote.digestOfPart(what, 0)])
      expect(count).toBe(1)
    },
  )

  test.each(['THERE', 'ELSEWHERE'] as const)(
    'D253 what it told goes: that was driven %s',
    async (where) => {
      const [, count] = await keptAt(where, async (keeper) => {
        await keeper.tell.run(what)
      })
      expect(count).toBe(0)
    },
  )
})

test('D254 what a detached actor has made on a third node lives on when their driver has left', async () => {
  const lives = await playNodes({
    plan: calmNodes(4),
    program: async ({ cluster: { world }, others }) => {
      const [theirs, there, third] = others as [SimMember, SimMember, SimMember]
      if (theirs.node === undefined) throw new Error('it has no raylet')
      const named = { name: 'maker', namespace: remote.SHARED_NAMESPACE }
      const driver = await world.startDriver('another driver', theirs.node)
      const before = await runAs(driver, async () => {
        const options = { schedulingStrategy: on(there), lifetime: 'detached' as const, ...named }
        const keeper = RemoteKeeper.options(options).remote()
        await madeOn(third, aDoing('of the driver'))
        return await keeper.askOwn.run(third.nodeId, 'before')
      })
      world.crash(driver.process)
      await remote.sleep(75_000)
      const keeper = await getActor<typeof Keeper>(named.name, { namespace: named.namespace })
      const after = await keeper.askOwn.run(third.nodeId, 'after')
      await kill(keeper)
      return [before, after]
    },
  })
  expect(lives).toEqual([1, 1])
})

describe('what other nodes keep', () => {
  test('D197 what a node that left has handed over stays when its job has ended there only', async () => {
    const keys = ['a', 'b', 'c', 'd']
    const digests = await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, others } = scene
        const [leaving, taker] = others as [SimMember, SimMember]
        const teller = RemoteTeller.options({ schedulingStrategy: on(taker) }).remote('one', false)
        cluster.ledger.called('home', 0, remote.here().process)
        const told = teller.tell.remote('home', 0, 0)
        await get(told)
        told.free()
        const refs = keys.map((key) => {
          const strategy = { schedulingStrategy: on(leaving), maxRetries: 0 }
          return remote.combine.options(strategy).remote(aDoing(key, { atMostOnce: true }))
        })
        await wait(refs, { numReturns: refs.length, fetchLocal: false })
        await leave(scene, leaving)
        expect(countIn(taker)).toBeGreaterThan(0)
        await kill(teller)
        await remote.sleep(45_000)
        expect(taker.node?.raylet.state.jobs.size).toBe(1) // its own
        const values = await get(refs)
        freeAll(refs)
        return values.map(remote.digestOf)
      },
    })
    expect(digests).toEqual(keys.map((key) => remote.combined(key, [])))
  })

  test('D206 a driver ends: what a detached actor has on a node where that was a guest goes on', async () => {
    const what = aDoing('sent', { sleepMs: 40_000, atMostOnce: true })
    const named = { name: 'sender', namespace: remote.SHARED_NAMESPACE }
    await playNodes({
      plan: calmNodes(4),
      program: async ({ cluster: { world, ledger }, others }) => {
        const [theirs, there, itsHome] = others as [SimMember, SimMember, SimMember]
        if (theirs.node === undefined) throw new Error('it has no raylet')
        sent.clear()
        const driver = await world.startDriver('another driver', theirs.node)
        await runAs(driver, async () => {
          await remote.combine
            .options({ schedulingStrategy: on(there) })
            .run({ ...what, key: 'its own', sleepMs: 0 })
          const strategy = { schedulingStrategy: on(itsHome), lifetime: 'detached' as const }
          const sender = RemoteSender.options({ ...strategy, ...named }).remote()
          await sender.send.run(what, there.nodeId)
        })
        await world.until(() => ledger.tasks.has('sent.2'))
        world.crash(driver.process)
        await world.until(() => sent.has(what.key))
        expect(sent.get(what.key)).toEqual([1, 2].map((i) => remote.combined(`sent.${i}`, [])))
        await kill(await getActor(named.name, { namespace: named.namespace }))
        await remote.sleep(75_000)
        for (const { node } of [theirs, there, itsHome])
          expect(node?.raylet.state.jobs.size).toBe(1) // its own
        expect(countIn(there)).toBe(0)
      },
    })
  })

  test('F06 D207 a task outlasts the drain of its node, twice: it runs elsewhere, and is not charged', async () => {
    const what = { key: 'long', sleepMs: 30_000, spinMs: 0, sizeBytes: 0, atMostOnce: false }
    const starts = await playNodes({
      plan: calmNodes(4),
      program: async (scene) => {
        const { cluster, home, others } = scene
        const [leaving] = others as [SimMember]
        const busy = remote.combine
          .options({ schedulingStrategy: on(home) })
          .remote({ ...what, key: 'busy', sleepMs: 200_000 })
        const strategy = { schedulingStrategy: on(leaving, true), maxRetries: 1 }
        const ref = remote.combine.options(strategy).remote(what)
        const starts = (): number => cluster.ledger.tasks.get(what.key)?.starts ?? 0
        await cluster.world.until(() => starts() === 1)
        cluster.drain(leaving, new Draw('drain'))
        await cluster.world.until(() => starts() === 2)
        const next = others.find(({ machine }) => machine === whereElse(scene))
        if (next === undefined) throw new Error('it runs on no other node')
        cluster.drain(next, new Draw('next drain'))
        expect(await get(ref)).toBe(remote.combined(what.key, []))
        freeAll([busy, ref])
        return starts()
      },
    })
    expect(starts).toBe(3)
  })

  test('F06 D218 a task that its node lets end as it drains has its own tasks run elsewhere', async () => {
    const what = { key: 'outer', sleepMs: 5_000, spinMs: 0, sizeBytes: 0, atMostOnce: true }
    const value = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster, others }) => {
        const [leaving] = others as [SimMember]
        const strategy = { schedulingStrategy: on(leaving), maxRetries: 0 }
        const ref = remote.fanOut.options(strategy).remote(what, 2)
        await cluster.world.until(() => cluster.ledger.tasks.get(what.key)?.starts === 1)
        cluster.drain(leaving, new Draw('drain'))
        await cluster.world.until(() => leaving.node?.raylet.state.draining === true)
        const value = await get(ref)
        ref.free()
        return value
      },
    })
    const parts = [0, 1].map((i) => remote.digestOfPart(what, i))
    expect(remote.digestOf(value)).toBe(remote.combined(what.key, parts))
  })

  test('D208 a free that is lost with its connection is told again', async () => {
    const what = aDoing('a', { atMostOnce: true })
    const left = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster, home, others }) => {
        const [there] = others as [SimMember]
        const ref = await madeOn(there, what)
        expect(countIn(there)).toBe(1)
        there.mayDie(cluster.world.scheduler.nowMs + SHORT_MS)
        there.process.pause(SHORT_MS)
        ref.free()
        await remote.sleep(SHORT_MS / 2)
        cluster.world.network.cut(home.process, there.process)
        await remote.sleep(2 * SHORT_MS)
        return countIn(there)
      },
    })
    expect(left).toBe(0)
  })

  test('D197 what was made on another node stays there when the connection to it breaks', async () => {
    const what = aDoing('a', { atMostOnce: true })
    const digest = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster, home, others }) => {
        const [there] = others as [SimMember]
        const ref = await madeOn(there, what)
        await remote.sleep(5_000)
        cluster.world.network.cut(home.process, there.process)
        await remote.sleep(45_000)
        expect(there.node?.raylet.state.jobs.size).toBe(1) // its own
        const value = await get(ref)
        ref.free()
        return remote.digestOf(value)
      },
    })
    expect(digest).toBe(remote.combined(what.key, []))
  })

  test('OP7 what came for a driver goes with it, though a detached actor keeps its job alive', async () => {
    const what = aDoing('a')
    const counts = await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { home, others } = scene
        const { world, ledger } = scene.cluster
        const [there] = others as [SimMember]
        const lasting = {
          name: 'lasting',
          lifetime: 'detached',
          schedulingStrategy: on(home),
        } as const
        const teller = RemoteTeller.options(lasting).remote('lasting', false)
        ledger.called('home', 0, remote.here().process)
        await get(teller.tell.remote('home', 0, 0))
        await get(remote.combine.options({ schedulingStrategy: on(there) }).remote(what))
        const before = countIn(home)
        const driver = driverOn(scene, home)
        driversLeave(world)
        await world.until(() => !driver.process.alive && countIn(home) === 0)
        return [before, home.node?.raylet.state.jobs.size]
      },
    })
    expect(counts).toEqual([1, 1]) // its job is there still
  })
})

/** Nobody is declared dead for it. */
const SHORT_MS = 2_000
