// What seeds that once failed have found, as programs of their own: what a seed does changes with
// the programs and faults that the simulation draws, so what must stay is told here, step by step.
import { describe, expect, test } from 'vitest'
import { cancel, get, wait, type ObjectRef } from '../../sdk/index.ts'
import { actorEntryOf } from '../../runtime/core-worker/actor-handle.ts'
import { entryOf } from '../../runtime/core-worker/object-ref.ts'
import { Draw } from './draw.ts'
import { drawPlan, withoutFaults } from './plan.ts'
import { play } from './play.ts'
import * as remote from './workload.ts'
import type { Doing, Value } from './workload.ts'

const doing = (key: string, more: Partial<Doing> = {}): Doing => ({
  key,
  sleepMs: 0,
  spinMs: 0,
  sizeBytes: 0,
  atMostOnce: false,
  ...more,
})

const calm = withoutFaults(drawPlan(new Draw('scenarios')))

describe('scenario', () => {
  test('a task is cancelled while the worker it was pushed to is still being dialled', async () => {
    const link = { ...calm.link, latencyMs: 10, jitterMs: 0 }
    const outcome = await play({ ...calm, cpus: 1, link }, async (world) => {
      const first = remote.combine.remote(doing('first'))
      const second = remote.combine.remote(doing('second'))
      await world.until(() => world.network.dialled.some((name) => name.includes('worker')))
      await cancel(first)
      await expect(get(first)).rejects.toThrow('cancelled')
      const value = await get(second)
      first.free()
      second.free()
      return value
    })
    expect(outcome).toBe(remote.combined('second', []))
  })

  test("large results of a call with several are its caller's: they outlive the worker", async () => {
    const read = await play({ ...calm, cpus: 1 }, async (world) => {
      const what = doing('several', { sizeBytes: 150_000 })
      const refs = remote.several.options({ numReturns: 2 }).remote(what, 2)
      const values = await get(refs)
      for (const { process } of world.workers()) world.crash(process)
      await remote.sleep(1_000)
      const again = await get(refs[0])
      for (const ref of refs) ref.free()
      return remote.digestOf(again) === remote.digestOf(values[0])
    })
    expect(read).toBe(true)
  })

  test('a ref that only the call held which gives it back outlives the worker of that call', async () => {
    const digest = await play({ ...calm, cpus: 2 }, async (world) => {
      const lent = remote.lend.remote(doing('lent', { sizeBytes: 150_000 }))
      const { refs } = await get(lent)
      lent.free()
      const [ref] = refs as [ObjectRef<Value>]
      const { ownerAddress } = entryOf(ref).sharing ?? {}
      const crashOthers = async (): Promise<void> => {
        for (const { process } of world.workers()) {
          if (process.name !== ownerAddress) world.crash(process)
        }
        await remote.sleep(500)
      }
      await crashOthers()
      const busy = remote.combine.remote(doing('busy', { sleepMs: 5_000 })) // at the owner
      await remote.sleep(500)
      const passed = remote.passOn.remote(doing('passed'), { refs: [ref] })
      ref.free()
      const [again] = (await get(passed)).refs as [ObjectRef<Value>]
      await crashOthers()
      const value = await get(again)
      for (const each of [...refs, busy, passed, again]) each.free()
      return remote.digestOf(value)
    })
    expect(digest).toBe(remote.digestOfPart(doing('lent'), 0))
  })

  test('F14 an actor is named while the GCS is away: it lives once the GCS is back', async () => {
    const plan = { ...calm, storage: { latencyMs: 1, failChance: 0 } }
    const seq = await play(plan, async (world, driver) => {
      plan.storage.failChance = 1
      world.scheduler.at(world.scheduler.nowMs + 5_000, undefined, 'the GCS is back', () => {
        plan.storage.failChance = 0
      })
      const actor = remote.RemoteAccount.options({ name: 'named' }).remote('named', true)
      const ref = actor.take.remote('driver1', 7, 0)
      const taken = await get(ref)
      ref.free()
      driver.collector.drop(actorEntryOf(actor))
      return taken
    })
    expect(seq).toBe(7)
  })

  test('D178 a call that others pass is answered, though the ring of calls in flight grew', async () => {
    const told = await play({ ...calm, cpus: 1 }, async (_, driver) => {
      const actor = remote.RemoteAccount.options({ maxConcurrency: 500 }).remote('ring', false)
      const slow = actor.take.remote('slow', 7, 2_000)
      let seq = 0
      const some = (count: number): ObjectRef<number>[] =>
        Array.from({ length: count }, () => actor.take.remote('quick', seq++, 0))
      // The ring has 64 places: the slow call is moved out of it while little of it is in use, and
      // then it grows over the number of that call.
      for (const count of [39, 80]) {
        const refs = some(count)
        await get(refs)
        for (const ref of refs) ref.free()
      }
      const late = await get(slow)
      slow.free()
      driver.collector.drop(actorEntryOf(actor))
      return late
    })
    expect(told).toBe(7)
  })

  test('what is damaged on the disk, and could not be made again, goes with its ref', async () => {
    const plan = { ...calm, arenaBytes: 2 ** 20, disk: { ...calm.disk, damageChance: 1 } }
    const outcome = await play(plan, async () => {
      const sizeBytes = 400_000
      const first = remote.onlyOnce.remote(doing('first', { sizeBytes }))
      const others = ['second', 'third'].map((key) =>
        remote.combine.remote(doing(key, { sizeBytes })),
      )
      for (const ref of [first, ...others]) await wait([ref])
      await expect(get(first)).rejects.toThrow('first cannot be made again')
      for (const ref of [first, ...others]) ref.free()
      return 'nothing is left at rest'
    })
    expect(outcome).toBe('nothing is left at rest')
  })
})
