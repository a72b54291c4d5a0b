// Progress as an owner counts it.
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../runtime/common/clock.ts'
import { Tally } from '../../../runtime/core-worker/tally.ts'
import { Timing, type TaskKind } from '../../../runtime/core-worker/task-kind.ts'
import type { FunctionProgress } from '../../../runtime/protocol/task-events.ts'

const kindOf = (name: string): TaskKind =>
  ({ kind: 'task', name, timing: new Timing() }) as unknown as TaskKind

function aTally() {
  const due: (() => void)[] = []
  const reports: (readonly FunctionProgress[])[] = []
  const running: { kind: TaskKind }[] = []
  const clock = { after: (_ms: number, run: () => void) => void due.push(run) } as unknown as Clock
  const tally = new Tally({
    clock,
    report: (functions) => void reports.push(functions),
    running: () => running,
  })
  return {
    tally,
    running,
    reports,
    /** Time passes: what is due is done. */
    pass: () => {
      for (const run of due.splice(0)) run()
    },
    dueCount: () => due.length,
  }
}

describe('Tally', () => {
  it('reports absolute counts, in one message for all that happened since the last', () => {
    const { tally, reports, running, pass } = aTally()
    const square = kindOf('square')
    for (let i = 0; i < 10; i += 1) tally.submitted(square)
    running.push({ kind: square }, { kind: square })
    for (let i = 0; i < 3; i += 1) tally.ended(square, i === 0)
    pass()
    tally.ended(square, false)
    pass()
    const base = { name: 'square', kind: 'task', failed: 1 }
    expect(reports).toEqual([
      [{ ...base, done: 2, running: 2, pending: 5 }],
      [{ ...base, done: 3, running: 2, pending: 4 }],
    ])
  })

  it('is silent while nothing happens, and takes up again after', () => {
    const { tally, reports, pass, dueCount } = aTally()
    const square = kindOf('square')
    tally.submitted(square)
    tally.ended(square, false)
    pass()
    expect(dueCount()).toBe(0)
    tally.flush()
    expect(reports).toHaveLength(1)
    tally.submitted(square)
    pass()
    expect(reports[1]).toEqual([
      { name: 'square', kind: 'task', done: 1, failed: 0, running: 0, pending: 1 },
    ])
  })

  it('adds up kinds of one name, as options() makes them', () => {
    const { tally, reports } = aTally()
    for (let i = 0; i < 5000; i += 1) {
      const kind = kindOf('square')
      tally.submitted(kind)
      tally.ended(kind, false)
    }
    tally.flush()
    expect(reports[0]).toMatchObject([{ name: 'square', done: 5000 }])
  })

  it('puts names beyond a thousand together, so that nothing grows with the calls', () => {
    const { tally, reports } = aTally()
    for (let i = 0; i < 3000; i += 1) {
      const kind = kindOf(`task ${i}`)
      tally.submitted(kind)
      tally.ended(kind, i % 2 === 0)
    }
    tally.flush()
    const functions = reports[0] ?? []
    expect(functions).toHaveLength(1001)
    expect(functions.at(-1)).toMatchObject({ name: '(others)', done: 1000, failed: 1000 })
    expect(functions.reduce((total, { done, failed }) => total + done + failed, 0)).toBe(3000)
  })
})
