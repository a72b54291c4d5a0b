// The trace that `virga timeline` writes.
import { describe, expect, it } from 'vitest'
import { traceOf } from '../../../cli/timeline.ts'
import { readTrace } from '../../support/trace-format.ts'

const task = (index: number, more: object = {}) => ({
  taskId: `${String(index).padStart(24, '0')}0a0b0c0d`,
  name: 'square',
  kind: 'task',
  state: 'FINISHED',
  startMs: 1000.5 + index,
  endMs: 1002.25 + index,
  attempt: 0,
  pid: 77,
  ...more,
})

describe('traceOf', () => {
  it('gives jobs as processes, workers as threads, and each attempt as a slice in microseconds', () => {
    const rows = [task(0), task(1, { pid: 78 }), task(2, { state: 'FAILED', attempt: 1 })]
    const jobs = [{ jobId: '0a0b0c0d', name: 'app.ts' }]
    const { traceEvents } = traceOf({ rows, dropped: 0 }, jobs)
    expect(traceEvents).toEqual([
      { ph: 'M', name: 'process_name', pid: 1, tid: 0, args: { name: 'job app.ts 0a0b0c0d' } },
      { ph: 'M', name: 'thread_name', pid: 1, tid: 77, args: { name: 'worker 77' } },
      expect.objectContaining({ ph: 'X', name: 'square', ts: 1_000_500, dur: 1750, tid: 77 }),
      { ph: 'M', name: 'thread_name', pid: 1, tid: 78, args: { name: 'worker 78' } },
      expect.objectContaining({ ph: 'X', ts: 1_001_500, tid: 78 }),
      expect.objectContaining({ ph: 'X', cname: 'terrible', tid: 77 }),
    ])
    const failed = traceEvents.at(-1) as { args: object }
    expect(failed.args).toEqual({ taskId: task(2).taskId, state: 'FAILED', attempt: 1 })
  })

  it('gives slices that overlap threads of their own, and the next one the first that is free', () => {
    const times = [
      [0, 10],
      [2, 12],
      [4, 6],
      [8, 20],
      [12, 13],
    ]
    const rows = times.map(([startMs, endMs], i) => task(i, { startMs, endMs }))
    const { traceEvents } = traceOf({ rows, dropped: 0 }, [])
    const slices = readTrace({ traceEvents, displayTimeUnit: 'ms' })
    const first = slices[0]?.tid ?? 0
    const lanes = [...new Set(slices.map(({ tid }) => tid))]
    expect(slices.map(({ tid }) => lanes.indexOf(tid))).toEqual([0, 1, 2, 2, 0])
    expect(first).toBe(77)
    expect(traceEvents).toContainEqual(
      expect.objectContaining({ name: 'thread_name', args: { name: 'worker 77 (2)' } }),
    )
  })

  it('slices that follow each other within a microsecond still do', () => {
    const rows = Array.from({ length: 100 }, (_, i) =>
      task(i, { startMs: 1 + i * 0.0026, endMs: 1 + (i + 1) * 0.0026 }),
    )
    const slices = readTrace(traceOf({ rows, dropped: 0 }, []))
    expect(new Set(slices.map(({ tid }) => tid)).size).toBe(1)
  })

  it('says in the trace itself how many tasks are missing', () => {
    const { otherData } = traceOf({ rows: [task(0)], dropped: 12_345 }, [])
    expect(otherData).toEqual({ tasks: 1, droppedTasks: 12_345 })
  })
})
