// Actors of a node that leaves on request: each lives elsewhere as soon as its worker has ended,
// whatever keeps the node, and that costs it one restart (F06, GA1).
import { describe, expect, test } from 'vitest'
import { DRAIN_GRACE_MS } from '../../../runtime/common/limits.ts'
import { toHex } from '../../../runtime/common/ids.ts'
import { readActor } from '../../../runtime/gcs/actors.ts'
import type { Actor } from '../../../runtime/raylet/actors/actor-state.ts'
import { get, inPlacementGroup, kill, placementGroup } from '../../../sdk/index.ts'
import { Draw } from '../draw.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, losePower, on } from './scene.ts'
import { RemoteTeller, tellsTwice, type TellerHandle } from './workload.ts'

/** Less than what keeps a node, by far. */
const SOON_MS = 1_000
const CUT_MS = 20_000
const BUSY_MS = 7_000
const NAMED = { name: 'teller', namespace: 'tellers' }

type Options = Parameters<typeof RemoteTeller.options>[0]

const tellerOn = (member: SimMember, options: Options = {}): TellerHandle =>
  RemoteTeller.options({
    ...{ maxRestarts: 1, maxTaskRetries: -1, schedulingStrategy: on(member, true) },
    ...options,
  }).remote('teller', false)

async function call({ cluster }: Scene, teller: TellerHandle, caller: string): Promise<number> {
  cluster.ledger.called(caller, 0, remote.here().process)
  return (await teller.tell.run(caller, 0, 0)).life
}

/** As that node has it. */
const tellerAt = ({ node }: SimMember): Actor | undefined =>
  [...(node?.raylet.state.actors.values() ?? [])].find(({ spec }) => spec.className === 'Teller')

async function rowOf(scene: Scene, { spec }: Actor): ReturnType<typeof readActor> {
  return await readActor(scene.cluster.witness.storage, toHex(spec.actorId))
}

/** A task that runs there until it ends by itself. */
async function busyOn({ cluster }: Scene, member: SimMember, forMs: number, numCpus = 1) {
  const key = `busy at ${member.machine}`
  const what = aDoing(key, { sleepMs: forMs, sizeBytes: 0 })
  const strategy = { schedulingStrategy: on(member), maxRetries: 0, numCpus }
  const ref = remote.combine.options(strategy).remote(what)
  await cluster.world.until(() => cluster.ledger.tasks.get(key)?.starts === 1)
  return ref
}

/** @returns what that node has of it, and when it began to drain. */
async function drain({ cluster }: Scene, leaving: SimMember) {
  const { world } = cluster
  const actor = tellerAt(leaving)
  if (actor === undefined) throw new Error('it is not there')
  cluster.drain(leaving, new Draw('drain'))
  await world.until(() => leaving.node?.raylet.state.draining === true)
  return { actor, atMs: world.scheduler.nowMs }
}

const left = ({ cluster }: Scene, leaving: SimMember): Promise<void> =>
  cluster.world.until(() => !leaving.process.alive)

describe('D242 the node of an actor leaves', () => {
  test.each([
    ['one of a driver', {}],
    ['a detached one', { ...NAMED, lifetime: 'detached' as const }],
  ])('%s answers from elsewhere while a task keeps its node', async (_, options) => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, others } = scene
        const [leaving] = others as [SimMember]
        const { scheduler } = cluster.world
        const teller = tellerOn(leaving, options)
        await call(scene, teller, 'before')
        const busy = await busyOn(scene, leaving, BUSY_MS)
        const { actor, atMs } = await drain(scene, leaving)
        await call(scene, teller, 'meanwhile')
        expect(scheduler.nowMs - atMs).toBeLessThan(SOON_MS)
        expect(leaving.process.alive).toBe(true)
        await get(busy)
        busy.free()
        await left(scene, leaving)
        expect(scheduler.nowMs - atMs).toBeLessThan(DRAIN_GRACE_MS)
        await remote.sleep(CUT_MS)
        await call(scene, teller, 'after')
        expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
        await kill(teller)
      },
    })
  })

  test('one that a task of that node calls answers it', async () => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, others } = scene
        const [leaving] = others as [SimMember]
        const teller = tellerOn(leaving)
        await call(scene, teller, 'before')
        const strategy = { schedulingStrategy: on(leaving), maxRetries: 0 }
        const twice = tellsTwice.options(strategy).remote(teller, 'there', 5_000)
        await cluster.world.until(() => cluster.ledger.effectsOf('teller', 'there', 0) === 1)
        await drain(scene, leaving)
        expect(await get(twice)).toMatchObject({ key: 'teller', seq: 1 })
        twice.free()
        expect(leaving.process.alive).toBe(true)
      },
    })
  })

  test.each(['loses its power', 'is told to stop at once'])(
    'GA1 it costs one restart, though the node %s as another is asked',
    async (what) => {
      await playNodes({
        plan: calmNodes(3),
        program: async (scene) => {
          const { cluster, others } = scene
          const [leaving] = others as [SimMember]
          const teller = tellerOn(leaving)
          await call(scene, teller, 'before')
          const busy = await busyOn(scene, leaving, BUSY_MS)
          const { actor } = await drain(scene, leaving)
          await cluster.world.until(() => actor.place === 'GIVEN')
          if (what === 'loses its power') losePower(scene, leaving)
          else void leaving.node?.raylet.stop()
          await call(scene, teller, 'after')
          busy.free()
          await remote.sleep(CUT_MS)
          expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
        },
      })
    },
  )

  test.each([
    ['long before', SOON_MS],
    ['as it begins to leave', DRAIN_GRACE_MS + SOON_MS],
  ])('GA2, GA3 its node is cut off from all others, %s: one restart', async (when, limitMs) => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, home, others } = scene
        const [leaving, staying] = others as [SimMember, SimMember]
        const { network, scheduler } = cluster.world
        const cutOff = (): void => {
          for (const { machine } of [home, staying])
            network.holdMachines(leaving.machine, machine, CUT_MS)
        }
        const teller = tellerOn(leaving)
        await call(scene, teller, 'before')
        if (when === 'long before') cutOff()
        const { actor, atMs } = await drain(scene, leaving)
        if (when !== 'long before') cutOff()
        await left(scene, leaving)
        expect(scheduler.nowMs - atMs).toBeLessThan(limitMs)
        await call(scene, teller, 'after')
        expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
      },
    })
  })

  test('GA3 where all others are full its node does not wait for room: it waits for that elsewhere', async () => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, home, others } = scene
        const [leaving, staying] = others as [SimMember, SimMember]
        const teller = tellerOn(leaving)
        await call(scene, teller, 'before')
        const busy = [
          await busyOn(scene, home, 3 * BUSY_MS),
          await busyOn(scene, staying, 3 * BUSY_MS),
        ]
        const { actor, atMs } = await drain(scene, leaving)
        await left(scene, leaving)
        expect(cluster.world.scheduler.nowMs - atMs).toBeLessThan(SOON_MS)
        await call(scene, teller, 'after')
        expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
        for (const each of busy) each.free()
      },
    })
  })

  test.each(['', 'restarted'])('GA2 it is killed as another is asked: %s', async (what) => {
    await playNodes({
      plan: calmNodes(3),
      program: async (scene) => {
        const { cluster, home, others } = scene
        const [leaving, staying] = others as [SimMember, SimMember]
        const teller = tellerOn(leaving)
        await call(scene, teller, 'before')
        const busy = await busyOn(scene, leaving, BUSY_MS)
        const { actor } = await drain(scene, leaving)
        await cluster.world.until(() => actor.place === 'GIVEN')
        await kill(teller, { noRestart: what === '' })
        if (what === 'restarted') {
          await call(scene, teller, 'after')
          expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
        } else {
          await expect(call(scene, teller, 'after')).rejects.toThrow('it was killed')
          expect(await rowOf(scene, actor)).toMatchObject({ state: 'DEAD' })
          const lives = [home, staying].map((member) => tellerAt(member)?.lease)
          expect(lives).toEqual([undefined, undefined])
        }
        await get(busy)
        busy.free()
      },
    })
  })

  test('one in a placement group lives where its bundle is placed anew, while a task keeps its node', async () => {
    await playNodes({
      plan: calmNodes(4),
      program: async (scene) => {
        const { cluster, home, others } = scene
        const bundles = Array.from({ length: 3 }, () => ({ CPU: 1 }))
        const group = placementGroup(bundles, { strategy: 'STRICT_SPREAD', name: 'three' })
        await group.ready()
        const [{ across } = {}] = home.node?.raylet.state.groups.values() ?? []
        const bundleIndex = across?.places.findIndex((nodeId) => nodeId !== home.nodeId)
        const leaving = others.find(({ nodeId }) => nodeId === across?.places[bundleIndex ?? -1])
        if (leaving === undefined || bundleIndex === undefined) throw new Error('it lies nowhere')
        const teller = tellerOn(leaving, {
          schedulingStrategy: inPlacementGroup(group, { bundleIndex }),
        })
        await call(scene, teller, 'before')
        const busy = await busyOn(scene, leaving, BUSY_MS, 0)
        const { actor, atMs } = await drain(scene, leaving)
        await call(scene, teller, 'meanwhile')
        expect(cluster.world.scheduler.nowMs - atMs).toBeLessThan(SOON_MS)
        expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
        await get(busy)
        busy.free()
      },
    })
  })
})
