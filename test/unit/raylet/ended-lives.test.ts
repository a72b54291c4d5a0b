// Which lives of nodes have ended, as their rows tell.
import { expect, test } from 'vitest'
import { endedLives, epochsEnded, hasEnded } from '../../../runtime/raylet/actors/ended-lives.ts'

test('a life has ended that is dead, or that a later one of its node has followed', () => {
  const ended = endedLives([
    { nodeId: 'first', epoch: 1, state: 'ALIVE' },
    { nodeId: 'dead', epoch: 2, state: 'DEAD' },
    { nodeId: 'back', epoch: 3, state: 'DRAINING' },
  ])
  expect(hasEnded(ended, 'first', 1)).toBe(false)
  expect([1, 2, 3].map((epoch) => hasEnded(ended, 'dead', epoch))).toEqual([true, true, false])
  expect([2, 3].map((epoch) => hasEnded(ended, 'back', epoch))).toEqual([true, false])
})

test('of a node without a row nothing is known to have ended', () => {
  expect(hasEnded(endedLives([]), 'new', 1)).toBe(false)
})

test.each([
  [{ epoch: 3, state: 'ALIVE' }, 0, [1, 2]],
  [{ epoch: 3, state: 'DEAD' }, 0, [1, 2, 3]],
  [{ epoch: 3, state: 'DEAD' }, 2, [3]],
  [{ epoch: 3, state: 'ALIVE' }, 2, []],
  [{ epoch: 40, state: 'ALIVE' }, 0, Array.from({ length: 16 }, (_, i) => 24 + i)],
] as const)('the epochs of %o that ended after %i', (row, after, expected) => {
  expect(epochsEnded(row, after)).toEqual(expected)
})
