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
import {
  makesDetached,
  RemoteTeller,
  tellsTwice,
  type TellerHandle,
  type TellerOptions,
} from './workload.ts'

/** Less than what keeps a node, by far. */
const SOON_MS = 1_000
const CUT_MS = 20_000
const BUSY_MS = 7_000
const NAMED = { name: 'teller', namespace: 'tellers' }

type Place = Pick<TellerOptions, 'schedulingStrategy'>

type Lives = Pick<TellerOptions, 'maxRestarts' | 'maxTaskRetries'>
const WITH_ONE: Lives = { maxRestarts: 1, maxTaskRetries: -1 }

const tellerOn = (member: SimMember, options: TellerOptions = {}): TellerHandle =>
  RemoteTeller.options({
    ...{ ...WITH_ONE, schedulingStrategy: on(member, true) },
    ...options,
  }).remote('teller', false)

async function call({ cluster }: Scene, teller: TellerHandle, caller: string): Promise<number> {
  cluster.ledger.called(caller, 0, remote.here().process)
  return (await teller.tell.run(caller, 0, 0)).life
}

interface Among extends Scene {
  readonly leaving: SimMember
  readonly staying: SimMember
}

/** Three nodes, of which one is to leave. */
const among = (program: (scene: Among) => Promise<void>): Promise<void> =>
  playNodes({
    plan: calmNodes(3),
    program: async (scene) => {
      const [leaving, staying] = scene.others as [SimMember, SimMember]
      await program({ ...scene, leaving, staying })
    },
  })

/** An actor of the driver lives there. */
const whereOneLives = (
  program: (scene: Among & { readonly teller: TellerHandle }) => Promise<void>,
  options: TellerOptions = {},
): Promise<void> =>
  among(async (scene) => {
    const teller = tellerOn(scene.leaving, options)
    await call(scene, teller, 'before')
    await program({ ...scene, teller })
  })

/** Of four nodes the one that is to leave has a bundle of a group. */
const whereOneIsInAGroup = (
  program: (
    scene: Scene & { readonly leaving: SimMember; readonly inBundle: Place },
  ) => Promise<void>,
): Promise<void> =>
  playNodes({
    plan: calmNodes(4),
    program: async (scene) => {
      const { home, others } = scene
      const bundles = Array.from({ length: 3 }, () => ({ CPU: 1 }))
      const group = placementGroup(bundles, { strategy: 'STRICT_SPREAD', name: 'three' })
      await group.ready()
      const [{ across } = {}] = home.node?.raylet.state.groups.values() ?? []
      const bundleIndex = across?.places.findIndex((nodeId) => nodeId !== home.nodeId)
      const leaving = others.find(({ nodeId }) => nodeId === across?.places[bundleIndex ?? -1])
      if (leaving === undefined || bundleIndex === undefined) throw new Error('it lies nowhere')
      const inBundle = { schedulingStrategy: inPlacementGroup(group, { bundleIndex }) }
      await program({ ...scene, leaving, inBundle })
    },
  })

/** As that node has it. */
const tellerAt = ({ node }: SimMember): Actor | undefined =>
  [...(node?.raylet.state.actors.values() ?? [])].find(({ spec }) => spec.className === 'Teller')

async function rowOf(scene: Scene, { spec }: Actor): ReturnType<typeof readActor> {
  return await readActor(scene.cluster.witness.storage, toHex(spec.actorId))
}

/** A task that runs there until it ends by itself. */
async function busyOn(
  { cluster }: Scene,
  member: SimMember,
  forMs: number,
  options: Partial<Place> & { readonly numCpus?: number } = {},
) {
  const key = `busy at ${member.machine}`
  const what = aDoing(key, { sleepMs: forMs, sizeBytes: 0 })
  const strategy = { schedulingStrategy: on(member), maxRetries: 0, ...options }
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

/** The same, by a signal: at once. */
function leaveNow(leaving: SimMember): void {
  leaving.drained = true
  leaving.node?.raylet.drain(DRAIN_GRACE_MS)
}

/** From all others. */
function cutOff({ cluster, home, leaving, staying }: Among, forMs: number): void {
  const { network } = cluster.world
  for (const { machine } of [home, staying]) network.holdMachines(leaving.machine, machine, forMs)
}

/** A task on the one node has made a detached one, on the other if it can be there. */
async function madeOn(maker: SimMember, member: SimMember, options: Lives): Promise<TellerHandle> {
  const strategy = { schedulingStrategy: on(maker), maxRetries: 0, numCpus: 0 }
  const making = makesDetached.options(strategy)
  return (await making.run('teller', member.nodeId, options)).teller
}

const left = ({ cluster }: Scene, leaving: SimMember): Promise<void> =>
  cluster.world.until(() => !leaving.process.alive)

describe('D242 the node of an actor leaves', () => {
  test.each([
    ['one of a driver', {}],
    ['a detached one', { ...NAMED, lifetime: 'detached' as const }],
  ])('%s answers from elsewhere while a task keeps its node', async (_, options) => {
    await whereOneLives(async (scene) => {
      const { leaving, teller } = scene
      const { scheduler } = scene.cluster.world
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
    }, options)
  })

  test('one that a task of that node calls answers it', async () => {
    await whereOneLives(async (scene) => {
      const { cluster, leaving, teller } = scene
      const strategy = { schedulingStrategy: on(leaving), maxRetries: 0 }
      const twice = tellsTwice.options(strategy).remote(teller, 'there', 5_000)
      await cluster.world.until(() => cluster.ledger.effectsOf('teller', 'there', 0) === 1)
      await drain(scene, leaving)
      expect(await get(twice)).toMatchObject({ key: 'teller', seq: 1 })
      twice.free()
      expect(leaving.process.alive).toBe(true)
    })
  })

  test.each(['loses its power', 'is told to stop at once'])(
    'GA1 it costs one restart, though the node %s as another is asked',
    async (what) => {
      await whereOneLives(async (scene) => {
        const { leaving, teller } = scene
        const busy = await busyOn(scene, leaving, BUSY_MS)
        const { actor } = await drain(scene, leaving)
        await scene.cluster.world.until(() => actor.place === 'GIVEN')
        if (what === 'loses its power') losePower(scene, leaving)
        else void leaving.node?.raylet.stop()
        await call(scene, teller, 'after')
        busy.free()
        await remote.sleep(CUT_MS)
        expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
      })
    },
  )

  test.each([
    ['long before', SOON_MS],
    ['as it begins to leave', DRAIN_GRACE_MS + SOON_MS],
  ])('GA2, GA3 its node is cut off from all others, %s: one restart', async (when, limitMs) => {
    await whereOneLives(async (scene) => {
      const { leaving, teller } = scene
      if (when === 'long before') cutOff(scene, CUT_MS)
      const { actor, atMs } = await drain(scene, leaving)
      if (when !== 'long before') cutOff(scene, CUT_MS)
      await left(scene, leaving)
      expect(scene.cluster.world.scheduler.nowMs - atMs).toBeLessThan(limitMs)
      await call(scene, teller, 'after')
      expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
    })
  })

  test('GA3 where all others are full its node does not wait for room: it waits for that elsewhere', async () => {
    await whereOneLives(async (scene) => {
      const { cluster, home, leaving, staying, teller } = scene
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
    })
  })

  test.each(['', 'restarted'])('GA2 it is killed as another is asked: %s', async (what) => {
    await whereOneLives(async (scene) => {
      const { home, leaving, staying, teller } = scene
      const busy = await busyOn(scene, leaving, BUSY_MS)
      const { actor } = await drain(scene, leaving)
      await scene.cluster.world.until(() => actor.place === 'GIVEN')
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
    })
  })

  test('one in a placement group lives where its bundle is placed anew, while a task keeps its node', async () => {
    await whereOneIsInAGroup(async (scene) => {
      const { leaving, inBundle } = scene
      const teller = tellerOn(leaving, inBundle)
      await call(scene, teller, 'before')
      const busy = await busyOn(scene, leaving, BUSY_MS, { numCpus: 0 })
      const { actor, atMs } = await drain(scene, leaving)
      await call(scene, teller, 'meanwhile')
      expect(scene.cluster.world.scheduler.nowMs - atMs).toBeLessThan(SOON_MS)
      expect(await rowOf(scene, actor)).toMatchObject({ incarnation: 1, state: 'ALIVE' })
      await get(busy)
      busy.free()
    })
  })
})

/** It has a node, and no worker there. */
async function startingOn({ cluster }: Scene, member: SimMember): Promise<Actor> {
  await cluster.world.until(() => tellerAt(member)?.lease !== undefined)
  const actor = tellerAt(member)
  if (actor?.lease?.worker !== undefined || actor === undefined) throw new Error('it was late')
  return actor
}

const ONCE: Lives = { maxRestarts: 0, maxTaskRetries: 0 }
const RESTARTS = [['without restarts', ONCE] as const, ['with one', WITH_ONE] as const]
const IS_UNCHARGED = { incarnation: 0, state: 'ALIVE' }

type Which = 'leaving' | 'staying'

interface Made {
  readonly what: string
  readonly maker: Which
  readonly place: Which
  readonly leaves: readonly Which[]
  /** Else a third node might ask it as it ends, and hear nothing. */
  readonly keptMs: number
}

const MADE: readonly Made[] = [
  { what: 'made there', maker: 'leaving', place: 'leaving', leaves: ['leaving'], keptMs: 0 },
  { what: 'offered', maker: 'leaving', place: 'staying', leaves: ['leaving'], keptMs: 0 },
  {
    ...{ what: 'whose maker leaves, too,', maker: 'staying', place: 'leaving' },
    ...{ leaves: ['staying', 'leaving'], keptMs: BUSY_MS },
  },
]

describe('D248 the node leaves of an actor whose constructor has not begun', () => {
  test.each(RESTARTS)(
    'one %s that is being started lives elsewhere, uncharged',
    async (_, options) => {
      await among(async (scene) => {
        const { leaving } = scene
        const teller = tellerOn(leaving, options)
        const actor = await startingOn(scene, leaving)
        leaveNow(leaving)
        await call(scene, teller, 'after')
        await left(scene, leaving)
        expect(await rowOf(scene, actor)).toMatchObject(IS_UNCHARGED)
        expect(tellerAt(leaving)).toBeUndefined()
      })
    },
  )

  test.each(RESTARTS)(
    'one %s that waits for its bundle there waits where that is placed anew',
    async (_, options) => {
      await whereOneIsInAGroup(async (scene) => {
        const { cluster, leaving, inBundle } = scene
        const busy = await busyOn(scene, leaving, BUSY_MS, inBundle)
        const teller = tellerOn(leaving, { ...inBundle, ...options })
        await cluster.world.until(() => tellerAt(leaving) !== undefined)
        const actor = tellerAt(leaving) as Actor
        await drain(scene, leaving)
        await call(scene, teller, 'after')
        expect(await rowOf(scene, actor)).toMatchObject(IS_UNCHARGED)
        await get(busy)
        busy.free()
      })
    },
  )

  test.each(MADE.flatMap((made) => RESTARTS.map(([has, options]) => ({ ...made, has, options }))))(
    'GA3 a detached one $what lives once, uncharged, $has',
    async (made) => {
      await among(async (scene) => {
        const [maker, place] = [scene[made.maker], scene[made.place]]
        const leaves = made.leaves.map((each) => scene[each])
        const busy = await busyOn(scene, place, made.keptMs, { numCpus: 0 })
        const teller = await madeOn(maker, place, made.options)
        const actor = await startingOn(scene, place)
        for (const each of leaves) leaveNow(each)
        await call(scene, teller, 'after')
        for (const each of leaves) await left(scene, each)
        expect(await rowOf(scene, actor)).toMatchObject(IS_UNCHARGED)
        busy.free()
        await kill(teller)
      })
    },
  )

  test.each([
    [200, 0],
    [2 * DRAIN_GRACE_MS, 1],
  ])(
    'GA2 nobody hears that it has not begun for %s ms: it lives once, in life %s',
    async (cutMs, incarnation) => {
      await among(async (scene) => {
        const { cluster, leaving } = scene
        const teller = tellerOn(leaving)
        const actor = await startingOn(scene, leaving)
        leaveNow(leaving)
        cutOff(scene, cutMs)
        const life = await call(scene, teller, 'after')
        await remote.sleep(CUT_MS)
        expect(await call(scene, teller, 'later')).toBe(life)
        expect(await rowOf(scene, actor)).toMatchObject({ incarnation, state: 'ALIVE' })
        expect(leaving.process.alive).toBe(false)
        expect(cluster.serving()).toHaveLength(2)
      })
    },
  )

  test.each(['has not begun', 'is asked to adopt it'])(
    'it is killed as its node says that it %s',
    async (what) => {
      await among(async (scene) => {
        const { home, leaving, staying } = scene
        const isOffered = what === 'has not begun'
        const teller = isOffered ? tellerOn(leaving, ONCE) : await madeOn(leaving, leaving, ONCE)
        const actor = await startingOn(scene, leaving)
        leaveNow(leaving)
        await scene.cluster.world.until(() => actor.place === 'GIVEN')
        await kill(teller)
        await expect(call(scene, teller, 'after')).rejects.toThrow('it was killed')
        expect(await rowOf(scene, actor)).toMatchObject({ state: 'DEAD' })
        const lives = [home, staying].map((member) => tellerAt(member)?.lease)
        expect(lives).toEqual([undefined, undefined])
      })
    },
  )
})
