// How many workers tasks get that wait for something, one after the other.
import { describe, expect, test } from 'vitest'
import { WORKER_CAP_MIN } from '../../../runtime/common/limits.ts'
import { whyRows } from '../../../runtime/raylet/why-rows.ts'
import { aBusyNode, grantsOf, units, type Brain } from './brain.ts'

/** Every task that begins waits at once, until no more begin. @returns how many have begun. */
function allWait(brain: Brain): number {
  const { workers, leases } = brain.state
  for (;;) {
    const starting = [...workers.values()].filter(({ phase }) => phase === 'STARTING')
    const running = [...leases.values()].filter(
      ({ worker, waits }) => worker !== undefined && waits.size === 0,
    )
    if (starting.length === 0 && running.length === 0) return leases.size
    for (const { workerId } of starting) {
      const hello = { role: 'worker', pid: 9, address: '@', job: undefined } as const
      brain.send({ kind: 'clientConnected', client: workerId, ...hello })
    }
    for (const { leaseId, worker } of running) {
      const task = `t${String(leaseId)}`
      brain.block(worker?.workerId ?? '', 1, { taskId: task, on: [{ taskId: 'slow' }] })
    }
  }
}

describe('the soft cap', () => {
  test('KC1: beyond it there is one more after 1 s, then after 2, 4, 8, 10 and 10 s', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 60, {})
    let begun = allWait(brain)
    expect(begun).toBe(WORKER_CAP_MIN)
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
      brain.tick(pauseMs - 1)
      expect(allWait(brain)).toBe(begun)
      const [row] = whyRows(brain.state, brain.nowMs)
      expect(row?.['count']).toBe(60 - begun)
      expect(row?.['why']).toMatch(/wait in get/)
      expect(brain.state.wakeAtMs).toBeLessThanOrEqual(brain.nowMs + 1)
      brain.tick(1)
      begun += 1
      expect(allWait(brain)).toBe(begun)
    }
  })

  test('is one for each CPU where that is more; those that run then come on top', () => {
    const brain = aBusyNode({ resources: { CPU: 20 } })
    brain.want('driver1', 0, 60, {})
    expect(allWait(brain)).toBe(20 + 19)
  })

  test('holds nobody back once fewer wait', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 60, {})
    allWait(brain)
    brain.unblock('w1', 1)
    expect(grantsOf(brain.giveBack('driver1', 1))).toEqual([WORKER_CAP_MIN + 1])
  })

  test('KC2: is one for each function of each process', () => {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 60, {})
    allWait(brain)
    brain.want('driver1', 1, 1, { name: 'other' })
    brain.want('w1', 0, 1, {})
    expect(allWait(brain)).toBe(WORKER_CAP_MIN + 2)
  })

  test('does not count what needs no CPU', () => {
    const brain = aBusyNode({ resources: { CPU: 1, slot: 40 } })
    brain.want('driver1', 0, 60, { demand: units({ slot: 1 }) })
    expect(allWait(brain)).toBe(40)
  })
})
