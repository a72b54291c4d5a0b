// Rate and time left, as the live view of `virga run` shows them.
import { describe, expect, it } from 'vitest'
import { Progress, progressLine } from '../../../cli/progress.ts'

const row = (done: number, pending: number, more: object = {}) => ({
  jobId: 'aa',
  kind: 'task',
  name: 'square',
  pending,
  running: 0,
  done,
  failed: 0,
  ...more,
})

describe('Progress', () => {
  it('takes the rate of the last five seconds, and the time left from it', () => {
    const progress = new Progress(0)
    for (let second = 1; second <= 20; second += 1) {
      // Slow at first: ten a second; then a hundred.
      const done = second <= 10 ? second * 10 : 100 + (second - 10) * 100
      progress.update([row(done, 2000 - done)], second * 1000)
    }
    const [square] = progress.functions
    expect(square?.rate).toBe(100)
    expect(square?.leftMs).toBe(9000)
  })

  it('does not guess the time left before anything has ended', () => {
    const progress = new Progress(0)
    progress.update([row(0, 10)], 500)
    expect(progress.functions[0]?.leftMs).toBeUndefined()
    expect(progressLine(progress.functions[0] ?? expect.fail())).toBe(
      'square: 0 done, 0 running, 10 waiting, 0 failed, 0/s, ? left',
    )
  })

  it('sums a function over owners and jobs, and keeps tasks and methods apart', () => {
    const progress = new Progress(0)
    const rows = [row(1, 2), row(3, 4, { jobId: 'bb', failed: 5 }), row(7, 0, { kind: 'actor' })]
    progress.update(rows, 1000)
    expect(progress.functions.map(({ done, pending, failed }) => [done, pending, failed])).toEqual([
      [4, 6, 5],
      [7, 0, 0],
    ])
    expect(progress.functions[0]?.rate).toBe(9)
  })

  it('has no time left where nothing is left', () => {
    const progress = new Progress(0)
    progress.update([row(20, 0)], 1000)
    expect(progressLine(progress.functions[0] ?? expect.fail())).toBe(
      'square: 20 done, 0 running, 0 waiting, 0 failed, 20/s',
    )
  })
})
