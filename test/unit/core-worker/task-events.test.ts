// Task events: columns of what is alike, in the order things ended, and an exact count of the rest.
import { describe, expect, it } from 'vitest'
import type { PushedTask } from '../../../runtime/core-worker/pushed-task.ts'
import { EVENTS_MAX, TaskEvents } from '../../../runtime/core-worker/task-events.ts'

const square = { name: 'square', kind: 'task' }
const cube = { name: 'cube', kind: 'task' }

const task = (template: object, index: number, parent = 'parent'): PushedTask =>
  ({ template, index, parent, attempt: 0 }) as unknown as PushedTask

describe('TaskEvents', () => {
  it('has one run for tasks that are alike, and a new one for each that differs', () => {
    const events = new TaskEvents()
    events.add(task(square, 0), { startMs: 1, endMs: 2 }, false)
    events.add(task(square, 3), { startMs: 2, endMs: 4 }, false)
    events.add(task(square, 4), { startMs: 4, endMs: 5 }, true)
    events.add(task(cube, 5), { startMs: 5, endMs: 6 }, true)
    events.add(task(cube, 0, 'other'), { startMs: 6, endMs: 7 }, true)
    const told = events.take(1000)
    expect(told?.runs.map((run) => [run.name, run.state, run.parent, [...run.indices]])).toEqual([
      ['square', 'FINISHED', 'parent', [0, 3]],
      ['square', 'FAILED', 'parent', [4]],
      ['cube', 'FAILED', 'parent', [5]],
      ['cube', 'FAILED', 'other', [0]],
    ])
    expect([...(told?.runs[0]?.startsMs ?? [])]).toEqual([1001, 1002])
    expect([...(told?.runs[0]?.endsMs ?? [])]).toEqual([1002, 1004])
    expect(events.take(1000)).toBeUndefined()
  })

  it('TE1 keeps so many, counts the others, and begins anew with the next report', () => {
    const events = new TaskEvents()
    for (let i = 0; i < EVENTS_MAX + 5; i += 1) {
      events.add(task(square, i), { startMs: i, endMs: i }, false)
    }
    const told = events.take(0)
    expect(told?.runs.map((run) => run.indices.length)).toEqual([EVENTS_MAX])
    expect(told?.droppedCount).toBe(5)
    events.add(task(square, 1), { startMs: 0, endMs: 0 }, false)
    expect(events.take(0)).toMatchObject({ droppedCount: 0 })
  })
})
