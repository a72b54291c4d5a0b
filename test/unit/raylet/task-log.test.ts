// The tasks that ended: the newest are kept, all are counted.
import { describe, expect, it } from 'vitest'
import type { TaskId } from '../../../runtime/common/ids.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import type { RayletNotices } from '../../../runtime/protocol/messages.ts'
import { TaskLog } from '../../../runtime/raylet/task-log.ts'
import { collect } from '../../support/collect.ts'

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

/** What was made last lives while its bytes are counted. */
const alive: { made?: unknown } = {}

/** Bytes of the heap and of array buffers that stay, of what `make` returns. */
function bytesOf(make: () => unknown): number {
  const bytes = (): number => {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = bytes()
  alive.made = make()
  return bytes() - before
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

  it('is the same ring at every size on its way to full', () => {
    const log = new TaskLog(systemHash, 1500)
    for (let i = 0; i < 4000; i += 1) {
      log.add(told([i]))
      if (i % 319 !== 0) continue
      const { rows, dropped } = log.rows(10_000)
      const shown = Math.min(i + 1, 1500)
      expect(rows.map((row) => row['startMs'])).toEqual(
        Array.from({ length: shown }, (_, at) => (i + 1 - shown + at) * 10),
      )
      expect(dropped).toBe(i + 1 - shown)
    }
  })

  it('tells events apart that differ in anything', () => {
    const log = new TaskLog(systemHash)
    const [run] = told([1]).runs
    if (run === undefined) throw new Error('no run')
    const others = [
      { ...run, parent: 'fedcba9876543210' as TaskId },
      { ...run, kind: 'actor' as const },
      { ...run, state: 'FAILED' as const },
      { ...run, attempt: 1 },
      { ...run, name: 'cube' },
    ]
    log.add({ pid: 7, runs: others, droppedCount: 0 })
    log.add({ pid: 8, runs: [run], droppedCount: 0 })
    const { rows } = log.rows(100)
    expect(new Set(rows.map((row) => row['parent'])).size).toBe(2)
    expect(rows.map((row) => row['kind'])).toEqual([
      'task',
      'actor',
      'task',
      'task',
      'task',
      'task',
    ])
    expect(rows.map((row) => row['state'] === 'FAILED')).toEqual([0, 0, 1, 0, 0, 0].map(Boolean))
    expect(rows.map((row) => row['attempt'])).toEqual([0, 0, 0, 1, 0, 0])
    expect(rows.map((row) => row['name'] === 'cube')).toEqual([0, 0, 0, 0, 1, 0].map(Boolean))
    expect(rows.map((row) => row['pid'])).toEqual([7, 7, 7, 7, 7, 8])
  })

  it('takes at most 64 bytes for an event that is like its neighbours', () => {
    const count = 100_000
    const grown = bytesOf(() => {
      const log = new TaskLog(systemHash, count)
      for (let i = 0; i < count; i += 100) {
        log.add(told(Array.from({ length: 100 }, (_, at) => i + at)))
      }
      return log
    })
    expect(grown / count).toBeLessThanOrEqual(64)
  })
})
