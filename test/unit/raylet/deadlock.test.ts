// Rings of tasks and actors that wait for each other, found by the pure brain.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ActorId } from '../../../runtime/common/ids.ts'
import { aBusyNode, type Brain } from './brain.ts'

/** Nodes A, B, C live, on w1, w2, w3. */
function threeActors(maxConcurrency = 1): Brain {
  const brain = aBusyNode({ resources: { CPU: 3 } })
  for (const [index, name] of ['A', 'B', 'C'].entries()) {
    const actorId = name as ActorId
    brain.createActor('driver1', { actorId, maxConcurrency })
    const client = brain.id(`w${String(index + 1)}`)
    brain.send({ kind: 'actorReady', client, actorId, incarnation: 0, address: '@' })
  }
  return brain
}

/** What is told once every process asked has said again what it waits for. */
function reports(brain: Brain): string[] {
  brain.confirm(brain.tick(200))
  return brain.show(brain.tick(200)).filter((line) => line.includes('deadlock'))
}

describe('deadlock', () => {
  test('a task that waits for itself is told after the ring has stood for a while', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 7, { taskId: 't1', name: 'loop', on: [{ taskId: 't1' }] })
    expect(brain.show(brain.tick(199))).toEqual([])
    const asked = brain.tick(1)
    expect(brain.show(asked)).toEqual(['→ w1: check wait 7'])
    brain.confirm(asked)
    expect(brain.show(brain.tick(200))).toContain('→ w1: deadlock of wait 7: loop → loop')
  })

  test('a ring is told at the second look however late the looks are, as on a busy machine', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 7, { taskId: 't1', name: 'loop', on: [{ taskId: 't1' }] })
    brain.confirm(brain.tick(210))
    expect(brain.show(brain.tick(260))).toContain('→ w1: deadlock of wait 7: loop → loop')
  })

  test('two tasks that wait for each other: the one that closed the ring is told', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 2, {})
    brain.block('w1', 1, { taskId: 't1', name: 'ping', on: [{ taskId: 't2' }] })
    brain.nowMs += 1
    brain.block('w2', 1, { taskId: 't2', name: 'pong', on: [{ taskId: 't1' }] })
    expect(reports(brain)).toEqual(['→ w2: deadlock of wait 1: pong → ping → pong'])
  })

  test('actors in a ring: none of the calls can start, because every actor waits', () => {
    const brain = threeActors()
    brain.block('w1', 1, {
      taskId: 'a1',
      actorId: 'A',
      name: 'A.run',
      on: [{ taskId: 'b1', actorId: 'B' }],
    })
    brain.block('w2', 1, {
      taskId: 'b1',
      actorId: 'B',
      name: 'B.run',
      on: [{ taskId: 'c1', actorId: 'C' }],
    })
    brain.nowMs += 1
    brain.block('w3', 1, {
      taskId: 'c1',
      actorId: 'C',
      name: 'C.run',
      on: [{ taskId: 'a2', actorId: 'A' }],
    })
    expect(reports(brain)).toEqual(['→ w3: deadlock of wait 1: C.run → A.run → B.run → C.run'])
  })

  test('an actor that calls itself and waits', () => {
    const brain = threeActors()
    brain.block('w1', 1, {
      taskId: 'a1',
      actorId: 'A',
      name: 'A.run',
      on: [{ taskId: 'a2', actorId: 'A' }],
    })
    expect(reports(brain)).toEqual(['→ w1: deadlock of wait 1: A.run → A.run'])
  })

  test('no ring while the actor has a free place', () => {
    const brain = threeActors(2)
    brain.block('w1', 1, { taskId: 'a1', actorId: 'A', on: [{ taskId: 'a2', actorId: 'A' }] })
    expect(reports(brain)).toEqual([])
    brain.block('w1', 2, { taskId: 'a2', actorId: 'A', on: [{ taskId: 'a3', actorId: 'A' }] })
    expect(reports(brain)).toHaveLength(1)
  })

  test('no ring while what is waited for still runs', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 2, {})
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    expect(reports(brain)).toEqual([])
  })

  test('a long chain that ends in something running is no ring', () => {
    const brain = aBusyNode()
    for (let i = 0; i < 50; i += 1) {
      brain.block('driver1', i, { taskId: `t${String(i)}`, on: [{ taskId: `t${String(i + 1)}` }] })
    }
    expect(reports(brain)).toEqual([])
  })

  test('who only waits for the ring is not told: it goes on when the ring breaks', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 1, { taskId: 't1', name: 'loop', on: [{ taskId: 't1' }] })
    brain.nowMs += 1
    brain.block('driver1', 1, { taskId: 'main', on: [{ taskId: 't1' }] })
    expect(reports(brain)).toEqual(['→ w1: deadlock of wait 1: loop → loop'])
    expect(reports(brain)).toEqual([])
  })

  test('a ring that opens in time is not reported', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't1' }] })
    brain.tick(100)
    brain.unblock('w1', 1)
    expect(reports(brain)).toEqual([])
    expect(brain.state.waits.size).toBe(0)
  })

  test('a second ring, closed later, is found too', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 2, {})
    brain.block('w1', 1, { taskId: 't1', name: 'one', on: [{ taskId: 't1' }] })
    expect(reports(brain)).toHaveLength(1)
    brain.block('w2', 1, { taskId: 't2', name: 'two', on: [{ taskId: 't2' }] })
    expect(reports(brain)).toEqual(['→ w2: deadlock of wait 1: two → two'])
  })

  test('two rings at once are both found, one after the other', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 2, {})
    brain.block('w1', 1, { taskId: 't1', name: 'one', on: [{ taskId: 't1' }] })
    brain.block('w2', 1, { taskId: 't2', name: 'two', on: [{ taskId: 't2' }] })
    expect([...reports(brain), ...reports(brain)].sort()).toEqual([
      '→ w1: deadlock of wait 1: one → one',
      '→ w2: deadlock of wait 1: two → two',
    ])
  })

  test('a task that holds the only token and waits for one that needs it', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 2, {})
    const client = brain.id('driver1')
    const tokens = { name: 'api', concurrency: 1, perSecond: undefined, count: 2 }
    brain.send({ kind: 'takeTokens', client, ...tokens })
    const on = [{ taskId: 'child', limit: 'api' }]
    brain.block('w1', 1, { taskId: 't1', name: 'parent', limit: 'api', on })
    expect(reports(brain)).toEqual(['→ w1: deadlock of wait 1: parent → parent'])
  })

  test('a limiter with a token left, or with a holder that runs, is no ring', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 2, {})
    const client = brain.id('driver1')
    const tokens = { name: 'api', concurrency: 2, perSecond: undefined, count: 3 }
    brain.send({ kind: 'takeTokens', client, ...tokens })
    const on = [{ taskId: 'child', limit: 'api' }]
    brain.block('w1', 1, { taskId: 't1', name: 'parent', limit: 'api', on })
    expect(reports(brain)).toEqual([])
  })

  test('while its constructor waits, calls of an actor cannot start', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.createActor('driver1', { actorId: 'A' as ActorId, maxConcurrency: 100 })
    brain.block('w1', 1, {
      taskId: 'new',
      actorId: 'A',
      name: 'new A',
      on: [{ taskId: 'a1', actorId: 'A' }],
    })
    expect(reports(brain)).toEqual(['→ w1: deadlock of wait 1: new A → new A'])
  })

  test('a wait for any one is stuck only when all it could take are', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 2, {})
    const any = { taskId: 't1', name: 'any', need: 1 }
    brain.block('w1', 1, { ...any, on: [{ taskId: 't1' }, { taskId: 't2' }] })
    expect(reports(brain)).toEqual([]) // t2 runs
    brain.block('w2', 1, { taskId: 't2', name: 'other', on: [{ taskId: 't1' }] })
    expect(reports(brain)).toEqual(['→ w1: deadlock of wait 1: any → any'])
  })

  test('a task that has not begun waits for its dependencies', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 1, { taskId: 't1', name: 'outer', on: [{ taskId: 't2' }] })
    expect(reports(brain)).toEqual([])
    const dependency = { taskId: 't2', name: 'inner', isDependency: true }
    brain.block('driver1', 1, { ...dependency, on: [{ taskId: 't1' }] })
    expect(reports(brain)).toEqual(['→ w1: deadlock of wait 1: outer → inner → outer'])
  })

  test('each concurrency group has places of its own', () => {
    const brain = aBusyNode()
    const actorId = 'D' as ActorId
    brain.createActor('driver1', { actorId, maxConcurrency: 5, concurrencyGroups: { io: 1 } })
    const client = brain.id('w1')
    brain.send({ kind: 'actorReady', client, actorId, incarnation: 0, address: '@' })
    const self = { taskId: 'd1', actorId: 'D', group: 'io', name: 'D.io' }
    brain.block('w1', 1, { ...self, on: [{ taskId: 'd2', actorId: 'D' }] })
    expect(reports(brain)).toEqual([])
    brain.block('w1', 2, { ...self, on: [{ taskId: 'd3', actorId: 'D', group: 'io' }] })
    expect(reports(brain)).toEqual([]) // its other wait may end
    brain.unblock('w1', 1)
    expect(reports(brain)).toEqual(['→ w1: deadlock of wait 2: D.io → D.io'])
  })

  test('no alarm from what a wait was on once and is no more', () => {
    const brain = threeActors()
    // t1 waits for a call of A, which has ended meanwhile, and for a task that runs.
    brain.block('w2', 1, { taskId: 't1', on: [{ taskId: 'a1', actorId: 'A' }, { taskId: 't9' }] })
    brain.block('w1', 1, { taskId: 'a2', actorId: 'A', on: [{ taskId: 't1' }] })
    brain.tick(200)
    brain.block('w2', 1, { taskId: 't1', on: [{ taskId: 't9' }] })
    brain.block('w1', 1, { taskId: 'a2', actorId: 'A', on: [{ taskId: 't1' }] })
    const later = [...brain.tick(200), ...brain.tick(200), ...brain.tick(200)]
    expect(brain.show(later).filter((line) => line.includes('deadlock'))).toEqual([])
  })

  test('random waits: told if and only if no progress is possible (property)', () => {
    const task = fc.integer({ min: 0, max: 7 })
    const waits = fc.uniqueArray(
      fc.record({
        task,
        on: fc.uniqueArray(task, { minLength: 1, maxLength: 3 }),
        any: fc.boolean(),
      }),
      { selector: (wait) => wait.task, maxLength: 8 },
    )
    fc.assert(
      fc.property(waits, (all) => {
        const brain = aBusyNode()
        for (const [i, { task, on, any }] of all.entries()) {
          const need = any ? 1 : on.length
          const targets = on.map((each) => ({ taskId: `t${String(each)}` }))
          brain.block('driver1', i, { taskId: `t${String(task)}`, need, on: targets })
        }
        expect(reports(brain).length > 0).toBe(!allEnd(all))
      }),
      { seed: 1, numRuns: 300 },
    )
  })
})

/** The model: run whatever can run, until nothing changes. What is not among the waits runs. */
function allEnd(waits: readonly { task: number; on: readonly number[]; any: boolean }[]): boolean {
  const waiting = new Map(waits.map((wait) => [wait.task, wait]))
  for (let changed = true; changed;) {
    changed = false
    for (const { task, on, any } of waiting.values()) {
      const ended = (other: number): boolean => !waiting.has(other)
      if (!(any ? on.some(ended) : on.every(ended))) continue
      waiting.delete(task)
      changed = true
    }
  }
  return waiting.size === 0
}
