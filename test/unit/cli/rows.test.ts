// Choosing among rows, and saying what is not shown.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../runtime/common/errors.ts'
import { choose, cutText, findById } from '../../../cli/rows.ts'

const table = (count: number, dropped = 0) => ({
  rows: Array.from({ length: count }, (_, i) => ({
    taskId: `id${i}`,
    state: i % 3 === 0 ? 'FAILED' : 'FINISHED',
    gpuIds: [],
    name: null,
  })),
  dropped,
})

describe('choose', () => {
  it('shows the newest, and counts exactly whatever the limit', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(80), fc.nat(1000), (count, limit, dropped) => {
        const chosen = choose(table(count, dropped), ['state=FAILED'], limit)
        const failed = Math.ceil(count / 3)
        expect(chosen).toMatchObject({ matching: failed, total: count, dropped })
        expect(chosen.rows).toHaveLength(Math.min(failed, limit))
        if (chosen.rows.length > 0) {
          expect(chosen.rows.at(-1)?.['taskId']).toBe(`id${3 * (failed - 1)}`)
        }
      }),
    )
  })

  it('compares values as they are shown', () => {
    expect(choose(table(4), ['name='], 9).rows).toHaveLength(4)
    expect(choose(table(4), ['gpuIds=[]', 'taskId!=id1'], 9).rows).toHaveLength(3)
  })

  it('refuses what is no filter, and a column that is none', () => {
    expect(() => choose(table(1), ['state'], 9)).toThrow(UsageError)
    expect(() => choose(table(1), ['stat=FAILED'], 9)).toThrow('Did you mean state?')
    expect(choose(table(0), ['whatever=1'], 9).rows).toEqual([])
  })
})

describe('cutText', () => {
  it('says nothing only when nothing is missing', () => {
    const rows = table(2).rows
    expect(cutText({ rows, matching: 2, total: 9, dropped: 0 }, 'tasks')).toBeUndefined()
    expect(cutText({ rows, matching: 2500, total: 2500, dropped: 3000 }, 'tasks')).toBe(
      '2 of 2,500 tasks shown; more with --limit. 3,000 older tasks are no longer kept.',
    )
  })
})

describe('findById', () => {
  it('takes the whole id, or a start that is unique', () => {
    const { rows } = table(12)
    expect(findById(rows, 'taskId', 'id1')).toBe(rows[1])
    expect(findById(rows, 'taskId', 'id11')).toBe(rows[11])
    expect(() => findById(rows, 'taskId', 'id')).toThrow('12 ids start with')
    expect(() => findById(rows, 'taskId', 'x')).toThrow(UsageError)
    const copies = [{ objectId: 'ab1' }, { objectId: 'ab1' }]
    expect(findById(copies, 'objectId', 'ab')).toBe(copies[0])
    expect(() => findById([...copies, { objectId: 'ab2' }], 'objectId', 'ab')).toThrow(
      '2 ids start',
    )
  })
})
