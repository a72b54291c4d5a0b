// A set that remembers the newest N: against a model, and in constant time.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RecentSet } from '../../../runtime/common/recent-set.ts'

describe('a recent set', () => {
  test('has the newest N, and tells which one it forgot', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(fc.nat(12)), (max, values) => {
        const set = new RecentSet<number>(max)
        let model: number[] = []
        for (const value of values) {
          const oldest = model.length === max ? model[0] : undefined
          const isNew = !model.includes(value)
          expect(set.add(value)).toBe(isNew ? oldest : undefined)
          if (isNew) model = [...model, value].slice(-max)
          expect(set.size).toBe(model.length)
          for (let each = 0; each <= 12; each += 1) expect(set.has(each)).toBe(model.includes(each))
        }
      }),
    )
  })
})
