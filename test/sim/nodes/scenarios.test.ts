// What was found on several real nodes, or by seeds that have changed since, as programs of their
// own: each failed on the code before its mend, and tells step by step what it takes.
import { describe, expect, test } from 'vitest'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { rendezvous } from '../../../runtime/gcs/rendezvous.ts'
import { heldPartition } from '../../../runtime/gcs/tables.ts'
import { get, kill, limiter, wait } from '../../../sdk/index.ts'
import type { JudgedLimit } from '../limits-ledger.ts'
import { Draw } from '../draw.ts'
import { machineOf } from '../process.ts'
import * as remote from '../workload.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, countIn, freeAll, losePower, on, runAs, whereElse } from './scene.ts'
import type { SimMember } from './member.ts'
import { makesLate, makesLateAndStays, RemoteTeller, shown, tellsTwice } from './workload.ts'

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
          freeAll([busy, ref])
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
        freeAll([before, after])
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

  test('F08 D155 of a call under way where the raylet stands still nobody takes an answer once the actor lives elsewhere', async () => {
    const { error, lives } = await playNodes({
      plan: calmNodes(4),
      program: async ({ cluster: { world }, others }) => {
        const [there] = others as [SimMember]
        const teller = RemoteTeller.options({
          ...{ maxRestarts: 1, maxConcurrency: 2, schedulingStrategy: on(there, true) },
        }).remote('box', false)
        const first = await teller.tell.run('first', 0, 0)
        const ref = teller.tell.remote('long', 0, 60_000)
        there.mayDie(world.scheduler.nowMs + 150_000)
        there.process.pause(150_000)
        const error = await get(ref).catch((error: unknown) => error as Error)
        ref.free()
        const next = await teller.tell.run('next', 0, 0)
        return { error, lives: [first.life, next.life] }
      },
    })
    expect(error).toMatchObject({ code: 'ERR_ACTOR_UNAVAILABLE' })
    expect(lives).toEqual([1, 2])
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
          const refs = await runAs(driver, async () => {
            const made = ['a', 'b', 'c', 'd'].map((key) => {
              return remote.combine.options({ schedulingStrategy: on(leaving) }).remote(aDoing(key))
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
})

/** Within that it is declared dead. */
const FROZEN_MS = 2 * LEASE_MS
/** In which who goes on has pinged the others. */
const LOST_MS = 5_000

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
