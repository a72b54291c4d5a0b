// A wait on many objects is told to the raylet without their ids, which are a hash each, and with
// them once it lasts: only a search for rings needs them.
import { beforeEach, expect, test } from 'vitest'
import type { ActorId, ObjectId } from '../../../runtime/common/ids.ts'
import { Blocking } from '../../../runtime/core-worker/blocking.ts'
import type { CoreWorker } from '../../../runtime/core-worker/core-worker.ts'
import type { ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'
import { PUSHED } from '../../../runtime/core-worker/task-record.ts'
import { HandClock } from '../../support/hand-clock.ts'

interface Told {
  readonly type: string
  readonly waitId: number
  readonly need?: number
  readonly on?: readonly unknown[]
}

const LASTS_MS = 400
const MANY = 5000
let told: Told[]
let idCount: number
let clock: HandClock
let blocking: Blocking

beforeEach(() => {
  told = []
  idCount = 0
  clock = new HandClock()
  const idOf = (): ObjectId => {
    idCount += 1
    return 'object-of-a-task' as ObjectId
  }
  const worker = {
    deps: {
      raylet: {
        hold: () => undefined,
        notify: (type: string, message: { waitId: number }) => void told.push({ type, ...message }),
      },
      clock,
      context: { current: () => ({ taskId: 'waits', parts: { mode: 'worker', name: 'waits' } }) },
    },
    execution: undefined,
    references: { idOf },
    registry: { realId: (id: ActorId) => id },
  }
  blocking = new Blocking(worker as unknown as CoreWorker)
})

const entries = (count: number): ObjectEntry[] =>
  Array.from({ length: count }, () => {
    const entry = { pending: true, task: { phase: PUSHED, kind: { name: 'task' } } }
    return entry as unknown as ObjectEntry
  })

/** What the raylet takes the task to wait on: the ids of each wait that has not ended. */
function standing(): { waitId: number; on: number; need: number | undefined }[] {
  const waits = new Map<number, { waitId: number; on: number; need: number | undefined }>()
  for (const { type, waitId, on = [], need } of told) {
    if (type === 'blocked') waits.set(waitId, { waitId, on: on.length, need })
    else waits.delete(waitId)
  }
  return [...waits.values()]
}

test('one that ends soon costs two notices and no id', () => {
  blocking.block(entries(MANY), () => undefined)()
  expect(told.map(({ type, on }) => [type, on])).toEqual([
    ['blocked', []],
    ['unblocked', undefined],
  ])
  clock.turn(LASTS_MS)
  expect([told.length, idCount, clock.pendingCount]).toEqual([2, 0, 0])
})

test('one that lasts is told as a new wait, and its task is blocked all the while', () => {
  const unblock = blocking.block(entries(MANY), () => undefined)
  const [early] = standing()
  clock.turn(LASTS_MS)
  const types = told.map(({ type }) => type)
  expect(types).toEqual(['blocked', 'blocked', 'unblocked'])
  const [wait, ...others] = standing()
  expect(others).toEqual([])
  expect(wait?.waitId).not.toBe(early?.waitId)
  // Those not told are taken to end.
  expect(wait).toMatchObject({ on: 1000, need: 1000 })
  blocking.check(early?.waitId ?? 0)
  expect(told).toHaveLength(3)
  blocking.check(wait?.waitId ?? 0)
  expect(standing()).toMatchObject([{ waitId: wait?.waitId, on: 1000 }])
  unblock()
  expect(standing()).toEqual([])
})

test('a deadlock is told to it by the id that it has then', () => {
  const failures: Error[] = []
  blocking.block(entries(MANY), (error) => void failures.push(error))
  clock.turn(LASTS_MS)
  const [wait] = standing()
  blocking.deadlock(wait?.waitId ?? 0, ['waits', 'waits'])
  expect(failures).toHaveLength(1)
})

test('one on few is told at once', () => {
  blocking.block(entries(32), () => undefined)
  expect(standing()).toMatchObject([{ on: 32, need: 32 }])
})
