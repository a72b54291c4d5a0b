// The tasks that ended: the newest are kept, all are counted.
import { describe, expect, it } from 'vitest'
import type { TaskId } from '../../../runtime/common/ids.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import type { RayletNotices } from '../../../runtime/protocol/messages.ts'
import { TaskLog } from '../../../runtime/raylet/task-log.ts'

/** Tasks of a worker with these indices, in runs of at most `runLength`. */
function told(
  indices: readonly number[],
  { droppedCount = 0, runLength = 3 } = {},
): RayletNotices['taskEvents'] {
  const runs = []
  for (let at = 0; at < indices.length; at += runLength) {
    const column = Float64Array.from(indices.slice(at, at + runLength))
    runs.push({
      parent: '0123456789abcdef' as TaskId,
      name: 'square',
      kind: 'task' as const,
      state: 'FINISHED' as const,
      attempt: 0,
      indices: column,
      startsMs: column.map((index) => index * 10),
      endsMs: column.map((index) => index * 10 + 1),
    })
  }
  return { pid: 7, runs, droppedCount }
}

describe('TaskLog', () => {
  it('keeps the newest, oldest first, and counts what it no longer has', () => {
    const log = new TaskLog(systemHash, 4)
    log.add(told([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    const { rows, dropped } = log.rows(100)
    expect(rows.map((row) => row['startMs'])).toEqual([60, 70, 80, 90])
    expect(rows[0]).toMatchObject({ name: 'square', state: 'FINISHED', endMs: 61, pid: 7 })
    expect(new Set(rows.map((row) => row['taskId'])).size).toBe(4)
    expect(dropped).toBe(6)
    expect(log.rows(1)).toMatchObject({ rows: [{ startMs: 90 }], dropped: 9 })
  })

  it('counts what workers could not keep either', () => {
    const log = new TaskLog(systemHash, 4)
    log.add(told([0], { droppedCount: 12 }))
    log.add(told([1]))
    expect(log.rows(100)).toMatchObject({ dropped: 12 })
    expect(log.rows(100).rows).toHaveLength(2)
  })
})
