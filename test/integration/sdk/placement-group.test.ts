// Placement groups as a program uses them: reserved together, waited for, worked in, removed.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import {
  GetTimeoutError,
  InfeasibleError,
  PlacementGroupRemovedError,
  Queue,
  UsageError,
  availableResources,
  get,
  getPlacementGroup,
  inPlacementGroup,
  init,
  placementGroup,
  put,
  shutdown,
  type PlacementGroup,
} from 'virga'
import { resultOf } from '../shipping/run-program.ts'
import {
  RemotePlace,
  family,
  pid,
  readyInTask,
  reservesAll,
  resources,
  sleeper,
  square,
} from './tasks.ts'

const made: PlacementGroup[] = []

function group(...args: Parameters<typeof placementGroup>): PlacementGroup {
  const one = placementGroup(...args)
  made.push(one)
  return one
}

beforeAll(async () => {
  await init({ address: 'local', numCpus: 4, resources: { slot: 4 } })
})
afterEach(async () => {
  await Promise.all(made.splice(0).map((one) => one.remove()))
})
afterAll(shutdown)

test('bundles are reserved together, and free again once the group is removed', async () => {
  const one = group([{ slot: 1 }, { slot: 2 }], { strategy: 'STRICT_PACK', name: 'pair' })
  await one.ready()
  expect(one.bundles).toEqual([{ slot: 1 }, { slot: 2 }])
  expect(one.id).toMatch(/^[0-9a-f]{24}$/)
  expect((await availableResources())['slot']).toBe(1)
  await one.remove()
  expect((await availableResources())['slot']).toBe(4)
  await one.remove()
})

test('what can never be reserved is refused at once, by ready and by wait', async () => {
  const one = group([{ slot: 3 }, { slot: 3 }])
  await expect(one.ready()).rejects.toThrow(InfeasibleError)
  await expect(one.wait(0)).rejects.toThrow(InfeasibleError)
  const spread = group([{ slot: 1 }, { slot: 1 }], { strategy: 'STRICT_SPREAD' })
  await expect(spread.ready()).rejects.toThrow(/STRICT_SPREAD/)
})

test('a group waits for room: wait polls, ready times out, and both see it when it comes', async () => {
  const first = group([{ slot: 3 }])
  await first.ready()
  const second = group([{ slot: 2 }])
  expect(await second.wait(0)).toBe(false)
  expect(await second.wait(20)).toBe(false)
  await expect(second.ready({ timeoutMs: 20 })).rejects.toThrow(GetTimeoutError)
  const waiting = second.wait(10_000)
  await first.remove()
  expect(await waiting).toBe(true)
  expect(await second.wait(0)).toBe(true)
  await expect(first.ready()).rejects.toThrow(PlacementGroupRemovedError)
  await expect(first.ready()).rejects.toThrow(`placement group ${first.id} was removed`)
  await expect(first.wait(0)).rejects.toThrow(PlacementGroupRemovedError)
})

test('tasks and actors run in the bundle asked for, with what it holds', async () => {
  const one = group([{ CPU: 1 }, { CPU: 1, slot: 2 }])
  const second = inPlacementGroup(one, { bundleIndex: 1 })
  const task = resources.options({ schedulingStrategy: second, resources: { slot: 2 } })
  expect(await task.run()).toEqual({ CPU: 1, slot: 2 })
  const options = { schedulingStrategy: second, numCpus: 1, resources: { slot: 1 } }
  const actor = RemotePlace.options(options).remote()
  expect(await actor.own.run()).toEqual({ CPU: 1, slot: 1 })
  const tooLarge = resources.options({ schedulingStrategy: second, resources: { slot: 3 } })
  await expect(tooLarge.run()).rejects.toThrow(InfeasibleError)
})

test('work in a removed group ends with PlacementGroupRemovedError, running or waiting', async () => {
  const one = group([{ slot: 1 }])
  const started = new Queue<string>()
  const options = { schedulingStrategy: inPlacementGroup(one), numCpus: 0, resources: { slot: 1 } }
  const running = sleeper.options({ ...options, maxRetries: 0 }).remote(started, 'first')
  const waiting = sleeper.options(options).remote(started, 'second')
  expect(await started.get()).toBe('first')
  await one.remove()
  await expect(get(running)).rejects.toThrow(PlacementGroupRemovedError)
  await expect(get(waiting)).rejects.toThrow(PlacementGroupRemovedError)
  const after = square.options({ schedulingStrategy: inPlacementGroup(one) })
  await expect(after.run(2)).rejects.toThrow(PlacementGroupRemovedError)
})

test('a worker whose task has ended there serves on when the group is removed', async () => {
  const pids = new Set<number>()
  for (let round = 0; round < 12; round += 1) {
    const one = group([{ slot: 1 }])
    await one.ready()
    const there = { schedulingStrategy: inPlacementGroup(one), numCpus: 0, resources: { slot: 1 } }
    pids.add(await pid.options(there).run())
    await one.remove()
  }
  expect(pids.size).toBeLessThanOrEqual(4)
})

test('a call that runs in an actor of a removed group ends with it, and so do later ones', async () => {
  const one = group([{ slot: 1 }])
  const started = new Queue<string>()
  const options = { schedulingStrategy: inPlacementGroup(one), numCpus: 0, resources: { slot: 1 } }
  const actor = RemotePlace.options(options).remote()
  const running = actor.stays.remote(started)
  expect(await started.get()).toBe('stays')
  await one.remove()
  await expect(get(running)).rejects.toThrow(PlacementGroupRemovedError)
  await expect(actor.own.run()).rejects.toThrow(PlacementGroupRemovedError)
})

test('a group travels in values, and is waited for where it arrives', async () => {
  const one = group([{ slot: 1 }])
  const seen = await readyInTask.run({ group: one })
  expect(seen).toEqual({ id: one.id, bundles: [{ slot: 1 }], same: true })
  const copy = (await get(await put([one])))[0] as PlacementGroup
  await copy.remove()
  await expect(one.ready()).rejects.toThrow(PlacementGroupRemovedError)
})

test('a group is found by its name, or by its id, until it is removed', async () => {
  const one = group([{ slot: 1 }, { slot: 0.5 }], { name: 'named' })
  const found = await getPlacementGroup('named')
  expect({ id: found.id, bundles: found.bundles }).toEqual({ id: one.id, bundles: one.bundles })
  await found.ready()
  expect((await getPlacementGroup(group([{ slot: 1 }]).id)).bundles).toEqual([{ slot: 1 }])
  const twin = group([{ slot: 1 }], { name: 'named' })
  await expect(getPlacementGroup('named')).rejects.toThrow(UsageError)
  await expect(getPlacementGroup('named')).rejects.toThrow(`${one.id}, ${twin.id}`)
  await twin.remove()
  await found.remove()
  await expect(getPlacementGroup('named')).rejects.toThrow("no placement group is named 'named'")
  await expect(getPlacementGroup('')).rejects.toThrow(UsageError)
})

test('a task that waits for a group has given its CPU back', async () => {
  expect(await reservesAll.run(4)).toBe('reserved')
})

test('captured, the children of a task run in its group, and theirs; else outside of it', async () => {
  const one = group([{ CPU: 3, slot: 1 }])
  await one.ready()
  const slots = group([{ slot: 3 }])
  await slots.ready()
  // No slot is free outside of the group: what ends has run in it.
  const captured = inPlacementGroup(one, { captureChildTasks: true })
  const all = await family.options({ schedulingStrategy: captured }).run()
  expect(all).toEqual([{ CPU: 1 }, { CPU: 1 }, { CPU: 1, slot: 1 }])
  const actor = RemotePlace.options({ schedulingStrategy: captured }).remote()
  expect(await actor.child.run()).toEqual({ CPU: 1, slot: 1 })
  const abort = new AbortController()
  const outside = family
    .options({ schedulingStrategy: inPlacementGroup(one), signal: abort.signal })
    .remote()
  await expect(get(outside, { timeoutMs: 500 })).rejects.toThrow(GetTimeoutError)
  abort.abort()
})

test('wrong bundles and options are refused at the call', () => {
  expect(() => placementGroup([])).toThrow(UsageError)
  expect(() => placementGroup([{ CPU: -1 }])).toThrow(/bundles\[0\]/)
  expect(() => placementGroup([{ CPU: 1 }], { strategy: 'PAK' as 'PACK' })).toThrow(/PACK/)
  const one = group([{ slot: 1 }])
  expect(() => inPlacementGroup(one, { bundleIndex: 1 })).toThrow(UsageError)
})

test('a group that nobody waits for any more does not keep the program open', async () => {
  const file = new URL('fixtures/group-never-ready.ts', import.meta.url).pathname
  expect(await resultOf({ file })).toEqual({ name: 'GetTimeoutError' })
})
