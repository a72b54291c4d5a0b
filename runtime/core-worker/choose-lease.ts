// Which lease gets the next tasks of a class (pure but for the notes kept in `idle`). Of few leases
// the least loaded is found by looking at all. Of many, that would be most of an owner's work: 5 ms
// for each push to one of 64,000.
// Invariants:
//   ML1. While a class has more than SCANNED_MAX leases, `idle` has every one of them that has
//        nothing in flight, and those get tasks first.
//   ML2. Of many leases one that has something in flight gets more when it replies: every one does,
//        or breaks, so nothing waits for ever where there is room.
import { leastLoaded, openLeaseCount, roomOf, isStalled } from './pipelining.ts'
import type { Lease, SchedulingClass } from './scheduling-class.ts'

/** Looked at for each push: 64 take 2 µs. Far above the CPUs of a node. */
export const SCANNED_MAX = 256

const isMany = ({ leases }: SchedulingClass): boolean => leases.size > SCANNED_MAX

/** @param replied  the one that gave the occasion, if one did. */
export function chooseLease(
  cls: SchedulingClass,
  nowMs: number,
  replied: Lease | undefined,
): Lease | undefined {
  if (!isMany(cls)) return leastLoaded(cls, nowMs)
  for (const lease of cls.idle) {
    if (lease.peer.inFlight.size > 0) cls.idle.delete(lease)
    else if (roomOf(lease) > 0) return lease
  }
  if (replied === undefined || roomOf(replied) <= 0 || isStalled(replied, nowMs)) return undefined
  return replied
}

/** Between how many leases what waits is shared; of many, those on their way back count too. */
export const sharingLeaseCount = (cls: SchedulingClass): number =>
  isMany(cls) ? cls.leases.size : openLeaseCount(cls)

/** Whose peers to wait for when they do not read: of many, the others reply in time (ML2). */
export function leasesToWatch(cls: SchedulingClass, replied: Lease | undefined): Iterable<Lease> {
  if (!isMany(cls)) return cls.leases
  return replied === undefined ? [] : [replied]
}

/** ML1: to be called when a lease has nothing in flight any more, and when it was granted. */
export function noteIdle(lease: Lease): void {
  const { cls } = lease
  if (!isMany(cls)) {
    if (cls.idle.size > 0) cls.idle.clear() // what is not kept up must not be taken for whole
    return
  }
  if (cls.leases.size > SCANNED_MAX + 1 || cls.idle.size > 0) cls.idle.add(lease)
  else for (const each of cls.leases) if (each.peer.inFlight.size === 0) cls.idle.add(each)
}
