// Progress by function over all owners: exact sums, while owners live and after.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JobId, WorkerId } from '../../../runtime/common/ids.ts'
import type { FunctionProgress } from '../../../runtime/protocol/task-events.ts'
import { ProgressBook } from '../../../runtime/raylet/progress.ts'

const JOBS = ['jobA', 'jobB'] as JobId[]
const owner = (index: number): WorkerId => `owner ${index}` as WorkerId

const progress = (name: string, more: Partial<FunctionProgress> = {}): FunctionProgress => ({
  name,
  kind: 'task',
  pending: 0,
  running: 0,
  done: 0,
  failed: 0,
  ...more,
})

const sum = (book: ProgressBook, key: string): number =>
  book.rows().reduce((total, row) => total + Number(row[key]), 0)

describe('ProgressBook', () => {
  it('takes the last word of each owner, and adds owners of a job up', () => {
    const book = new ProgressBook()
    const [jobId = '' as JobId] = JOBS
    book.report(owner(1), jobId, [progress('f', { done: 1, pending: 5 })], 0)
    book.report(owner(1), jobId, [progress('f', { done: 4, running: 1, pending: 1 })], 0)
    book.report(owner(2), jobId, [progress('f', { done: 10 }), progress('f', { kind: 'actor' })], 0)
    expect(book.rows()).toEqual([
      { jobId: '6a6f6241', ...progress('f', { done: 14, running: 1, pending: 1 }) },
      { jobId: '6a6f6241', ...progress('f', { kind: 'actor' }) },
    ])
  })

  it('keeps what an owner that has gone had reached, and drops what waited for it', () => {
    const book = new ProgressBook()
    book.report(owner(1), 'jobA' as JobId, [progress('f', { done: 3, running: 1, pending: 9 })], 0)
    book.ownerGone(owner(1))
    book.ownerGone(owner(1))
    expect(book.rows()).toEqual([{ jobId: '6a6f6241', ...progress('f', { done: 3 }) }])
  })

  it('PR4: keeps 1000 names of a job whose workers come and go, and counts the others as one', () => {
    const book = new ProgressBook()
    for (let life = 0; life < 30; life += 1) {
      const names = Array.from({ length: 100 }, (_, i) => progress(`f${life}.${i}`, { done: 1 }))
      book.report(owner(life), 'jobA' as JobId, names, 0)
      book.ownerGone(owner(life))
    }
    expect(book.rows()).toHaveLength(1001)
    expect(sum(book, 'done')).toBe(3000)
    expect(book.rows().at(-1)).toMatchObject({ name: '(others)', done: 2000 })
  })

  it('is exact for random programs of reports and deaths', () => {
    const step = fc.record({
      owner: fc.nat(5),
      done: fc.nat(50),
      failed: fc.nat(3),
      dies: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const book = new ProgressBook()
        let lives = 0
        const ids = new Map<number, WorkerId>()
        const counts = new Map<WorkerId, { done: number; failed: number }>()
        for (const { owner: index, done, failed, dies } of steps) {
          const id = ids.get(index) ?? owner(lives++)
          ids.set(index, id)
          const before = counts.get(id) ?? { done: 0, failed: 0 }
          const now = { done: before.done + done, failed: before.failed + failed }
          counts.set(id, now)
          book.report(id, JOBS[index % 2] as JobId, [progress('f', now)], 0)
          if (!dies) continue
          book.ownerGone(id)
          ids.delete(index)
        }
        const all = [...counts.values()]
        expect(sum(book, 'done')).toBe(all.reduce((total, each) => total + each.done, 0))
        expect(sum(book, 'failed')).toBe(all.reduce((total, each) => total + each.failed, 0))
      }),
    )
  })

  it('keeps a hundred jobs that have ended, and all that run', () => {
    const book = new ProgressBook()
    const jobOf = (index: number): JobId => String(index).padStart(4, '0') as JobId
    book.report(owner(0), jobOf(0), [progress('first', { done: 1 })], 0)
    book.report(owner(1), jobOf(0), [progress('first', { done: 1 })], 0)
    book.ownerGone(owner(0))
    for (let index = 1; index <= 150; index += 1) {
      book.report(owner(index + 1), jobOf(index), [progress('f', { done: 1 })], 0)
      book.ownerGone(owner(index + 1))
    }
    const names = book.rows().map((row) => row['name'])
    expect(names).toHaveLength(100)
    expect(book.rows().find((row) => row['name'] === 'first')?.['done']).toBe(2)
  })

  it('what pends is told of owners that have been quiet since then', () => {
    const book = new ProgressBook()
    book.report(
      owner(1),
      'jobA' as JobId,
      [progress('f', { pending: 3 }), progress('g', { done: 1 })],
      100,
    )
    book.report(owner(2), 'jobA' as JobId, [progress('f', { pending: 9 })], 600)
    expect(book.pendingSince(500)).toMatchObject([{ name: 'f', pending: 3 }])
  })
})
