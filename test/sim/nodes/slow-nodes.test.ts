// F11 on several nodes: who avoids a slow one, and what goes on all the same.
import { describe, expect, test } from 'vitest'
import { SLOW_AFTER_MS } from '../../../runtime/raylet/cluster/slow-node.ts'
import { get } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { SimMember } from './member.ts'
import { calmNodes, playNodes, type Scene } from './play.ts'
import { freeAll } from './scene.ts'
import { slowDown } from './slow.ts'

const NODE_COUNT = 4
const SLOW_MS = 60_000
const TASK_MS = 2_000

describe('F11: slow nodes, simulated', () => {
  test('one of four: tasks run on the others, and come back when it is well', async () => {
    await playNodes({
      plan: calmNodes(NODE_COUNT),
      program: async (scene) => {
        const { cluster, others } = scene
        const [slow] = others as [SimMember]
        const { scheduler } = cluster.world
        const before = tasks(8, TASK_MS)
        await cluster.world.until(() => placesOf(scene).has(slow.nodeId))
        const untilMs = scheduler.nowMs + SLOW_MS
        slowDown(cluster, slow, untilMs)
        await cluster.world.until(() => isAvoided(slow))
        await done(before)
        await cluster.world.until(() => !placesOf(scene).has(slow.nodeId))
        const during = tasks(12, TASK_MS)
        const seen = await watched(scene, during)
        expect(seen.has(slow.nodeId)).toBe(false)
        expect(seen.size).toBe(NODE_COUNT - 1)
        expect(scheduler.nowMs).toBeLessThan(untilMs)
        await cluster.world.until(() => !isAvoided(slow))
        expect((await watched(scene, tasks(12, TASK_MS))).has(slow.nodeId)).toBe(true)
        expect(slow.process.alive).toBe(true)
      },
    })
  })

  test('all of them: none is avoided, and all are used', async () => {
    await playNodes({
      plan: calmNodes(NODE_COUNT),
      program: async (scene) => {
        const { cluster } = scene
        const { members, world } = cluster
        const untilMs = world.scheduler.nowMs + SLOW_MS
        for (const member of members) slowDown(cluster, member, untilMs)
        await world.until(() => members.every((each) => stateOf(each).isSlow && !isAvoided(each)))
        expect((await watched(scene, tasks(12, TASK_MS))).size).toBe(NODE_COUNT)
        expect(world.scheduler.nowMs).toBeLessThan(untilMs)
      },
    })
  })

  test('the others are busy for long: who has nothing runs on the slow one after a while', async () => {
    const waitedMs = await playNodes({
      plan: calmNodes(NODE_COUNT),
      program: async (scene) => {
        const { cluster, others } = scene
        const [slow] = others as [SimMember]
        const { scheduler } = cluster.world
        slowDown(cluster, slow, scheduler.nowMs + 4 * SLOW_MS)
        await cluster.world.until(() => isAvoided(slow))
        const long = tasks(NODE_COUNT - 1, 3 * SLOW_MS)
        await cluster.world.until(() => placesOf(scene).size === NODE_COUNT - 1)
        const beganMs = scheduler.nowMs
        const other = remote.quick.options({ numCpus: 0.5 }).remote(doing('other', 0))
        await get(other)
        other.free()
        const tookMs = scheduler.nowMs - beganMs
        expect(isAvoided(slow)).toBe(true)
        await done(long)
        return tookMs
      },
    })
    expect(waitedMs).toBeGreaterThan(SLOW_AFTER_MS)
    expect(waitedMs).toBeLessThan(2 * SLOW_AFTER_MS)
  })
})

const doing = (key: string, sleepMs: number) => ({
  ...{ key, sleepMs, spinMs: 0, sizeBytes: 0, atMostOnce: false },
})

let taskCount = 0
type Refs = ReturnType<typeof tasks>
const tasks = (count: number, sleepMs: number) =>
  Array.from({ length: count }, () =>
    remote.combine.remote(doing(`task ${String((taskCount += 1))}`, sleepMs)),
  )

async function done(refs: Refs): Promise<void> {
  await get(refs)
  freeAll(refs)
}

function stateOf({ node }: SimMember) {
  if (node === undefined) throw new Error('it has not started')
  return node.raylet.state
}

const isAvoided = (member: SimMember): boolean => stateOf(member).isAvoided

/** The nodes on which the home's driver has leases. */
function placesOf({ home }: Scene): Set<string> {
  const { leases, remoteLeases } = stateOf(home)
  const places = new Set([...remoteLeases.values()].map(({ nodeId }) => nodeId))
  if (leases.size > 0) places.add(home.nodeId)
  return places
}

/** @returns all nodes on which it had leases until these were done. */
async function watched(scene: Scene, refs: Refs): Promise<Set<string>> {
  const seen = new Set<string>()
  let isDone = false
  const ended = done(refs).then(() => {
    isDone = true
  })
  await scene.cluster.world.until(() => {
    for (const place of placesOf(scene)) seen.add(place)
    return isDone
  })
  await ended
  return seen
}
