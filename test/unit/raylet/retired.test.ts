// RW1, RW2: workers that have run what they may (maxCalls), and own what others hold.
import { expect, test } from 'vitest'
import { aBusyNode, type Brain } from './brain.ts'

/** The driver's first lease ends with its worker w1. */
function aRetired(): Brain {
  const brain = aBusyNode({ resources: { CPU: 1 }, workersMax: 1 })
  brain.want('driver1', 0, 2, {})
  brain.owning('w1')
  expect(brain.show(brain.giveBack('driver1', 1, true))).toEqual([
    '→ w1: exit SPENT',
    'spawn w2 for job1, cpus 1',
  ])
  return brain
}

const phaseOf = (brain: Brain, name: string): string | undefined =>
  brain.state.workers.get(brain.id(name))?.phase

test('RW1: one that is retired counts not to the cap, and nothing is given to it', () => {
  const brain = aRetired()
  brain.hello('w2')
  expect(phaseOf(brain, 'w1')).toBe('RETIRED')
  expect(phaseOf(brain, 'w2')).toBe('LEASED')
})

test('RW2: it is not killed, however long it stays', () => {
  const brain = aRetired()
  brain.hello('w2')
  for (const byMs of [2_500, 60_000]) {
    expect(brain.show(brain.tick(byMs))).not.toContain('SIGKILL w1')
  }
})

test('it ends with its job', () => {
  const brain = aRetired()
  expect(brain.show(brain.close('driver1'))).toContain('→ w1: exit OVER')
  expect(brain.show(brain.tick(10_000))).toContain('SIGKILL w1')
})
