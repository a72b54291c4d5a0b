// L7: which worker a task takes with it that is ended by force.
import { beforeEach, expect, test } from 'vitest'
import type { LeaseId, WorkerId } from '../../../runtime/common/ids.ts'
import { Leases } from '../../../runtime/core-worker/leases.ts'
import { Peer } from '../../../runtime/core-worker/peers.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { aClass } from '../raylet/brain.ts'

const GRACE_MS = 100
const aTask = {} as TaskRecord

let clock: HandClock
let ended: LeaseId[]
let peer: Peer
let leases: Leases
beforeEach(() => {
  clock = new HandClock()
  ended = []
  peer = new Peer('@worker')
  leases = new Leases({
    clock,
    dial: () => peer,
    mayLive: () => false,
    notifyRaylet: (type, message) => {
      if (type === 'killLease') ended.push((message as { leaseId: LeaseId }).leaseId)
    },
  })
  const { classId } = leases.classOf(aClass())
  const where = { workerId: 'w' as WorkerId, address: '@worker', gpuIds: [], resources: {} }
  leases.granted({ classId, leaseId: 1 as LeaseId, ...where })
})

function answered(seq: number): void {
  peer.inFlight.take(seq)
  leases.replied(peer)
}

test('the first that is not answered takes it at once', () => {
  const running = peer.inFlight.push(aTask)
  leases.endByForce(peer, running)
  expect(ended).toEqual([1])
})

test('one behind others takes it when it runs on once they are answered', async () => {
  const [running, forced] = [peer.inFlight.push(aTask), peer.inFlight.push(aTask)]
  leases.endByForce(peer, forced)
  await clock.advance(10 * GRACE_MS)
  answered(running)
  await clock.advance(GRACE_MS - 1)
  expect(ended).toEqual([])
  await clock.advance(1)
  expect(ended).toEqual([1])
})

test('one that its worker has dropped takes nobody with it, whoever runs there by then', async () => {
  const [running, forced] = [peer.inFlight.push(aTask), peer.inFlight.push(aTask)]
  peer.inFlight.push(aTask)
  leases.endByForce(peer, forced)
  answered(running)
  answered(forced)
  await clock.advance(10 * GRACE_MS)
  expect(ended).toEqual([])
})
