// Which of many leases gets the next task.
import { describe, expect, test } from 'vitest'
import type { LeaseId, WorkerId } from '../../../runtime/common/ids.ts'
import { SCANNED_MAX } from '../../../runtime/core-worker/choose-lease.ts'
import { Leases } from '../../../runtime/core-worker/leases.ts'
import { Peer } from '../../../runtime/core-worker/peers.ts'
import { Timing } from '../../../runtime/core-worker/task-kind.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { aClass } from '../raylet/brain.ts'

const kind = { maxRetries: 3, timing: new Timing(), streaming: false, timeoutMs: undefined }
const aTask = () => ({ kind, phase: 1, argsBytes: 0 }) as unknown as TaskRecord

/** An owner with so many leases, all of whose workers are being dialled. */
function anOwner(leaseCount: number, taskCount: number, spec = aClass()) {
  const peers: Peer[] = []
  const told: string[] = []
  const leases = new Leases({
    clock: new HandClock(),
    mayLive: () => false,
    dial: (address) => {
      const peer = new Peer(address)
      peers.push(peer)
      return peer
    },
    notifyRaylet: (type, message) => {
      if ('leaseId' in message) told.push(`${type} ${String(message.leaseId)}`)
    },
  })
  const cls = leases.classOf(spec)
  cls.queue.unshift(Array.from({ length: taskCount }, aTask))
  leases.pump(cls)
  grantMore(leases, cls.classId, 0, leaseCount)
  const reply = (peer: Peer): void => {
    peer.inFlight.take(peer.inFlight.firstSeq() ?? -1)
    leases.replied(peer)
  }
  return { leases, cls, peers, reply, told }
}

function grantMore(leases: Leases, classId: number, from: number, count: number): void {
  for (let i = from; i < from + count; i += 1) {
    const workerId = `w${String(i)}` as WorkerId
    const where = { workerId, address: `@${workerId}`, gpuIds: [], resources: {} }
    leases.granted({ classId, leaseId: i as LeaseId, ...where })
  }
}

describe.each([10, SCANNED_MAX, SCANNED_MAX + 1, 2_000])('%i leases', (count) => {
  test('ML1: each gets a task as long as there are any', () => {
    const { cls, peers, reply } = anOwner(count, 3 * count)
    expect(peers.every(({ inFlight }) => inFlight.size === 1)).toBe(true)
    expect(cls.queue.length).toBe(2 * count)
    for (const peer of peers) reply(peer)
    expect(cls.queue.length).toBe(count)
    expect(peers.every(({ inFlight }) => inFlight.size === 1)).toBe(true)
  })

  test('ML1: those that found nothing to do get what is submitted later', () => {
    const { leases, cls, peers, reply } = anOwner(count, count)
    for (const peer of peers) reply(peer)
    cls.queue.unshift(Array.from({ length: count }, aTask))
    leases.pump(cls)
    expect(cls.queue.length).toBe(0)
    expect(peers.every(({ inFlight }) => inFlight.size === 1)).toBe(true)
  })
})

test('a reply costs no look at all the leases where there are many', () => {
  const { cls, peers, reply } = anOwner(2_000, 10_000)
  let looks = 0
  const iterate = cls.leases[Symbol.iterator].bind(cls.leases)
  cls.leases[Symbol.iterator] = () => {
    looks += 1
    return iterate()
  }
  for (const peer of peers) reply(peer)
  expect(looks).toBe(0)
  expect(cls.queue.length).toBe(6_000)
})

test('ML1: leases that became idle while there were few are found when there are many again', () => {
  const few = 200
  const { leases, cls, peers, reply } = anOwner(SCANNED_MAX + 1, SCANNED_MAX + 1)
  for (const peer of peers.slice(-1)) reply(peer) // idle while there are many
  for (let i = few; i < SCANNED_MAX; i += 1) leases.broken(i as LeaseId)
  for (const peer of peers.slice(0, few)) reply(peer)
  grantMore(leases, cls.classId, 1_000, SCANNED_MAX)
  cls.queue.unshift(Array.from({ length: few + SCANNED_MAX }, aTask))
  leases.pump(cls)
  expect(cls.queue.length).toBe(0)
})

test('L3: a lease of SPREAD goes back once nothing waits, so that the next call goes elsewhere', () => {
  const spread = anOwner(1, 2, aClass({ strategy: { kind: 'SPREAD' } }))
  for (const peer of spread.peers) spread.reply(peer)
  expect(spread.told).toEqual([])
  for (const peer of spread.peers) spread.reply(peer)
  expect(spread.told).toEqual(['returnLease 0'])
  const other = anOwner(1, 1)
  for (const peer of other.peers) other.reply(peer)
  expect(other.told).toEqual([])
})
