// Messages that come late, in the order of their connection and in no other: what a caller hears
// then, step by step. Seeds draw the same at random; here it happens for certain.
import { describe, expect, test } from 'vitest'
import { cancel, get, type ObjectRef } from '../../sdk/index.ts'
import { actorEntryOf } from '../../runtime/core-worker/actor-handle.ts'
import { Draw } from './draw.ts'
import { drawPlan, withoutFaults } from './plan.ts'
import { play } from './play.ts'
import * as remote from './workload.ts'
import type { Doing, Value } from './workload.ts'
import type { SimDriver, World } from './world.ts'

const HELD_MS = 3_000
const CALLS = 20
const SEQS = Array.from({ length: CALLS }, (_, seq) => seq)

const calm = withoutFaults(drawPlan(new Draw('late messages')))
const doing = (key: string, more: Partial<Doing> = {}): Doing => ({
  ...{ key, sleepMs: 0, spinMs: 0, sizeBytes: 0, atMostOnce: false },
  ...more,
})

/** What it gives, or the name of its error: the same whenever it is asked. */
const outcomeOf = (ref: ObjectRef<Value>): Promise<unknown> =>
  get(ref).then(remote.digestOf, (error: unknown) => (error as Error).name)

/**
 * The task runs, and ends while its worker and the driver hear nothing of each other.
 * @returns that worker's process, which may be killed.
 */
async function endsUnheard(world: World, driver: SimDriver) {
  const running = (): number =>
    world
      .workers()
      .reduce((sum, { core }) => sum + (core?.execution?.executor.runningCount ?? 0), 0)
  await world.until(() => running() > 0)
  const worker = world.workers().find(({ core }) => core?.execution?.executor.runningCount === 1)
  if (worker === undefined) throw new Error('one worker was to run it')
  world.network.hold(driver.process, worker.process, HELD_MS)
  await world.until(() => running() === 0)
  return worker.process
}

describe('F20: messages that are late', () => {
  test.each([40, 400, 2_000])(
    'F20: by up to %i ms: the calls of each caller run in its order, each answer is of its call',
    async (spikeMs) => {
      const link = { latencyMs: 1, jitterMs: 5, spikeChance: 0.4, spikeMs }
      const plan = { ...calm, cpus: 3, link, faultsEndMs: 60_000 }
      const told = await play(plan, async (world, driver) => {
        const actor = remote.RemoteAccount.remote('account', true)
        const own = SEQS.map((seq) => actor.take.remote('driver', seq, 0))
        const callers = ['a', 'b', 'c'].map((name) =>
          remote.callActor.remote(doing(name), actor, name, CALLS),
        )
        const answers = { own: await get(own), others: await get(callers) }
        for (const ref of [...own, ...callers]) ref.free()
        driver.collector.drop(actorEntryOf(actor))
        expect(world.probes.counts.get('a frame is late')).toBeGreaterThan(0)
        return answers
      })
      expect(told.own).toEqual(SEQS)
      expect(told.others).toEqual(['a', 'b', 'c'].map((name) => remote.combined(name, SEQS)))
    },
  )
})

describe('F22: a reply that is late', () => {
  test.each([false, true])(
    'F22: after its task was cancelled (by force: %s) it changes nothing, and nothing is left of it',
    async (force) => {
      const told = await play({ ...calm, cpus: 1 }, async (world, driver) => {
        const ref = remote.combine.remote(doing('late', { sleepMs: 10, sizeBytes: 150_000 }))
        await endsUnheard(world, driver)
        await cancel(ref, { force })
        const first = await outcomeOf(ref)
        const atMs = world.scheduler.nowMs
        await remote.sleep(2 * HELD_MS)
        const outcomes = [first, await outcomeOf(ref)]
        ref.free()
        return { outcomes, atMs }
      })
      const [first, again] = told.outcomes
      expect(first).toBe('TaskCancelledError')
      expect(again).toBe(first)
    },
  )

  test('F22: after a newer attempt has begun: all who read the result read that of one attempt', async () => {
    const told = await play({ ...calm, cpus: 2 }, async (world, driver) => {
      const ref = remote.stamp.remote(doing('stamped', { sleepMs: 10 }))
      const early = remote.combine.remote(doing('early'), ref)
      world.crash(await endsUnheard(world, driver))
      const first = await outcomeOf(ref)
      await remote.sleep(2 * HELD_MS)
      const late = remote.combine.remote(doing('late'), ref)
      const readers = (await get([early, late])).map(remote.digestOf)
      const again = await outcomeOf(ref)
      for (const each of [ref, early, late]) each.free()
      return { first, again, readers }
    })
    const { first } = told
    expect(told.again).toBe(first)
    expect(told.readers).toEqual(
      ['early', 'late'].map((key) => remote.combined(key, [Number(first)])),
    )
  })
})
