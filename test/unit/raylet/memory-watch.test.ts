// When the memory of a node is looked at: often while it works, seldom while it is idle.
import { beforeEach, expect, it } from 'vitest'
import type { LeaseId, WorkerId } from '../../../runtime/common/ids.ts'
import { MEMORY_CHECK_IDLE_MS, MEMORY_CHECK_MS } from '../../../runtime/common/limits.ts'
import { MemoryWatch } from '../../../runtime/raylet/memory-watch.ts'
import type { RayletState } from '../../../runtime/raylet/state.ts'
import { HandClock } from '../../support/hand-clock.ts'

const WORKER_PID = 100
const DRIVER_PID = 200
const LEASE_ID = 1 as LeaseId

let clock: HandClock
let watch: MemoryWatch
let leases: Map<LeaseId, object>
let alive: Set<number>
/** When the worker was looked at, and when the driver was. */
let looks: { readonly atMs: number; readonly pid: number }[]
let gone: WorkerId[]

const looksOf = (pid: number): number => looks.filter((look) => look.pid === pid).length

beforeEach(() => {
  clock = new HandClock()
  leases = new Map()
  alive = new Set([WORKER_PID, DRIVER_PID])
  looks = []
  gone = []
  const workers = new Map([['worker', { workerId: 'worker', pid: WORKER_PID }]])
  const memory = {
    read: (pids: readonly number[]) => {
      for (const pid of pids) looks.push({ atMs: clock.monotonicMs(), pid })
      const processes = pids.filter((pid) => alive.has(pid))
      const each = { rssBytes: 1, peakRssBytes: 1 }
      return { usedBytes: 1, totalBytes: 2, processes: new Map(processes.map((p) => [p, each])) }
    },
  }
  watch = new MemoryWatch(
    { state: { workers, leases } as unknown as RayletState, clock, memory },
    {
      sampled: () => undefined,
      sawPeak: () => undefined,
      gone: (client) => gone.push(client),
    },
  )
  watch.start()
})

it('wakes an idle node at most once a second', async () => {
  for (let i = 0; i < 100; i += 1) {
    watch.changed() // without a lease nothing has changed for it
    await clock.advance(100)
  }
  expect(looksOf(WORKER_PID)).toBe(10_000 / MEMORY_CHECK_IDLE_MS)
  expect(MEMORY_CHECK_IDLE_MS).toBeGreaterThanOrEqual(1000)
})

it('looks as often as it promises from the moment on that somebody has a lease', async () => {
  await clock.advance(2 * MEMORY_CHECK_IDLE_MS + 1)
  leases.set(LEASE_ID, {})
  watch.changed()
  looks.length = 0
  await clock.advance(MEMORY_CHECK_MS)
  expect(looksOf(WORKER_PID)).toBe(1)
  for (let i = 0; i < 9; i += 1) {
    watch.changed() // puts nothing off
    await clock.advance(MEMORY_CHECK_MS)
  }
  expect(looksOf(WORKER_PID)).toBe(10)
})

it('lets the pins of a driver that left go soon after its process has ended', async () => {
  await clock.advance(1)
  watch.left('driver' as WorkerId, DRIVER_PID)
  await clock.advance(MEMORY_CHECK_MS)
  expect(gone).toEqual([])
  alive.delete(DRIVER_PID)
  await clock.advance(MEMORY_CHECK_MS)
  expect(gone).toEqual(['driver'])
})

it('looks seldom again when a driver that left lives on, and sees its end all the same', async () => {
  watch.left('driver' as WorkerId, DRIVER_PID)
  await clock.advance(2 * MEMORY_CHECK_IDLE_MS)
  looks.length = 0
  await clock.advance(10 * MEMORY_CHECK_IDLE_MS)
  expect(looksOf(DRIVER_PID)).toBe(10)
  alive.delete(DRIVER_PID)
  await clock.advance(MEMORY_CHECK_IDLE_MS)
  expect(gone).toEqual(['driver'])
})

it('is still after its end, whatever happens then', async () => {
  watch.stop()
  leases.set(LEASE_ID, {})
  watch.changed()
  watch.left('driver' as WorkerId, DRIVER_PID)
  looks.length = 0
  await clock.advance(10 * MEMORY_CHECK_IDLE_MS)
  expect(looks).toEqual([])
})
