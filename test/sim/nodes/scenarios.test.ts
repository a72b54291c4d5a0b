// What was found on several real nodes, or by seeds that have changed since, as programs of their
// own: each failed on the code before its mend, and tells step by step what it takes.
import { describe, expect, test } from 'vitest'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { rendezvous } from '../../../runtime/gcs/rendezvous.ts'
import { heldPartition } from '../../../runtime/gcs/tables.ts'
import { get, getActor, kill, limiter, wait } from '../../../sdk/index.ts'
import type { SimWorker } from '../launcher.ts'
import type { JudgedLimit } from '../limits-ledger.ts'
import { Draw } from '../draw.ts'
import { machineOf } from '../process.ts'
import { driversLeave } from '../run.ts'
import * as remote from '../workload.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { countIn, losePower, on } from './scene.ts'
import type { SimMember } from './member.ts'
import {
  makesLate,
  makesLateAndStays,
  RemoteSender,
  RemoteTeller,
  sent,
  shown,
  tellsTwice,
} from './workload.ts'

describe('scenario of several nodes', () => {
  test.each(['first', 'second', 'third', 'fourth'])(
    'D163 a limited task is cut off from its owner: it runs nowhere else before it has ended, %s draw',
    async (seed) => {
      const cutMs = 25_000
      const starts = await playNodes({
        seed,
        plan: calmNodes(4),
        program: async (scene) => {
          const { cluster, home } = scene
          const judged: JudgedLimit = { name: 'one', concurrency: 1 }
          const what = {
            key: 'cut off',
            sleepMs: 60_000,
            spinMs: 0,
            sizeBytes: 0,
            atMostOnce: false,
          }
          const by = { ownerPid: remote.here().process.pid, untilMs: Infinity }
          const limit = limiter(judged.name, { concurrency: 1 })
          const busy = remote.combine
            .options({ schedulingStrategy: on(home) })
            .remote({ ...what, key: 'busy', sleepMs: 280_000 })
          const ref = remote.limited.options({ limit }).remote(what, judged, by)
          await cluster.world.until(() => cluster.ledger.tasks.has(what.key))
          cluster.world.network.holdMachines(home.machine, whereElse(scene), cutMs)
          expect(await get(ref)).toBe(remote.combined(what.key, []))
          for (const each of [busy, ref]) each.free()
          return cluster.ledger.tasks.get(what.key)?.starts
        },
      })
      // Given up and begun anew, once the first attempt had ended.
      expect(starts).toBe(2)
    },
  )

  test('D167 those that were to start the actor of a dead node again are dead as well', async () => {
    const life = await playNodes({
      plan: { ...calmNodes(8), wellMin: 4 },
      program: async (scene) => {
        const { cluster, others } = scene
        const { victim, heirs } = theUnlucky(scene)
        const teller = RemoteTeller.options({
          ...{ maxRestarts: -1, maxTaskRetries: -1 },
          schedulingStrategy: on(victim, true),
        }).remote('teller', false)
        cluster.ledger.called('before', 0, remote.here().process)
        const before = teller.tell.remote('before', 0, 0)
        await get(before)
        const [effect] = cluster.ledger.actors.get('teller')?.effects ?? []
        expect(machineOf(effect?.process ?? victim.process)).toBe(victim.machine)
        await remote.sleep(ACQUAINTED_MS)
        losePower(scene, victim)
        await remote.sleep(LEASE_MS / 2)
        for (const heir of heirs) losePower(scene, heir)
        expect(others.filter(({ process }) => process.alive)).toHaveLength(3)
        cluster.ledger.called('after', 0, remote.here().process)
        const after = teller.tell.remote('after', 0, 0)
        const told = await get(after)
        for (const ref of [before, after]) ref.free()
        const { probes } = cluster.world
        expect(probes.hasHit('an actor was started again on another node')).toBe(true)
        return told.life
      },
    })
    expect(life).toBeGreaterThan(1)
  })

  test('D176 the maker of an actor is killed before it was made: who calls it is told', async () => {
    const name = await playNodes({
      plan: calmNodes(4),
      program: async ({ cluster, others }) => {
        const { world, ledger } = cluster
        const [there] = others as [SimMember]
        const made = makesLate.options({ schedulingStrategy: on(there) }).remote('late', 200_000)
        const { pid, teller } = await get(made)
        made.free()
        world.crash(world.processOf(pid))
        ledger.called('caller', 0, remote.here().process)
        const call = teller.tell.remote('caller', 0, 0)
        const told = await get(call).catch((error: unknown) => error)
        call.free()
        return (told as Error).name
      },
    })
    expect(name).toBe('ActorDiedError')
  })

  test.each([
    ['before', 5_000],
    ['after', 45_000],
  ])(
    'D198 an actor is killed that was not made yet, %s the node of its maker dies: no retry makes it',
    async (_, killAtMs) => {
      const told = await playNodes({
        plan: calmNodes(4),
        program: async (scene) => {
          const { cluster, others } = scene
          const [there] = others as [SimMember]
          shown.clear()
          const strategy = { schedulingStrategy: on(there, true), maxRetries: 3 }
          const made = makesLateAndStays.options(strategy).remote('unmade', 50_000)
          await cluster.world.until(() => shown.has('unmade'))
          const first = shown.get('unmade')
          if (first === undefined) throw new Error('it shows no handle')
          await remote.sleep(1_000)
          const dieAtMs = 10_000
          if (killAtMs < dieAtMs) await kill(first.teller)
          await remote.sleep(dieAtMs)
          losePower(scene, there)
          if (killAtMs > dieAtMs) {
            await cluster.world.until(() => shown.get('unmade')?.pid !== first.pid)
            await kill(first.teller)
          }
          const told = await get(made)
          made.free()
          expect(shown.get('unmade')?.pid).not.toBe(first.pid)
          expect(cluster.ledger.actors.get('unmade')).toBeUndefined()
          return told
        },
      })
      expect(told).toBe('ActorDiedError')
    },
  )

  test('F08 D186 a call runs on while its raylet stands still: once it counts as dead nobody takes a word', async () => {
    const told = await playNodes({
      plan: calmNodes(4),
      program: async ({ cluster, others }) => {
        const [there, taker] = others as [SimMember, SimMember]
        const box = { schedulingStrategy: on(taker) }
        const teller = RemoteTeller.options(box).remote('box', false)
        const strategy = { schedulingStrategy: on(there), maxRetries: 0 }
        const ref = tellsTwice.options(strategy).remote(teller, 'zombie', 60_000)
        const told = (): number => cluster.ledger.actors.get('box')?.effects.length ?? 0
        await cluster.world.until(() => told() > 0)
        there.mayDie(cluster.world.scheduler.nowMs + 150_000)
        there.process.pause(150_000)
        const error = await get(ref).catch((error: unknown) => error as Error)
        await remote.sleep(60_000)
        expect(there.process.alive).toBe(true)
        expect((error as Error).name).toBe('WorkerCrashedError')
        ref.free()
        return told()
      },
    })
    expect(told).toBe(1)
  })

  test.each([
    ['lies there', 'GONE'],
    ['travels', 'LEAVES'],
  ] as const)(
    'D197 a job ends while what a node that leaves hands over %s: it is freed',
    async (_, leaver) => {
      const { most, least } = await playNodes({
        plan: calmNodes(4),
        program: async ({ cluster, others }) => {
          const { world } = cluster
          const [theirs, leaving, taker] = others as [SimMember, SimMember, SimMember]
          if (theirs.node === undefined) throw new Error('it has no raylet')
          const driver = await world.startDriver('another driver', theirs.node)
          const { deps, rootScope } = driver.core
          const refs = await deps.context.run(rootScope, async () => {
            const made = ['a', 'b', 'c', 'd'].map((key) => {
              const what = { key, sleepMs: 0, spinMs: 0, sizeBytes: SIZE_BYTES, atMostOnce: false }
              return remote.combine.options({ schedulingStrategy: on(leaving) }).remote(what)
            })
            await wait(made, { numReturns: made.length, fetchLocal: false })
            return made
          })
          cluster.drain(leaving, new Draw('drain'))
          const { process, node } = leaving
          await world.until(() => (leaver === 'GONE' ? !process.alive : countIn(taker) > 0))
          expect(node?.raylet.state.draining).toBe(true)
          expect(process.alive).toBe(leaver === 'LEAVES')
          const most = countIn(taker)
          world.crash(driver.process)
          await remote.sleep(45_000)
          expect(refs).toHaveLength(4)
          return { most, least: countIn(taker) }
        },
      })
      expect(most).toBeGreaterThan(0)
      expect(least).toBe(0)
    },
  )

  test('D197 what a node that left has handed over stays when its job has ended there only', async () => {
    const what = { sleepMs: 0, spinMs: 0, sizeBytes: SIZE_BYTES, atMostOnce: true }
    const keys = ['a', 'b', 'c', 'd']
    const digests = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster, others }) => {
        const [leaving, taker] = others as [SimMember, SimMember]
        const teller = RemoteTeller.options({ schedulingStrategy: on(taker) }).remote('one', false)
        cluster.ledger.called('home', 0, remote.here().process)
        const told = teller.tell.remote('home', 0, 0)
        await get(told)
        told.free()
        const refs = keys.map((key) => {
          const strategy = { schedulingStrategy: on(leaving), maxRetries: 0 }
          return remote.combine.options(strategy).remote({ ...what, key })
        })
        await wait(refs, { numReturns: refs.length, fetchLocal: false })
        cluster.drain(leaving, new Draw('drain'))
        await cluster.world.until(() => !leaving.process.alive)
        expect(countIn(taker)).toBeGreaterThan(0)
        await kill(teller)
        await remote.sleep(45_000)
        expect(taker.node?.raylet.state.jobs.size).toBe(1) // its own
        const values = await get(refs)
        for (const ref of refs) ref.free()
        return values.map(remote.digestOf)
      },
    })
    expect(digests).toEqual(keys.map((key) => remote.combined(key, [])))
  })

  test('D201 one that was declared dead as it stood still ends, though the GCS is away from it', async () => {
    const isAlive = await playNodes({
      plan: calmNodes(4),
      program: async ({ cluster: { world }, others }) => {
        const [frozen] = others as [SimMember]
        frozen.mayDie(world.scheduler.nowMs + FROZEN_MS)
        frozen.process.pause(FROZEN_MS)
        frozen.quality.failChance = 1
        await remote.sleep(FROZEN_MS)
        expect(frozen.process.alive).toBe(true)
        await remote.sleep(LOST_MS)
        return frozen.process.alive
      },
    })
    expect(isAlive).toBe(false)
  })

  test('D206 a driver ends: what a detached actor has on a node where that was a guest goes on', async () => {
    const what = {
      key: 'sent',
      sleepMs: 40_000,
      spinMs: 0,
      sizeBytes: SIZE_BYTES,
      atMostOnce: true,
    }
    const named = { name: 'sender', namespace: remote.SHARED_NAMESPACE }
    await playNodes({
      plan: calmNodes(4),
      program: async ({ cluster: { world, ledger }, others }) => {
        const [theirs, there, itsHome] = others as [SimMember, SimMember, SimMember]
        if (theirs.node === undefined) throw new Error('it has no raylet')
        sent.clear()
        const driver = await world.startDriver('another driver', theirs.node)
        const { deps, rootScope } = driver.core
        await deps.context.run(rootScope, async () => {
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
        for (const each of [busy, ref]) each.free()
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

  test('F08 D208 of a node that stood still until it was dead nothing stays, though a driver attaches as it goes on', async () => {
    const rows = await playNodes({
      plan: calmNodes(4),
      program: async ({ cluster, others }) => {
        const { storage } = cluster.world
        const [frozen] = others as [SimMember]
        const held = async (): Promise<readonly string[]> =>
          (await storage.query('cluster', heldPartition(frozen))).map(({ key }) => key.sk)
        expect(await held()).toHaveLength(1)
        frozen.mayDie(cluster.world.scheduler.nowMs + FROZEN_MS)
        frozen.process.pause(FROZEN_MS)
        await remote.sleep(FROZEN_MS - 1)
        expect(await held()).toEqual([])
        if (frozen.node !== undefined) void cluster.drive(frozen, frozen.node)
        await remote.sleep(LOST_MS)
        return await held()
      },
    })
    expect(rows).toEqual([])
  })

  test('D208 a free that is lost with its connection is told again', async () => {
    const what = { key: 'a', sleepMs: 0, spinMs: 0, sizeBytes: SIZE_BYTES, atMostOnce: true }
    const left = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster, home, others }) => {
        const [there] = others as [SimMember]
        const strategy = { schedulingStrategy: on(there), maxRetries: 0 }
        const ref = remote.combine.options(strategy).remote(what)
        await wait([ref], { numReturns: 1, fetchLocal: false })
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
    const what = { key: 'a', sleepMs: 0, spinMs: 0, sizeBytes: SIZE_BYTES, atMostOnce: true }
    const digest = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster, home, others }) => {
        const [there] = others as [SimMember]
        const strategy = { schedulingStrategy: on(there), maxRetries: 0 }
        const ref = remote.combine.options(strategy).remote(what)
        await wait([ref], { numReturns: 1, fetchLocal: false })
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
    const what = { key: 'a', sleepMs: 0, spinMs: 0, sizeBytes: SIZE_BYTES, atMostOnce: false }
    const counts = await playNodes({
      plan: calmNodes(3),
      program: async ({ cluster: { world, ledger }, home, others }) => {
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
        const driver = world.drivers.find(({ process }) => machineOf(process) === home.machine)
        driversLeave(world)
        await world.until(() => driver?.process.alive !== true && countIn(home) === 0)
        return [before, home.node?.raylet.state.jobs.size]
      },
    })
    expect(counts).toEqual([1, 1]) // its job is there still
  })
})

const SIZE_BYTES = 200_000
/** Nobody is declared dead for it. */
const SHORT_MS = 2_000

/** Within that it is declared dead. */
const FROZEN_MS = 2 * LEASE_MS
/** In which who goes on has pinged the others. */
const LOST_MS = 5_000

/** The other machine on which a task runs. */
function whereElse({ cluster, home }: Scene): string {
  const isBusy = ({ core }: SimWorker): boolean => (core?.execution?.executor.runningCount ?? 0) > 0
  const machines = cluster.world
    .workers()
    .filter(isBusy)
    .map(({ process }) => machineOf(process))
  const found = machines.find((machine) => machine !== home.machine)
  if (found === undefined) throw new Error('no task runs elsewhere')
  return found
}

/** Who comes then has met all others. */
const ACQUAINTED_MS = 15_000
/** Nodes that clear up after a dead one, as in actor-adopter.ts. */
const HEIR_COUNT = 3

/** A node, and those that start its actors again: none of them is the home of the program. */
function theUnlucky({ home, others }: Scene): {
  readonly victim: SimMember
  readonly heirs: readonly SimMember[]
} {
  for (const victim of others) {
    const ids = [home, ...others].filter((each) => each !== victim).map(({ nodeId }) => nodeId)
    const first = rendezvous(`${victim.nodeId}#${String(victim.epoch)}`, ids, HEIR_COUNT)
    const heirs = others.filter(({ nodeId }) => first.includes(nodeId))
    if (heirs.length === HEIR_COUNT) return { victim, heirs }
  }
  throw new Error('the home of the program is an heir of all')
}
