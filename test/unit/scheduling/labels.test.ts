// A selector without one value of a label.
import { expect, test } from 'vitest'
import { excluding, matchesLabels } from '../../../runtime/scheduling/labels.ts'

const VALUES = [undefined, 'a', 'b', 'c']

test.each([
  {},
  { k: 'a' },
  { k: 'b' },
  { k: '!a' },
  { k: '!b' },
  { k: 'in(a, b)' },
  { k: '!in(c)' },
])('excluding a value from %j leaves all other nodes as they were', (selector) => {
  const narrowed = excluding(selector, 'k', 'b')
  for (const value of VALUES) {
    const labels = value === undefined ? {} : { k: value }
    const left = narrowed !== undefined && matchesLabels(labels, narrowed)
    expect(left).toBe(value !== 'b' && matchesLabels(labels, selector))
  }
})

test('the other labels of the selector stay', () => {
  expect(excluding({ disk: 'ssd' }, 'k', 'b')).toEqual({ disk: 'ssd', k: '!b' })
})
