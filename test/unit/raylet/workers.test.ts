// The pool of workers: started ahead, reused, ended when idle.
import { describe, expect, test } from 'vitest'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { aBusyNode, Brain, grantsOf } from './brain.ts'

const spawnsOf = (effects: readonly RayletEffect[]): number =>
  effects.filter((effect) => effect.kind === 'spawn').length

const startingOf = (brain: Brain): number =>
  [...brain.state.workers.values()].filter((worker) => worker.phase === 'STARTING').length

/** The task on that worker submits another one and waits for it. */
function recurse(brain: Brain, index: number): RayletEffect[] {
  const worker = `w${String(index)}`
  const waits = { taskId: `t${String(index)}`, on: [{ taskId: `t${String(index + 1)}` }] }
  return [...brain.block(worker, 1, waits), ...brain.want(worker, 0, 1, {})]
}

/** One CPU and two idle workers, of which w1 was asked to leave for that. */
function aNodeThatAskedAnIdleOne(): Brain {
  const brain = aBusyNode({ resources: { CPU: 1 }, prestart: 1 })
  brain.want('driver1', 0, 1, {})
  brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
  brain.want('driver1', 0, 2)
  brain.hello('w2')
  brain.want('driver1', 0, 0)
  brain.giveBack('driver1', 2)
  brain.giveBack('driver1', 1)
  brain.tick(1_000)
  return brain
}

const phasesOf = (brain: Brain): string[] =>
  [...brain.state.workers.values()].map((worker) => worker.phase)

test('those of two lives of a node have no id in common', () => {
  const idsIn = (epoch: number): string[] => {
    const brain = aBusyNode({ resources: { CPU: 2 }, prestart: 2, epoch })
    return [...brain.state.workers.keys()]
  }
  expect(new Set([...idsIn(1), ...idsIn(2)]).size).toBe(4)
})

describe('workers', () => {
  test('idle ones above the number of CPUs end after a second', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    brain.want('driver1', 0, 2)
    brain.hello('w2')
    brain.want('driver1', 0, 0)
    brain.nowMs = 5
    brain.giveBack('driver1', 2)
    brain.nowMs = 10
    brain.giveBack('driver1', 1)
    expect(brain.tick(994)).toEqual([])
    expect(brain.show(brain.tick(1))).toEqual(['→ w2: exit IDLE'])
    brain.exit('w2', { code: 0, signal: null })
    expect(brain.tick(60_000)).toEqual([])
  })

  test('SR1: while fewer than two wait, nothing is started ahead', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    expect(spawnsOf(recurse(brain, 1))).toBe(1)
  })

  test('SR2: in a recursion workers are started ahead, as many as may start at one time', () => {
    const brain = aBusyNode({ resources: { CPU: 4 }, prestart: 4 })
    brain.want('driver1', 0, 1, {})
    for (let worker = 1; worker < 4; worker += 1) expect(spawnsOf(recurse(brain, worker))).toBe(0)
    const starting: number[] = []
    for (let worker = 4; worker < 9; worker += 1) {
      if (worker > 4) brain.hello(`w${String(worker)}`)
      recurse(brain, worker)
      starting.push(startingOf(brain))
    }
    // One for the next level and one ahead, then two, then as many as may start at one time.
    expect(starting).toEqual([2, 3, 4, 4, 4])
  })

  test('spares that nobody needs end after a second, and no more are started', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 1, {})
    for (const worker of [1, 2]) recurse(brain, worker)
    for (const name of ['w3', 'w4']) brain.hello(name)
    const spare = [...brain.state.workers.values()].filter((worker) => worker.phase === 'IDLE')
    expect(spare).toHaveLength(1)
    for (const wait of ['w1', 'w2']) brain.unblock(wait, 1)
    for (const [client, lease] of [
      ['w2', 3],
      ['w1', 2],
      ['driver1', 1],
    ] as const) {
      brain.want(client, 0, 0)
      brain.giveBack(client, lease)
    }
    const ended = brain.show(brain.tick(1000)).filter((line) => line.endsWith('exit IDLE'))
    expect(ended).toHaveLength(2)
    expect(startingOf(brain)).toBe(0)
  })

  test('one that owns objects may say that it stays, and serves again', () => {
    const brain = aNodeThatAskedAnIdleOne()
    brain.staying('w1')
    brain.staying('w2') // was not asked
    expect(brain.show(brain.tick(5_000))).toEqual([])
    expect(phasesOf(brain)).toEqual(['IDLE', 'IDLE'])
  })

  test('one that has not answered is given nothing: it may leave yet', () => {
    const brain = aNodeThatAskedAnIdleOne()
    expect(phasesOf(brain).toSorted()).toEqual(['EXITING', 'IDLE'])
    expect(brain.show(brain.tick(60_000))).toEqual([])
    expect(phasesOf(brain).toSorted()).toEqual(['EXITING', 'IDLE'])
    brain.staying('w1')
    brain.staying('w2')
    expect(phasesOf(brain)).toEqual(['IDLE', 'IDLE'])
  })

  test('DR1: one that was asked because it is idle, and stays, is drained as any other', () => {
    const brain = aNodeThatAskedAnIdleOne()
    const drained = brain.show(brain.send({ kind: 'drain', graceMs: 8_000 }))
    expect(drained).toEqual(['→ w1: exit DRAINED', '→ w2: exit DRAINED'])
    expect(brain.show(brain.tick(7_999))).toEqual([])
    expect(brain.show(brain.tick(1))).toEqual(['SIGKILL w1', 'SIGKILL w2'])
  })

  test('one that was asked because it is idle, and stays, ends with its job', () => {
    const brain = aNodeThatAskedAnIdleOne()
    expect(brain.show(brain.close('driver1'))).toContain('→ w1: exit OVER')
    expect(brain.show(brain.tick(500))).toEqual(['SIGKILL w1', 'SIGKILL w2'])
    for (const name of ['w1', 'w2']) brain.exit(name)
    expect(brain.state.jobs.size).toBe(0)
  })

  test('one that does not register in time is killed', () => {
    const brain = new Brain({ resources: { CPU: 1 } })
    brain.driver('driver1', 'job1')
    expect(brain.show(brain.tick(60_000))).toEqual(['SIGKILL w1'])
  })

  test('no more than max(2, CPUs) start at the same time', () => {
    const brain = aBusyNode({ resources: { CPU: 1, slot: 10 }, prestart: 0 })
    const effects = brain.want('driver1', 0, 10, { demand: { slot: 10_000 } })
    expect(effects.filter((effect) => effect.kind === 'spawn')).toHaveLength(2)
    expect(brain.hello('w1').filter((effect) => effect.kind === 'spawn')).toHaveLength(1)
  })

  test('no more than the cap; an idle one of another pool makes room', () => {
    const brain = aBusyNode({ resources: { CPU: 2 }, workersMax: 2 })
    const effects = brain.want('driver1', 0, 1, { env: { envVars: { A: '1' } } })
    expect(brain.show(effects)).toEqual(['→ w1: exit IDLE'])
    const exited = brain.exit('w1', { code: 0, signal: null })
    expect(brain.show(exited).at(-1)).toBe('spawn w3 for job1, cpus 1')
  })

  test('F05: a worker whose connection is lost is not used again, and killed if it stays', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.close('w1')
    expect(grantsOf(brain.want('driver1', 0, 1, {}))).toEqual([])
    expect(brain.show(brain.tick(500))).toEqual(['SIGKILL w1'])
  })

  test('F70: what a dead owner had leased is freed, and its worker told to leave', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 1, {})
    brain.want('w1', 0, 1, { name: 'nested' })
    expect(brain.show(brain.close('w1'))).toContain('→ w2: exit ORPHANED')
    expect(brain.state.leases.size).toBe(1)
  })

  test('nothing is started while the raylet is leaving', () => {
    const brain = aBusyNode({ owned: true })
    brain.want('driver1', 0, 9, {})
    brain.close('driver1')
    expect(brain.exit('w1').filter((effect) => effect.kind === 'spawn')).toEqual([])
  })
})
