// One scheduling class of an owner: the tasks of it that wait, and the leases held for them. What
// becomes of both is leases.ts; which lease gets how many, pipelining.ts.
import type { Timer } from '../common/clock.ts'
import type { LeaseId } from '../common/ids.ts'
import type { ClassSpec } from '../protocol/messages.ts'
import { Fifo } from './fifo.ts'
import type { Peer } from './peers.ts'
import { DONE, type TaskRecord } from './task-record.ts'

export interface Lease {
  readonly leaseId: LeaseId
  readonly peer: Peer
  readonly cls: SchedulingClass
  /** The raylet wants it back: nothing more is pushed. */
  draining: boolean
  idleSinceMs: number
  /** When its worker last answered, or was given work while idle. */
  progressAtMs: number
  forgetClose: (() => void) | undefined
  /** Runs something that others must not wait behind. */
  exclusive: boolean
  /** Its worker ends after this lease (maxCalls reached, or it was told so). */
  retiring: boolean
  /** Numbers of tasks that are to be ended with it, should it run them (L7). */
  readonly forced: Set<number>
  /** The task for which its worker is being ended: it gets nothing more, and breaks. */
  endedFor: number | undefined
}

export interface SchedulingClass {
  readonly classId: number
  readonly spec: ClassSpec
  readonly queue: Fifo<TaskRecord>
  readonly leases: Set<Lease>
  /** ML1. */
  readonly idle: Set<Lease>
  /** As the raylet was told last; what it was told of with 0 it may have forgotten. */
  wanted: number
  /** L5: whoever still holds it asks for another one. */
  forgotten: boolean
  idleTimer: Timer | undefined
  stallTimer: Timer | undefined
}

export const newClass = (classId: number, spec: ClassSpec): SchedulingClass => ({
  classId,
  spec,
  queue: new Fifo(),
  leases: new Set(),
  idle: new Set(),
  wanted: 0,
  forgotten: false,
  idleTimer: undefined,
  stallTimer: undefined,
})

/** Calls that ask for the same share their leases, whatever they are called. */
export const keyOf = (spec: ClassSpec): string => JSON.stringify({ ...spec, name: '' })

/** Tasks that were cancelled or failed while they waited. */
export function dropEnded(queue: Fifo<TaskRecord>): void {
  while (queue.peek()?.phase === DONE) queue.shift()
}
