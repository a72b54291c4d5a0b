// How many tasks a lease takes ahead of what its worker runs.
import { expect, it } from 'vitest'
import { PIPELINE_DEPTH_MAX } from '../../../runtime/common/limits.ts'
import { Fifo } from '../../../runtime/core-worker/fifo.ts'
import type { Lease } from '../../../runtime/core-worker/scheduling-class.ts'
import { Peer, type PeerChannel } from '../../../runtime/core-worker/peers.ts'
import { roomOf } from '../../../runtime/core-worker/pipelining.ts'
import { Timing } from '../../../runtime/core-worker/task-kind.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'

const timing = new Timing()
timing.add(0.001)
const short = { kind: { timing, maxRetries: 3, streaming: false } } as unknown as TaskRecord

function leaseAt(peer: Peer): Lease {
  const queue = new Fifo<TaskRecord>()
  queue.push(short)
  const cls = { queue } as unknown as Lease['cls']
  return { peer, cls, draining: false, retiring: false, exclusive: false } as unknown as Lease
}

it('PE3: one task goes to a worker that is being dialled, more once it is connected', () => {
  const peer = new Peer('@worker')
  const lease = leaseAt(peer)
  expect(roomOf(lease)).toBeGreaterThan(0)
  peer.inFlight.push(short)
  expect(roomOf(lease)).toBe(0)
  peer.opened({ bufferedBytes: 0 } as PeerChannel)
  expect(roomOf(lease)).toBe(PIPELINE_DEPTH_MAX - 1)
})
