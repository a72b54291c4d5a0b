// How long idle workers above one per CPU are kept, by what a program has needed.
import { expect, test } from 'vitest'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { aBusyNode, type Brain, grantsOf } from './brain.ts'

const aNode = (): Brain => aBusyNode({ resources: { CPU: 2, slot: 64 }, prestart: 2 })

/** That many tasks run at once, and end. @returns how many workers were started for them */
function burst(brain: Brain, count: number): number {
  const leases = grantsOf(brain.want('driver1', 0, count, { demand: { slot: 10_000 } }))
  let started = 0
  for (;;) {
    const starting = [...brain.state.workers.values()].find(({ phase }) => phase === 'STARTING')
    if (starting === undefined) break
    leases.push(...grantsOf(brain.hello(brain.nameOf(starting.workerId))))
    started += 1
  }
  expect(leases).toHaveLength(count)
  brain.want('driver1', 0, 0)
  for (const lease of leases) brain.giveBack('driver1', lease)
  return started
}

/** Those that are asked to end now do so. @returns how many were */
function endedBy(brain: Brain, effects: readonly RayletEffect[]): number {
  const asked = brain.show(effects).filter((line) => line.endsWith('exit IDLE'))
  for (const line of asked) brain.exit(line.slice('→ '.length, line.indexOf(':')), { code: 0 })
  return asked.length
}

/** Four at once, ended after a second of idleness, and missed a moment later. */
function aNodeThatMissedTwo(): Brain {
  const brain = aNode()
  expect(burst(brain, 4)).toBe(2)
  expect(endedBy(brain, brain.tick(1_000))).toBe(2)
  brain.tick(10_000)
  expect(burst(brain, 4)).toBe(2)
  return brain
}

test('who misses workers that had ended is not let miss them again within 30 s', () => {
  const brain = aNodeThatMissedTwo()
  for (let round = 0; round < 5; round += 1) {
    expect(endedBy(brain, brain.tick(29_999))).toBe(0)
    expect(burst(brain, 4)).toBe(0)
  }
})

test('what was kept in vain ends after 30 s, and the next surplus after one again', () => {
  const brain = aNodeThatMissedTwo()
  expect(endedBy(brain, brain.tick(30_000))).toBe(2)
  brain.tick(30_001)
  expect(burst(brain, 4)).toBe(2)
  expect(endedBy(brain, brain.tick(1_000))).toBe(2)
})

test('KI1, KI2: of more, only one per CPU is kept for 30 s, the others for 5 s', () => {
  const brain = aNodeThatMissedTwo()
  expect(burst(brain, 9)).toBe(5)
  expect(endedBy(brain, brain.tick(4_999))).toBe(0)
  expect(endedBy(brain, brain.tick(1))).toBe(5)
  expect(endedBy(brain, brain.tick(24_999))).toBe(0)
  expect(endedBy(brain, brain.tick(1))).toBe(2)
})

test('workers that are missed long after they have ended are not kept for that', () => {
  const brain = aNode()
  burst(brain, 4)
  expect(endedBy(brain, brain.tick(1_000))).toBe(2)
  brain.tick(30_001)
  burst(brain, 4)
  expect(endedBy(brain, brain.tick(1_000))).toBe(2)
})
