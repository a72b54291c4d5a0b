// Scheduling classes of one owner: their queues, their leases, and when to ask for more.
// A lease is final: it ends, is handed back when others need it, or breaks with its worker.
// Invariants:
//   L1. A task is in exactly one place: the class queue, or in flight at one lease.
//   L2. Tasks go to the lease with the least in flight (choose-lease.ts: of many, to an idle one),
//       never more than its measured time allows (pipelining.ts).
//   L3. An idle lease goes back after LEASE_IDLE_MS, at once when the raylet asks, and at once of
//        SPREAD: the next call is to go to the next node.
//        So does what is idle in a group that is about to be removed: its worker would end with it.
//   L4. Nothing waits long behind a task that turned out slow: it is asked back and goes elsewhere.
//   L5. A class without tasks and leases, of which the raylet was told so, is forgotten here and
//       there: options that differ from call to call leave nothing behind.
//   L6. What is idle at the node that holds a class's arguments goes back before that class asks for
//       leases: what made them has just ended there, and would keep its reader away (D126).
//   L7. A task that is ended by force takes its worker with it only when that runs it: when it is
//       the first that is not answered, for a while where others were before it, as the worker may
//       have dropped it. Such a worker gets nothing more, and what else it runs is not charged.
// Source: Ray normal_task_submitter.cc (SchedulingKey, lease reuse); design 2 (steps 2-4).
import type { Clock } from '../common/clock.ts'
import type { LeaseId } from '../common/ids.ts'
import { LEASE_IDLE_MS, PUSH_BYTES_MAX, STALL_MS } from '../common/limits.ts'
import type { ClassSpec, ClientNotices, RayletNotices } from '../protocol/messages.ts'
import type { Peer } from './peers.ts'
import { chooseLease, leasesToWatch, noteIdle, sharingLeaseCount } from './choose-lease.ts'
import { depthOf, isStalled, mayFollow, roomOf } from './pipelining.ts'
import { pushTasks } from './push.ts'
import { dropEnded, keyOf, newClass, type Lease, type SchedulingClass } from './scheduling-class.ts'
import { DONE, type TaskRecord } from './task-record.ts'

/** What its worker says of a task may be on its way for so long. */
const FORCE_GRACE_MS = 100

export interface LeasesDeps {
  readonly clock: Clock
  dial(address: string): Peer
  /** Whether the process behind a connection that has closed may live. */
  mayLive(this: void, peer: Peer): boolean
  notifyRaylet<K extends keyof RayletNotices>(type: K, message: RayletNotices[K]): void
}

export class Leases {
  readonly #deps: LeasesDeps
  /** L5 bounds both: by their numbers, and by what they ask for. */
  readonly #classes = new Map<number, SchedulingClass>()
  readonly #byKey = new Map<string, SchedulingClass>()
  /** Leases held: the raylet grants no more than the node has room for. */
  readonly #byLease = new Map<LeaseId, Lease>()
  readonly #byPeer = new Map<Peer, Lease>()
  #nextClassId = 0

  constructor(deps: LeasesDeps) {
    this.#deps = deps
  }

  classOf(spec: ClassSpec): SchedulingClass {
    const key = keyOf(spec)
    let cls = this.#byKey.get(key)
    if (cls === undefined) {
      cls = newClass(this.#nextClassId++, spec)
      this.#classes.set(cls.classId, cls)
      this.#byKey.set(key, cls)
    }
    return cls
  }

  /** Gives waiting tasks to leases with room, then asks for what is still missing. */
  pump(cls: SchedulingClass, replied?: Lease): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (dropEnded(cls.queue); cls.queue.length > 0; dropEnded(cls.queue)) {
      const lease = chooseLease(cls, nowMs, replied)
      if (lease === undefined) break
      this.#push(lease, nowMs)
    }
    if (cls.queue.length > 0) this.#pumpOnceDrained(cls, replied)
    this.#want(cls)
  }

  /** Replies of a congested worker pump too, but it may have none to send. */
  #pumpOnceDrained(cls: SchedulingClass, replied: Lease | undefined): void {
    for (const { peer } of leasesToWatch(cls, replied)) {
      if (!peer.congested) continue
      peer.whenDrained(cls, () => {
        this.pump(cls)
      })
    }
  }

  granted(message: ClientNotices['leaseGranted']): void {
    const cls = this.#classes.get(message.classId)
    if (cls === undefined) {
      // Granted before the raylet heard that nothing waits any more.
      this.#deps.notifyRaylet('returnLease', { leaseId: message.leaseId, retire: false })
      return
    }
    const peer = this.#deps.dial(message.address)
    const lease: Lease = {
      leaseId: message.leaseId,
      peer,
      cls,
      draining: false,
      idleSinceMs: this.#deps.clock.monotonicMs(),
      progressAtMs: 0,
      exclusive: false,
      forgetClose: undefined,
      retiring: false,
      forced: new Set(),
      endedFor: undefined,
    }
    cls.leases.add(lease)
    noteIdle(lease)
    this.#byLease.set(lease.leaseId, lease)
    this.#byPeer.set(peer, lease)
    // Without a connection the lease is of no use: its end, told by the raylet, settles its tasks.
    lease.forgetClose = peer.whenClosed(() => {
      const isCut = this.#deps.mayLive(peer) ? { isCut: true } : {}
      this.#deps.notifyRaylet('killLease', { leaseId: lease.leaseId, ...isCut })
    })
    const { gpuIds, resources } = message
    peer.with((channel) => {
      channel.notify('leased', { gpuIds, resources })
      this.pump(cls)
    })
    this.pump(cls)
    if (peer.inFlight.size === 0) this.#idle(lease)
  }

  /** Called after replies from `peer` were handled. */
  replied(peer: Peer): void {
    const lease = this.#byPeer.get(peer)
    if (lease === undefined) return
    lease.progressAtMs = this.#deps.clock.monotonicMs()
    if (lease.forced.size > 0) this.#watchForced(lease)
    if (lease.endedFor !== undefined) return
    if (peer.inFlight.size === 0) {
      lease.exclusive = false
      noteIdle(lease)
    }
    if (!lease.draining && lease.cls.queue.length > 0) this.pump(lease.cls, lease)
    if (peer.inFlight.size > 0) return
    if (lease.draining || lease.retiring) this.#return(lease)
    else this.#idle(lease)
  }

  /** Nobody waits for the task of that number any more, and it is not to run on (L7). */
  endByForce(peer: Peer, seq: number): void {
    const lease = this.#byPeer.get(peer)
    if (lease === undefined) return
    if (peer.inFlight.firstSeq() === seq) this.#endFor(lease, seq)
    else lease.forced.add(seq)
  }

  /** L7. What was answered or handed back meanwhile runs nowhere. */
  #watchForced(lease: Lease): void {
    const { peer, forced } = lease
    const first = peer.inFlight.firstSeq()
    for (const seq of forced) if (peer.inFlight.get(seq) === undefined) forced.delete(seq)
    if (first === undefined || !forced.delete(first)) return
    this.#deps.clock.after(FORCE_GRACE_MS, () => {
      if (peer.inFlight.get(first) !== undefined) this.#endFor(lease, first)
    })
  }

  #endFor(lease: Lease, seq: number): void {
    if (this.#byLease.get(lease.leaseId) !== lease) return
    lease.endedFor = seq
    this.#deps.notifyRaylet('killLease', { leaseId: lease.leaseId })
  }

  reclaim(leaseId: LeaseId): void {
    const lease = this.#byLease.get(leaseId)
    if (lease === undefined) return
    lease.draining = true
    if (isFree(lease)) this.#return(lease)
    else if (lease.peer.inFlight.size > 1) this.askBack(lease)
  }

  /** L3. */
  groupEnds(groupId: string): void {
    for (const lease of [...this.#byLease.values()]) {
      const { strategy } = lease.cls.spec
      const isIn = strategy.kind === 'PLACEMENT_GROUP' && strategy.groupId === groupId
      if (isIn && isFree(lease)) this.#return(lease)
    }
  }

  /** The worker at `peer` ends after what it runs now (maxCalls). */
  retiring(peer: Peer): void {
    const lease = this.#byPeer.get(peer)
    if (lease !== undefined) lease.retiring = true
  }

  /** Asks the worker for the tasks that it has not begun. */
  askBack(lease: Lease): void {
    lease.peer.with((channel) => {
      channel.notify('handBack', {})
    })
  }

  /** Forgets a broken lease; the caller decides what becomes of its tasks. */
  broken(leaseId: LeaseId): Lease | undefined {
    const lease = this.#byLease.get(leaseId)
    if (lease !== undefined) this.#forget(lease)
    return lease
  }

  /** Empties the queue of a class that can never be placed. */
  refused(classId: number): readonly TaskRecord[] {
    const cls = this.#classes.get(classId)
    if (cls === undefined) return []
    cls.wanted = 0
    const records = cls.queue.drain()
    this.#forgetIfUnused(cls)
    return records
  }

  /** Puts tasks back in front, uncharged. */
  requeue(records: readonly TaskRecord[], cls: SchedulingClass): void {
    cls.queue.unshift(records)
    this.pump(cls)
  }

  #push(lease: Lease, nowMs: number): void {
    const { queue } = lease.cls
    if (lease.peer.inFlight.size === 0) lease.progressAtMs = nowMs
    const share = Math.ceil(queue.length / Math.max(1, sharingLeaseCount(lease.cls)))
    const count = Math.max(1, Math.min(roomOf(lease), share))
    const records: TaskRecord[] = []
    let sizeBytes = 0
    for (let i = 0; i < count && sizeBytes <= PUSH_BYTES_MAX; i += 1) {
      const record = queue.peek()
      if (record === undefined) break
      if (i > 0 && !mayFollow(record, lease)) break
      queue.shift()
      if (record.phase === DONE) continue
      records.push(record)
      sizeBytes += record.argsBytes
      if (depthOf(record) > 1) continue
      lease.exclusive = true
      break
    }
    pushTasks(lease.peer, records)
    if (lease.peer.inFlight.size > 1) this.#watchStall(lease.cls)
  }

  /** L4: takes back what waits behind a task that turned out long. */
  #watchStall(cls: SchedulingClass): void {
    cls.stallTimer ??= this.#deps.clock.after(STALL_MS, () => {
      cls.stallTimer = undefined
      const nowMs = this.#deps.clock.monotonicMs()
      let watched = false
      for (const lease of cls.leases) {
        if (lease.peer.inFlight.size < 2) continue
        watched = true
        if (isStalled(lease, nowMs)) this.askBack(lease)
      }
      if (watched) this.#watchStall(cls)
    })
  }

  #want(cls: SchedulingClass): void {
    const busy = cls.leases.size
    const count = cls.queue.length === 0 ? busy : busy + cls.queue.length
    // Told again only when it says something new: growth beyond a factor, or that nothing waits.
    const grows =
      count > cls.wanted &&
      (cls.wanted < 64 || count > cls.wanted * 2 || cls.leases.size >= cls.wanted)
    const shrinks = count < cls.wanted && cls.queue.length === 0
    if (grows || shrinks) {
      if (grows && cls.spec.holder !== undefined) this.#makeRoomAt(cls.spec.holder, cls)
      const spec = cls.wanted === 0 ? { spec: cls.spec } : {}
      cls.wanted = count
      this.#deps.notifyRaylet('wantLeases', { classId: cls.classId, count, ...spec })
    }
    this.#forgetIfUnused(cls)
  }

  /** L6. No more than the class could use. */
  #makeRoomAt(nodeId: string, { queue }: SchedulingClass): void {
    const isIdle = (lease: Lease): boolean =>
      isFree(lease) && !lease.peer.dialling && lease.peer.nodeId === nodeId
    const idle = [...this.#byLease.values()].filter(isIdle)
    for (const lease of idle.slice(0, queue.length)) this.#return(lease)
  }

  /** L5. */
  #forgetIfUnused(cls: SchedulingClass): void {
    if (cls.wanted > 0 || cls.leases.size > 0 || cls.queue.length > 0) return
    cls.forgotten = true
    cls.idleTimer?.cancel()
    cls.stallTimer?.cancel()
    this.#classes.delete(cls.classId)
    this.#byKey.delete(keyOf(cls.spec))
  }

  #idle(lease: Lease): void {
    const { cls } = lease
    if (cls.spec.strategy.kind === 'SPREAD' && cls.queue.length === 0) {
      this.#return(lease)
      return
    }
    lease.idleSinceMs = this.#deps.clock.monotonicMs()
    this.#want(cls)
    cls.idleTimer ??= this.#deps.clock.after(LEASE_IDLE_MS, () => {
      this.#sweep(cls)
    })
  }

  #sweep(cls: SchedulingClass): void {
    cls.idleTimer = undefined
    const nowMs = this.#deps.clock.monotonicMs()
    let nextMs = Infinity
    for (const lease of [...cls.leases]) {
      if (!isFree(lease)) continue
      const leftMs = lease.idleSinceMs + LEASE_IDLE_MS - nowMs
      if (leftMs <= 0) this.#return(lease)
      else nextMs = Math.min(nextMs, leftMs)
    }
    if (nextMs < Infinity) {
      cls.idleTimer = this.#deps.clock.after(nextMs + 1, () => {
        this.#sweep(cls)
      })
    }
  }

  #return(lease: Lease): void {
    this.#forget(lease)
    this.#want(lease.cls) // before the return, else the raylet would grant it again
    this.#deps.notifyRaylet('returnLease', { leaseId: lease.leaseId, retire: lease.retiring })
  }

  #forget(lease: Lease): void {
    lease.cls.leases.delete(lease)
    lease.cls.idle.delete(lease)
    this.#byLease.delete(lease.leaseId)
    this.#byPeer.delete(lease.peer)
    lease.forgetClose?.()
  }
}

const isFree = ({ peer, endedFor }: Lease): boolean =>
  peer.inFlight.size === 0 && endedFor === undefined
