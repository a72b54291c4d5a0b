// The tasks that ended: the newest are kept, all are counted.
import { describe, expect, it } from 'vitest'
import type { TaskId } from '../../../runtime/common/ids.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import type { TaskEvent } from '../../../runtime/protocol/messages.ts'
import { TaskLog } from '../../../runtime/raylet/task-log.ts'

const event = (index: number): TaskEvent => ({
  parent: '0123456789abcdef' as TaskId,
  index,
  name: `task ${index}`,
  kind: 'task',
  state: 'FINISHED',
  startMs: index,
  endMs: index + 1,
  attempt: 0,
  pid: 1,
})

describe('TaskLog', () => {
  it('keeps the newest, oldest first, and counts what it no longer has', () => {
    const log = new TaskLog(systemHash, 4)
    log.add(Array.from({ length: 10 }, (_, i) => event(i)))
    const { rows, dropped } = log.rows(100)
    expect(rows.map((row) => row['name'])).toEqual(['task 6', 'task 7', 'task 8', 'task 9'])
    expect(dropped).toBe(6)
    expect(log.rows(1)).toMatchObject({ rows: [{ name: 'task 9' }], dropped: 9 })
  })

  it('counts what workers could not keep either', () => {
    const log = new TaskLog(systemHash, 4)
    log.add([event(0)], 12)
    log.add([event(1)])
    expect(log.rows(100)).toMatchObject({ dropped: 12 })
    expect(log.rows(100).rows).toHaveLength(2)
  })
})
