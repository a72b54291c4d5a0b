// How much the graph of waits looks at; which waits are stuck is in deadlock.test.ts.
import { describe, expect, test } from 'vitest'
import type { TaskId, WorkerId } from '../../../runtime/common/ids.ts'
import type { Waiting } from '../../../runtime/protocol/messages.ts'
import type { Wait } from '../../../runtime/raylet/state.ts'
import { WaitGraph, type Places } from '../../../runtime/raylet/wait-graph.ts'

const NO_PLACES: Places = {
  ofActor: (actorId) => actorId,
  ofLimiter: (name) => name,
  capacity: () => Infinity,
}

/** Each waits for the one after it, and the last one for `end`. */
function chain(length: number, end: number): { waits: Wait[]; readCount: () => number } {
  let reads = 0
  const waits = Array.from({ length }, (_, index): Wait => {
    const taskId = `t${String(index)}` as TaskId
    const next = `t${String(index + 1 < length ? index + 1 : end)}` as TaskId
    const on: readonly Waiting[] = [{ taskId: next, name: next }]
    return {
      ...{ client: 'w1' as WorkerId, waitId: index, taskId, name: taskId, need: 1 },
      ...{ actorId: undefined, limit: undefined, group: undefined, lease: undefined },
      ...{ isDependency: false, forReader: false, sinceMs: index },
      ...{ confirmedAtMs: 0, reported: false },
      get on() {
        reads += 1
        return on
      },
    }
  })
  return { waits, readCount: () => reads }
}

describe('the graph of waits', () => {
  test.each(['first', 'last'])(
    'WG1: a chain that ends is read once, the %s wait first',
    (order) => {
      const { waits, readCount } = chain(4_000, 4_000)
      const { stuck } = new WaitGraph(order === 'first' ? waits : waits.toReversed(), NO_PLACES)
      expect(stuck.size).toBe(0)
      expect(readCount()).toBe(4_000)
    },
  )

  test('WG1: a ring is read once for what is stuck, and once for its order', () => {
    const { waits, readCount } = chain(4_000, 0)
    expect(new WaitGraph(waits, NO_PLACES).ring()).toHaveLength(4_000)
    expect(readCount()).toBe(8_000)
  })
})
