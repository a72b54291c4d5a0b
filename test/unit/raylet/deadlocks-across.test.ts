// Rings of waits that go over nodes (B24): told within 2 s, once, and never where a wait could end,
// whatever the order in which messages come. Real brains; tasks that really wait.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TaskId, WorkerId } from '../../../runtime/common/ids.ts'
import { seededRandom } from '../../support/seeded.ts'
import type { WaitEffect } from '../../../runtime/raylet/deadlocks/wait-events.ts'
import type { ToldWait } from '../../../runtime/raylet/deadlocks/wait-messages.ts'
import { step } from '../../../runtime/raylet/step.ts'
import { units, type Stimulus } from './brain.ts'
import { SeveralBrains, type TestNode } from './several-brains.ts'
import { WaitingWorld, type TaskPlan, type WorldPlan } from './waiting-world.ts'

const CALM = { lossShare: 0, twiceShare: 0, lateMs: 0, dies: undefined }

/** Task i, on node `nodes[i]`, waits for the next one. */
function ring(nodes: readonly number[], changes: Partial<WorldPlan> = {}): WorldPlan {
  const tasks = nodes.map((node, index) => waitsFor(node, [(index + 1) % nodes.length]))
  return { ...CALM, nodeCount: 3, tasks, ...changes }
}

const waitsFor = (node: number, on: readonly number[], any = false): TaskPlan => ({
  ...{ node, beginsAtMs: 0, runsMs: 0 },
  waits: on.length === 0 ? [] : [{ on, any }],
})

const runs = (node: number, runsMs: number): TaskPlan => ({ ...waitsFor(node, []), runsMs })

function worldOf(plan: WorldPlan, seed = 1): WaitingWorld {
  const random = seededRandom(seed)
  return new WaitingWorld(plan, () => random.next())
}

describe('deadlocks over nodes', () => {
  test.each([[[0, 1]], [[0, 1, 2]], [[0, 0, 1]], [[2, 1, 0, 2, 1, 0]]])(
    'a ring over nodes %j is told once, within 2 s, and the rest goes on',
    (nodes) => {
      const world = worldOf(ring(nodes))
      world.runFor(6000)
      expect(world.told).toHaveLength(1)
      expect(world.falselyTold).toEqual([])
      expect(world.stuckMsMax).toBeLessThanOrEqual(2000)
      expect(world.stuckTasks()).toEqual([])
    },
  )

  test('the one that closed the ring is told', () => {
    const plan = ring([0, 1, 2])
    const tasks = plan.tasks.map((task, index) => ({ ...task, beginsAtMs: index === 1 ? 900 : 0 }))
    const world = worldOf({ ...plan, tasks })
    world.runFor(4000)
    expect(world.told).toEqual(['1/1'])
  })

  test('a ring of one node is told by it alone, and nothing of it twice', () => {
    const world = worldOf(ring([1, 1]))
    world.runFor(5000)
    expect(world.told).toHaveLength(1)
    expect(world.messageCount).toBe(0)
  })

  test('two rings at once are both told', () => {
    const tasks = [waitsFor(0, [1]), waitsFor(1, [0]), waitsFor(1, [3]), waitsFor(2, [2])]
    const world = worldOf({ ...CALM, nodeCount: 3, tasks })
    world.runFor(5000)
    expect(world.told).toHaveLength(2)
    expect(world.stuckTasks()).toEqual([])
  })

  test('a wait for any one of two is told when both wait for it', () => {
    const tasks = [waitsFor(0, [1, 2], true), waitsFor(1, [0]), waitsFor(2, [0])]
    const world = worldOf({ ...CALM, nodeCount: 3, tasks })
    world.runFor(5000)
    expect(world.told.length).toBeGreaterThan(0)
    expect(world.stuckTasks()).toEqual([])
  })

  test('a chain that ends in something that runs is none', () => {
    const tasks = [waitsFor(0, [1]), waitsFor(1, [2]), waitsFor(2, [3]), runs(0, 8000)]
    const world = worldOf({ ...CALM, nodeCount: 3, tasks })
    world.runFor(10_000)
    expect(world.told).toEqual([])
    // What waits is told of once, and its end: not again while it waits.
    expect(world.messageCount).toBeLessThanOrEqual(6)
  })

  test('waits that end soon cost no message', () => {
    const tasks = [waitsFor(0, [1]), waitsFor(1, [2]), runs(2, 300)]
    const world = worldOf({ ...CALM, nodeCount: 3, tasks })
    world.runFor(5000)
    expect(world.messageCount).toBe(0)
  })

  test.each([0, 1, 2])('the ring is told when node %i dies, which may be the detector', (node) => {
    const others = [0, 1, 2].filter((each) => each !== node)
    const dies = { node, atMs: 500 }
    const world = worldOf(ring([...others, ...others], { dies }))
    world.runFor(8000)
    expect(world.falselyTold).toEqual([])
    expect(world.stuckTasks()).toEqual([])
  })

  test('a ring that a death has broken is told to nobody', () => {
    const world = worldOf(ring([0, 1, 2], { dies: { node: 2, atMs: 300 } }))
    world.runFor(5000)
    expect(world.told).toEqual([])
    expect(world.stuckTasks()).toEqual([])
  })

  test.each([
    ['another node', 0],
    ['this one', 1],
  ])('a task that holds a token of a limiter takes its place, with an owner on %s', (_, at) => {
    const brains = new SeveralBrains([{ resources: {} }, { resources: units({ CPU: 1 }) }])
    brains.driver('owner', at)
    brains.want('owner', 1, {}, at)
    const there = brains.at(1)
    brains.driver('other', 1)
    brains.send(there, {
      ...{ kind: 'takeTokens', client: 'other' as WorkerId, name: 'api', count: 1 },
      ...{ concurrency: 1, perSecond: undefined },
    })
    const [holder] = [...there.state.workers.values()].filter(({ lease }) => lease !== undefined)
    const client = holder?.workerId ?? ('' as WorkerId)
    const on = [{ taskId: 'child' as TaskId, name: 'child', limit: 'api' }]
    for (let look = 0; look < 5; look += 1) {
      brains.send(there, {
        ...{ kind: 'blocked', client, waitId: 1, taskId: 'parent' as TaskId, name: 'parent', on },
        ...{ actorId: undefined, limit: 'api' },
      })
      brains.tick(200)
    }
    expect(there.deadlocks).toHaveLength(1)
  })

  test.each([
    ['all tokens of a limiter, and wait for one more, are told', 2, 1],
    ['tokens of a limiter that has another are told nothing', 3, 0],
  ])('tasks on two nodes that hold %s', (_, concurrency, toldCount) => {
    const brains = new SeveralBrains([0, 1, 2].map(() => ({ resources: {} })))
    const isDetector = ({ id, state }: TestNode): boolean => state.cluster?.waits.detector === id
    const detector = brains.nodes.find(isDetector)
    const others = brains.nodes.filter((node) => !isDetector(node))
    const waitOf = ({ id }: TestNode): ToldWait => ({
      ...{ client: id as WorkerId, waitId: 1, taskId: `parent of ${id}` as TaskId },
      ...{ name: 'parent', isDependency: false, need: 1, ageMs: 500, limit: 'api' },
      on: [{ taskId: `child of ${id}` as TaskId, name: 'child', limit: 'api' }],
      limits: { api: concurrency },
    })
    let nowMs = 0
    const send = (stimulus: Stimulus): WaitEffect[] => {
      nowMs += 100
      const effects = detector === undefined ? [] : step(detector.state, { ...stimulus, nowMs })
      return effects.filter((effect) => effect.kind === 'askWaits')
    }
    for (const [request, node] of others.entries()) {
      const message = { sequence: 1, isFull: true, waits: [waitOf(node)], ended: [] }
      send({ kind: 'waitsAsked', from: node.id, request, type: 'tellWaits', message })
    }
    const told = send({ kind: 'tick' }).flatMap(({ nodeId, type, message }) => {
      const node = brains.nodes.find(({ id }) => id === nodeId)
      const answer = { confirmed: node === undefined ? [] : [waitOf(node)], ended: [] }
      return send({ kind: 'waitsAnswered', nodeId, type, message, answer })
    })
    expect(told.filter(({ type }) => type === 'tellDeadlock')).toHaveLength(toldCount)
  })

  test('late, lost and repeated messages: all rings are told, and nothing else (property)', () => {
    fc.assert(
      fc.property(worlds(), fc.integer(), (plan, seed) => {
        const world = worldOf(plan, seed)
        world.runFor(90_000)
        expect(world.falselyTold).toEqual([])
        expect(new Set(world.told).size).toBe(world.told.length)
        expect(world.stuckTasks()).toEqual([])
      }),
      { seed: 11, numRuns: 300 },
    )
  })
})

function worlds(): fc.Arbitrary<WorldPlan> {
  const index = fc.integer({ min: 0, max: 5 })
  const on = fc.uniqueArray(index, { minLength: 1, maxLength: 2 })
  const wait = fc.record({ on, any: fc.boolean() })
  const task = fc.record({
    node: fc.integer({ min: 0, max: 2 }),
    beginsAtMs: fc.integer({ min: 0, max: 1500 }),
    waits: fc.array(wait, { maxLength: 2 }),
    runsMs: fc.integer({ min: 0, max: 1500 }),
  })
  const death = fc.record({
    node: fc.integer({ min: 0, max: 2 }),
    atMs: fc.integer({ min: 0, max: 3000 }),
  })
  return fc.record({
    nodeCount: fc.constant(3),
    tasks: fc.array(task, { minLength: 6, maxLength: 6 }),
    lossShare: fc.constantFrom(0, 0.3),
    twiceShare: fc.constantFrom(0, 0.3),
    lateMs: fc.constantFrom(0, 100, 900),
    dies: fc.option(death, { nil: undefined }),
  })
}
