// How limited tasks wait at their owner, for tokens that the raylet grants.
import { expect, test } from 'vitest'
import { toWire } from '../../../runtime/common/error-wire.ts'
import { UsageError } from '../../../runtime/common/errors.ts'
import { ASKED_MAX, Limiters } from '../../../runtime/core-worker/limiters.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'

/** Limiters whose messages to the raylet are kept, and whose turns end when told. */
function aLimiters() {
  const told: string[] = []
  let turn: (() => void)[] = []
  const failed: string[] = []
  const limiters = new Limiters({
    fail: (record, error) => {
      failed.push(error.message)
      limiters.release(record)
    },
    clock: {
      microtask: (run) => {
        turn.push(run)
      },
    },
    notifyRaylet: (type, message) => {
      const unused = 'unused' in message && message.unused ? ' unused' : ''
      told.push(`${type} ${message.name} ${String(message.count)}${unused}`)
    },
  })
  const endTurn = (): string[] => {
    const runs = turn
    turn = []
    for (const run of runs) run()
    return told.splice(0)
  }
  return { limiters, endTurn, failed }
}

function aRecord(name = 'api'): TaskRecord {
  const limit = { name, concurrency: 2, perSecond: undefined }
  return { kind: { limit } } as unknown as TaskRecord
}

test('tasks of one turn are asked for in one message, and start in order', () => {
  const { limiters, endTurn } = aLimiters()
  const started: number[] = []
  for (let i = 0; i < 3; i += 1) limiters.acquire(aRecord(), () => started.push(i))
  expect(endTurn()).toEqual(['takeTokens api 3'])
  limiters.granted({ name: 'api', count: 2 })
  expect(started).toEqual([0, 1])
  limiters.granted({ name: 'api', count: 1 })
  expect(started).toEqual([0, 1, 2])
})

test('a token goes back once when its task ends', () => {
  const { limiters, endTurn } = aLimiters()
  const record = aRecord()
  limiters.acquire(record, () => undefined)
  endTurn()
  limiters.granted({ name: 'api', count: 1 })
  expect(endTurn()).toEqual([])
  limiters.release(record)
  limiters.release(record)
  expect(endTurn()).toEqual(['returnTokens api 1'])
})

test('a task that ends while it waits is passed over; its token goes back unused', () => {
  const { limiters, endTurn } = aLimiters()
  const [first, second] = [aRecord(), aRecord()]
  const started: string[] = []
  limiters.acquire(first, () => started.push('first'))
  limiters.acquire(second, () => started.push('second'))
  expect(endTurn()).toEqual(['takeTokens api 2'])
  limiters.release(first)
  limiters.granted({ name: 'api', count: 2 })
  expect(started).toEqual(['second'])
  expect(endTurn()).toEqual(['returnTokens api 1 unused'])
})

test('a task that comes while a token is on its way for one that left takes it', () => {
  const { limiters, endTurn } = aLimiters()
  const left = aRecord()
  limiters.acquire(left, () => undefined)
  endTurn()
  limiters.release(left)
  const started: string[] = []
  limiters.acquire(aRecord(), () => started.push('later'))
  expect(endTurn()).toEqual([])
  limiters.granted({ name: 'api', count: 1 })
  expect(started).toEqual(['later'])
})

test('no more than ASKED_MAX tokens are asked for at a time', () => {
  const { limiters, endTurn } = aLimiters()
  let started = 0
  for (let i = 0; i < 2 * ASKED_MAX; i += 1) limiters.acquire(aRecord(), () => (started += 1))
  expect(endTurn()).toEqual([`takeTokens api ${String(ASKED_MAX)}`])
  limiters.granted({ name: 'api', count: 10 })
  expect(started).toBe(10)
  expect(endTurn()).toEqual(['takeTokens api 10'])
})

test('limiters of other names do not wait for each other', () => {
  const { limiters, endTurn } = aLimiters()
  const started: string[] = []
  for (const name of ['a', 'b']) limiters.acquire(aRecord(name), () => started.push(name))
  expect(endTurn()).toEqual(['takeTokens a 1', 'takeTokens b 1'])
  limiters.granted({ name: 'b', count: 1 })
  expect(started).toEqual(['b'])
})

test('tasks of a limiter that others use with other numbers fail', () => {
  const { limiters, endTurn, failed } = aLimiters()
  limiters.acquire(aRecord(), () => undefined)
  limiters.acquire(aRecord(), () => undefined)
  endTurn()
  limiters.refused({ name: 'api', error: toWire(new UsageError('other numbers')) })
  expect(failed).toEqual(['other numbers', 'other numbers'])
  expect(endTurn()).toEqual([])
})
