// What is told to lie in the bucket, and is not there any more: its owner has ended, or its file is
// gone.
import { describe, expect, test } from 'vitest'
import { fromHex } from '../../../runtime/common/ids.ts'
import { currentWorker } from '../../../sdk/current.ts'
import { get, wait, type ObjectRef } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import type { NodesPlan } from './plan.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { aDoing, freeAll, losePower, on } from './scene.ts'
import { lendAll, type Lent } from './workload.ts'

const LENT = aDoing('lent')

/** Small stores: what a node has is in the bucket soon. */
function smallNodes(): NodesPlan {
  const plan = calmNodes(3)
  const bucket = { latencyMs: 10, failChance: 0, diskFirst: false }
  return { ...plan, node: { ...plan.node, cpus: 4, arenaBytes: 1024 * 1024 }, bucket }
}

/** What a task on that node lent, once it has ended and its files are deleted. */
async function lentBy({ cluster: { world } }: Scene, there: SimMember): Promise<Lent> {
  const strategy = { schedulingStrategy: on(there) }
  const lending = lendAll.options(strategy).remote(LENT, 60_000)
  const lent = await get(lending)
  const fill = Array.from({ length: 9 }, (_, i) =>
    remote.combine.options(strategy).remote(aDoing(`fill ${String(i)}`)),
  )
  await wait(fill, { numReturns: fill.length, fetchLocal: false })
  await remote.sleep(5_000) // the GCS is told where it has spilled
  world.crash(world.processOf(lent.pid))
  await remote.sleep(5_000)
  freeAll([lending, ...fill])
  return lent
}

function letGo({ stored, made, stamped }: Lent): void {
  freeAll([stored, made, stamped])
}

const made = remote.combined(`${LENT.key}.1`, [])

describe('what was spilled, and deleted with its owner', () => {
  test('D212 a durable job reads what was spilled since, once its owner has ended and its nodes have freed it', async () => {
    const read = await playNodes({
      plan: { ...smallNodes(), parts: ['durable'] },
      program: async (scene) => {
        const [there] = scene.others as [SimMember]
        const lent = await lentBy(scene, there)
        const values = [await get(lent.stored), await get(lent.made)]
        letGo(lent)
        return values.map(remote.digestOf)
      },
    })
    expect(read).toEqual([remote.digestOfPart(LENT, 0), made])
  })

  const readers = {
    'as its argument': (ref: ObjectRef<remote.Value>, there: SimMember) =>
      remote.combine.options({ schedulingStrategy: on(there) }).run(reading, ref),
    'as a borrower': (ref: ObjectRef<remote.Value>, there: SimMember) =>
      remote.openBox.options({ schedulingStrategy: on(there) }).run(reading, { refs: [ref] }),
  }
  test.each(Object.entries(readers))(
    'AD4 D226 who adopted it makes it again, though another node is the first to miss it: %s',
    async (_how, read) => {
      const { digest, tookMs } = await playNodes({
        plan: smallNodes(),
        program: async (scene) => {
          const [there, elsewhere] = scene.others as [SimMember, SimMember]
          const lent = await lentBy(scene, there)
          const { scheduler } = scene.cluster.world
          await wait([lent.made], { numReturns: 1, fetchLocal: false }) // which adopts it
          const sinceMs = scheduler.nowMs
          const value = await read(lent.made, elsewhere)
          letGo(lent)
          return { digest: remote.digestOf(value), tookMs: scheduler.nowMs - sinceMs }
        },
      })
      expect(digest).toBe(remote.combined(reading.key, [made]))
      expect(tookMs).toBeLessThan(SOON_MS)
    },
  )
})

test('AD4 D234 what is looked for to be adopted is not failed by who needs it to make something else again', async () => {
  const digests = await playNodes({
    plan: calmNodes(3),
    program: async ({ cluster, others }) => {
      const [there] = others as [SimMember]
      const lending = lendAll.options({ schedulingStrategy: on(there) })
      const lent = await get(lending.remote(LENT, 60_000))
      const needs = remote.combine.remote(reading, lent.made)
      await wait([needs, lent.made], { numReturns: 2, fetchLocal: false })
      const { world, members } = cluster
      world.crash(world.processOf(lent.pid))
      const lost = [needs, lent.made].map(({ id }) => fromHex(id))
      for (const { node } of members) node?.store?.free(lost)
      delayed('findObject', 5_000)
      const adopting = get(lent.made)
      await remote.sleep(4_000)
      const values = await Promise.all([get(needs), adopting])
      letGo(lent)
      needs.free()
      return values.map(remote.digestOf)
    },
  })
  expect(digests).toEqual([remote.combined(reading.key, [made]), made])
})

/** The raylet takes so long to answer the driver, as one that asks the GCS in an outage. */
function delayed(type: string, forMs: number): void {
  const { raylet } = currentWorker('a delay').deps
  const request = raylet.request.bind(raylet)
  Object.assign(raylet, {
    request: async (asked: string, message: object) => {
      if (asked === type) await remote.sleep(forMs)
      return await request(asked as never, message as never)
    },
  })
}

test('D226 what a dead node had spilled is gone from the bucket: its owner has it made again', async () => {
  const digest = await playNodes({
    plan: smallNodes(),
    program: async (scene) => {
      const { bucket } = scene.cluster
      const [there, elsewhere] = scene.others as [SimMember, SimMember]
      const made = ['x', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((key) =>
        remote.combine.options({ schedulingStrategy: on(there, true) }).remote(aDoing(key)),
      )
      const [ref] = made as [ObjectRef<remote.Value>]
      await wait(made, { numReturns: made.length, fetchLocal: false })
      await remote.sleep(5_000) // the GCS is told where it has spilled
      losePower(scene, there)
      bucket.objects.clear()
      const strategy = { schedulingStrategy: on(elsewhere) }
      const value = await remote.combine.options(strategy).run(reading, ref)
      freeAll(made)
      return remote.digestOf(value)
    },
  })
  expect(digest).toBe(remote.combined(reading.key, [remote.combined('x', [])]))
})

const reading = aDoing('reader')
const SOON_MS = 5_000
