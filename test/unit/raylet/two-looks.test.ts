// Nothing is sure that one look has found.
import { expect, test } from 'vitest'
import { TwoLooks } from '../../../runtime/raylet/cluster/two-looks.ts'

test('what two looks in a row have found is sure, and told once', () => {
  const looks = new TwoLooks()
  expect(looks.found(['a', 'b'])).toEqual([])
  expect(looks.found(['b', 'c'])).toEqual(['b'])
  expect(looks.found(['b', 'c'])).toEqual(['c'])
})

test('what a look in between has not found begins anew', () => {
  const looks = new TwoLooks()
  looks.found(['a'])
  looks.found([])
  expect(looks.found(['a'])).toEqual([])
  expect(looks.found(['a'])).toEqual(['a'])
})

test('TL1 a look that cannot tell is none of the two', () => {
  const looks = new TwoLooks()
  looks.found(['a'])
  looks.unsure()
  expect(looks.found(['a'])).toEqual([])
})
