// A program whose options differ from call to call leaves no scheduling class at its owner.
import { expect, test } from 'vitest'
import type { LeaseId, WorkerId } from '../../../runtime/common/ids.ts'
import { Leases } from '../../../runtime/core-worker/leases.ts'
import { Peer } from '../../../runtime/core-worker/peers.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { aClass, units } from '../raylet/brain.ts'

function someLeases() {
  const told: string[] = []
  const clock = new HandClock()
  const leases = new Leases({
    clock,
    dial: (address) => new Peer(address),
    mayLive: () => false,
    notifyRaylet: (type, message) => {
      const { classId, count, spec, leaseId } = message as Record<string, unknown>
      const what =
        type === 'wantLeases' ? [classId, count, spec === undefined ? '' : 'spec'] : [leaseId]
      told.push([type, ...what].join(' ').trim())
    },
  })
  return { leases, clock, told: () => told.splice(0) }
}

const spec = (name: string) => aClass({ demand: units({ [name]: 1 }) })
const aTask = () => ({ kind: { maxRetries: 3, timing: {} }, phase: 1 }) as unknown as TaskRecord
const ended = (task: TaskRecord): void => {
  task.phase = 3
}
const grant = (classId: number, leaseId: number) => ({
  classId,
  leaseId: leaseId as LeaseId,
  workerId: 'w1' as WorkerId,
  address: '@w1',
  gpuIds: [],
  resources: {},
})

test('L5: a class that is not wanted any more is forgotten, and made anew when it is', () => {
  const { leases, told } = someLeases()
  const cls = leases.classOf(spec('a'))
  const task = aTask()
  cls.queue.push(task)
  leases.pump(cls)
  expect(leases.classOf(spec('a'))).toBe(cls)
  ended(task)
  leases.pump(cls)
  expect(told()).toEqual(['wantLeases 0 1 spec', 'wantLeases 0 0'])
  expect(cls.forgotten).toBe(true)
  const next = leases.classOf(spec('a'))
  next.queue.push(aTask())
  leases.pump(next)
  expect(told()).toEqual(['wantLeases 1 1 spec'])
})

test('L5: a lease that was granted meanwhile goes back at once', () => {
  const { leases, told } = someLeases()
  const cls = leases.classOf(spec('a'))
  const task = aTask()
  cls.queue.push(task)
  leases.pump(cls)
  ended(task)
  leases.pump(cls)
  told()
  leases.granted(grant(0, 7))
  expect(told()).toEqual(['returnLease 7'])
})

test('L5: a class that was refused while it held a lease is forgotten with it', async () => {
  const { leases, clock, told } = someLeases()
  const cls = leases.classOf(spec('a'))
  cls.queue.push(aTask())
  leases.pump(cls)
  leases.granted(grant(0, 7))
  leases.refused(0)
  expect(cls.forgotten).toBe(false)
  leases.broken(7 as LeaseId)
  leases.pump(cls)
  expect(cls.forgotten).toBe(true)
  await clock.advance(10_000)
  expect(told()).toEqual(['wantLeases 0 1 spec'])
})
