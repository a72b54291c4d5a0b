// The pool of workers: started ahead, reused, ended when idle.
import { describe, expect, test } from 'vitest'
import { aBusyNode, Brain, grantsOf } from './brain.ts'

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

  test('one that owns objects may ignore that, and serves again', () => {
    const brain = aBusyNode({ resources: { CPU: 1 }, prestart: 1 })
    brain.want('driver1', 0, 1, {})
    brain.block('w1', 1, { taskId: 't1', on: [{ taskId: 't2' }] })
    brain.want('driver1', 0, 2)
    brain.hello('w2')
    brain.want('driver1', 0, 0)
    brain.giveBack('driver1', 2)
    brain.giveBack('driver1', 1)
    brain.tick(1_000)
    expect(brain.show(brain.tick(5_000))).toEqual([])
    expect([...brain.state.workers.values()].map((worker) => worker.phase)).toEqual([
      'IDLE',
      'IDLE',
    ])
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
    expect(brain.show(brain.close('w1'))).toContain('→ w2: exit KILLED')
    expect(brain.state.leases.size).toBe(1)
  })

  test('nothing is started while the raylet is leaving', () => {
    const brain = aBusyNode({ owned: true })
    brain.want('driver1', 0, 9, {})
    brain.close('driver1')
    expect(brain.exit('w1').filter((effect) => effect.kind === 'spawn')).toEqual([])
  })
})
