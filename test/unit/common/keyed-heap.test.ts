// The heap whose values are found again: random programs, against a list that is sorted each time.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkHeap, createHeap, firstOf, setKey } from '../../../runtime/common/keyed-heap.ts'

const change = fc.record({
  value: fc.nat({ max: 20 }),
  key: fc.option(fc.nat({ max: 9 }), { nil: undefined }),
})

describe('a heap of values with keys', () => {
  it('KH1: has the least key first, whatever keys come, change and go', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const heap = createHeap<number>()
        const all = new Map<number, number>()
        for (const { value, key } of changes) {
          setKey(heap, value, key)
          if (key === undefined) all.delete(value)
          else all.set(value, key)
          checkHeap(heap)
          expect(heap.entries.length).toBe(all.size)
          const first = firstOf(heap)
          expect(first?.key).toBe(all.size === 0 ? undefined : Math.min(...all.values()))
          if (first !== undefined) expect(all.get(first.value)).toBe(first.key)
        }
      }),
    )
  })
})
