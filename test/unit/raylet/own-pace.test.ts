// F11: when a node takes itself for slow.
import { expect, test } from 'vitest'
import { LATE_MS, OwnPace } from '../../../runtime/raylet/cluster/own-pace.ts'
import { SLOW_AFTER_MS } from '../../../runtime/raylet/cluster/slow-node.ts'
import { units } from './brain.ts'
import { SeveralBrains } from './several-brains.ts'

const after = (pace: OwnPace, ...lateMs: number[]): boolean | undefined =>
  lateMs.map((ms) => pace.round(ms, 0)).at(-1)

test('F11: a node is slow when half of its last rounds were late, until nearly all are in time', () => {
  const pace = new OwnPace()
  expect(after(pace, LATE_MS, LATE_MS, LATE_MS)).toBe(false)
  expect(after(pace, 0, LATE_MS)).toBe(true)
  expect(after(pace, 0, 0, 0, 0, 0)).toBe(true) // two of eight
  expect(after(pace, 0)).toBe(false)
})

test('F11: one long pause makes no node slow', () => {
  expect(after(new OwnPace(), 0, 30_000, 0, 400, 0, 0)).toBe(false)
})

test('F11: a node that is late as it is at work itself is not slow; one that others keep from its work is', () => {
  const [busy, kept] = [new OwnPace(), new OwnPace()]
  for (let round = 0; round < 8; round += 1) {
    expect(busy.round(3 * LATE_MS, 3 * LATE_MS)).toBe(false)
    kept.round(3 * LATE_MS, LATE_MS)
  }
  expect(kept.round(0, 0)).toBe(true)
})

/** A home without CPUs, at which a driver lives, and nodes of so many. */
function brainsOf(...cpus: number[]): SeveralBrains {
  const brains = new SeveralBrains([0, ...cpus].map((CPU) => ({ resources: units({ CPU }) })))
  brains.driver('d')
  return brains
}

function pass(brains: SeveralBrains, seconds: number): void {
  for (let second = 0; second < seconds; second += 1) brains.tick(1_000)
}

const freeOf = (brains: SeveralBrains): number[] => brains.nodes.map((_, at) => brains.free(at))

test('PC1, F11: a slow node has its guests go elsewhere, and they come back when it is well', () => {
  const brains = brainsOf(2, 2)
  brains.want('d', 4)
  expect(freeOf(brains)).toEqual([0, 0, 0])
  brains.pace(1, true)
  const { held, askedBack } = brains.at(0)
  expect(askedBack).toHaveLength(2)
  for (const leaseId of askedBack) {
    expect(held.has(leaseId)).toBe(true)
    brains.giveBack('d', leaseId)
  }
  pass(brains, 20)
  expect([...freeOf(brains), held.size]).toEqual([0, 2, 0, 2])
  brains.pace(1, false)
  brains.tick(1_000)
  expect([...freeOf(brains), held.size]).toEqual([0, 0, 0, 4])
})

test('PC1, F11: who has not heard of it yet asks it, is told so, and asks elsewhere', () => {
  const brains = brainsOf(2, 2)
  brains.send(brains.at(1), { kind: 'pace', isSlow: true })
  brains.want('d', 2)
  pass(brains, 2)
  expect([...freeOf(brains), brains.at(0).held.size]).toEqual([0, 2, 0, 2])
})

test('PC1, F11: what only the slow node can hold, or is bound to it, gets all that it has', () => {
  for (const isBound of [false, true]) {
    const brains = brainsOf(2)
    brains.pace(1, true)
    const { id: nodeId } = brains.at(1)
    brains.want('d', 2, isBound ? { strategy: { kind: 'NODE_AFFINITY', nodeId, soft: false } } : {})
    pass(brains, 2)
    expect(brains.at(0).held.size).toBe(2)
  }
  const brains = brainsOf(1, 4)
  brains.pace(2, true)
  brains.want('d', 2, { demand: units({ CPU: 2 }) })
  pass(brains, 2)
  expect(brains.at(0).held.size).toBe(2)
})

test('PC2, F11: where all or most nodes are slow, all are used as if none were', () => {
  const brains = brainsOf(2, 2)
  brains.want('d', 4)
  for (const index of [0, 1, 2]) brains.pace(index, true)
  const { held, askedBack } = brains.at(0)
  for (const leaseId of askedBack) brains.giveBack('d', leaseId)
  brains.tick(1_000)
  expect([...freeOf(brains), held.size]).toEqual([0, 0, 0, 4])
  brains.pace(0, false) // two of three
  for (const leaseId of [...held.keys()]) brains.giveBack('d', leaseId)
  pass(brains, 2)
  expect(held.size).toBe(4)
})

test('PC1, F11: so does who wants one only, which waits in the turn of a node that is well', () => {
  const brains = brainsOf(1, 2)
  brains.driver('actor')
  brains.pace(2, true)
  brains.want('actor', 1)
  brains.want('d', 1)
  pass(brains, SLOW_AFTER_MS / 1_000 + 1)
  expect([...freeOf(brains), brains.at(0).held.size]).toEqual([0, 0, 1, 2])
})

test('PC1, F11: who has nothing, as others hold all nodes that are well, gets one lease of the slow one', () => {
  const brains = brainsOf(1, 2)
  brains.driver('actor')
  brains.pace(2, true)
  brains.want('actor', 1)
  expect(brains.free(1)).toBe(0)
  brains.want('d', 2)
  pass(brains, SLOW_AFTER_MS / 1_000 - 1)
  expect(brains.at(0).held.size).toBe(1)
  pass(brains, 2)
  expect(brains.at(0).held.size).toBe(2)
  pass(brains, 20)
  expect([...freeOf(brains), brains.at(0).held.size]).toEqual([0, 0, 1, 2])
})
