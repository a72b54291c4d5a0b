// From a call to a pushed task, and from its reply to completed entries: the owner's side of tasks.
//   call ─► encode ─► wait for dependencies ─► class queue ─► lease ─► push ─► reply ─► complete
// Invariants:
//   U1. Every submitted task completes its entries exactly once: value, failure or cancellation.
//   U2. When a worker dies, the first task in flight there is charged; those behind it go back as
//       they were, though short ones whose replies were not sent may have run. A task that must
//       not run twice has nothing behind it (leases.ts), and one handed back is never charged.
//   U3. A cancelled task is never run again.
// Source: Ray task_manager.cc (retries), normal_task_submitter.cc.
import { fromWire } from '../common/error-wire.ts'
import type { VirgaError } from '../common/errors.ts'
import type { Clock } from '../common/clock.ts'
import type { ObjectId } from '../common/ids.ts'
import { OOM_RETRIES_MAX } from '../common/limits.ts'
import type { ByteReader } from '../protocol/byte-reader.ts'
import { REPLY_VALUE, readReplyHead } from '../protocol/task-frames.ts'
import type { ClientNotices, PeerNotices, WorkerExit } from '../protocol/messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import {
  bytesOf,
  whenPartsComplete,
  type ArgumentEncoder,
  type EncodedArguments,
} from './arguments.ts'
import { ClassQueues } from './class-queues.ts'
import { crashError, isOutOfMemory } from './crash.ts'
import {
  decodeFailure,
  errorOf,
  mayRetryFailure,
  mayRetryTimeout,
  timeoutError,
} from './failure.ts'
import type { Handoffs } from './handoffs.ts'
import type { Lease, Leases } from './leases.ts'
import { LiveTasks } from './live-tasks.ts'
import { ObjectEntry, STORED, type StoredAt } from './object-entry.ts'
import type { Peer } from './peers.ts'
import type { References } from './references.ts'
import {
  cancelledError,
  completeEntry,
  completeInline,
  completeTask,
  copyOf,
  failTask,
  readReply,
  type Reply,
} from './replies.ts'
import type { Scope } from './scope.ts'
import { StreamState, type StreamHooks } from './streams.ts'
import type { Tally } from './tally.ts'
import type { TaskKind } from './task-kind.ts'
import { DONE, PUSHED, QUEUED, TaskRecord } from './task-record.ts'

const TIMEOUT_GRACE_MS = 1000

export interface SubmitterDeps {
  readonly clock: Clock
  readonly codec: ValueCodec
  readonly references: References
  readonly handoffs: Handoffs
  readonly leases: Leases
  readonly tally: Tally
  readonly encoder: ArgumentEncoder
  readonly streamHooks: StreamHooks
  storeFree(objectId: ObjectId): void
  /** Fetches the value of a borrowed entry, so that a dependency on it can complete. */
  resolve(entry: ObjectEntry): void
  killWorker(peer: Peer): void
  /** Actor calls go by their own road. */
  actorRetry(record: TaskRecord): void
  actorReady(record: TaskRecord): void
  limit(record: TaskRecord, start: () => void): void
  limitDone(record: TaskRecord): void
}

export class Submitter {
  readonly #deps: SubmitterDeps
  readonly #queues: ClassQueues
  readonly #live = new LiveTasks()
  /** Set once the cluster is gone: what is submitted after that fails as well. */
  #over: Error | undefined
  readonly #resolve = (entry: ObjectEntry): void => {
    this.#deps.resolve(entry)
  }
  /** Told when the number of pending tasks leaves or returns to zero. */
  onPending: ((some: boolean) => void) | undefined

  constructor(deps: SubmitterDeps) {
    this.#deps = deps
    this.#queues = new ClassQueues(deps)
  }

  /** Encodes a call into a record with its entries; it is not queued yet. */
  record(kind: TaskKind, scope: Scope, args: readonly unknown[]): TaskRecord {
    const encoded = this.#deps.encoder.encode(args)
    const record = new TaskRecord(kind, scope, scope.nextTask++)
    record.oomRetriesLeft = kind.maxRetries === 0 ? 0 : OOM_RETRIES_MAX
    if (encoded.packed !== undefined) record.take(encoded.packed)
    record.holds = encoded.holds.length > 0 ? encoded.holds : undefined
    if (record.holds !== undefined) this.#deps.references.use(record.holds, 1)
    this.#makeReturns(record)
    this.#begin(record)
    if (encoded.packed === undefined) this.#await(record, encoded)
    return record
  }

  submitTask(kind: TaskKind, scope: Scope, args: readonly unknown[]): TaskRecord {
    const record = this.record(kind, scope, args)
    if (record.args !== undefined) this.#enqueue(record)
    return record
  }

  /** Encodes constructor arguments; `ready` has the record once the dependencies are in. */
  constructorArguments(args: readonly unknown[]): {
    ready: Promise<Buffer>
    holds: readonly ObjectEntry[]
  } {
    const { encoder } = this.#deps
    const encoded = encoder.encode(args)
    const { packed, parts, holds } = encoded
    if (packed !== undefined) return { ready: Promise.resolve(bytesOf(packed)), holds }
    const ready = new Promise<Buffer>((resolve, reject) => {
      whenPartsComplete(parts, this.#resolve, (error) => {
        if (error === undefined) resolve(bytesOf(encoder.assemble(encoded)))
        else reject(error)
      })
    })
    return { ready, holds }
  }

  /** An item of a stream arrived. */
  streamItem(peer: Peer, message: PeerNotices['streamItem']): void {
    const contained = this.#deps.handoffs.take(peer, message.handoff)
    const record = peer.inFlight.get(message.seq)
    // Late, of an attempt that was given up: the next one makes an object of the same id.
    if (record?.stream === undefined) return
    if (record.phase === DONE) {
      if (message.stored !== undefined) this.#deps.storeFree(message.stored.objectId)
      return
    }
    // A producer starts at nothing consumed: tell it what was taken or lifted before it began.
    if (message.index === 0 && record.stream.consumed > 0) {
      this.#deps.streamHooks.consumed(record, record.stream.consumed)
    }
    const entry = record.stream.item(message.index)
    if (entry === undefined) {
      this.#freeRepeated(message.stored)
      return
    }
    const value = message.stored ?? copyOf(message.blob ?? new Uint8Array(0))
    completeEntry(entry, value, contained, this.#deps)
  }

  /** An item that an earlier attempt had given: its object was made again. */
  #freeRepeated(stored: StoredAt | undefined): void {
    if (stored === undefined || this.#deps.references.find(stored.objectId) !== undefined) return
    this.#deps.storeFree(stored.objectId)
  }

  /** A worker is gone, and with it what cancelled tasks were still held for. */
  peerClosed(peer: Peer): void {
    for (const [, record] of peer.inFlight.entries()) {
      if (record.phase !== DONE) continue
      this.#releaseHolds(record)
      this.#freeUntold(record)
    }
  }

  /** What the last attempt may have put into the store before its worker could say so. */
  #freeUntold(record: TaskRecord): void {
    const { references } = this.#deps
    const expected = record.stream === undefined ? record.entries() : [record.stream.expected()]
    for (const entry of expected) {
      if (entry.state !== STORED) this.#deps.storeFree(references.idOf(entry))
    }
  }

  /** The cluster is gone. */
  failAll(error: Error): void {
    this.#over = error
    for (const record of this.#live.all()) this.fail(record, error)
  }

  /** A frame of replies arrived. */
  replies(peer: Peer, reader: ByteReader): void {
    while (reader.remaining > 0) this.#reply(peer, reader)
    this.#deps.leases.replied(peer)
  }

  handedBack(peer: Peer, seqs: readonly number[]): void {
    const records: TaskRecord[] = []
    for (const seq of seqs) {
      const record = peer.inFlight.take(seq)
      if (record?.isAt(peer, seq) === true) records.push(record)
    }
    this.#queues.requeue(records)
    this.#deps.leases.replied(peer)
  }

  /** The lease's worker is gone: what may have begun is charged, the rest goes back as it was. */
  leaseBroken(message: ClientNotices['leaseBroken']): void {
    const lease = this.#deps.leases.broken(message.leaseId)
    if (lease === undefined) return
    // What its worker said last is read first; its connection ends with it.
    lease.peer.whenClosed(() => {
      this.#settle(lease, message)
    })
  }

  #settle({ peer, cls }: Lease, message: ClientNotices['leaseBroken']): void {
    const first = peer.inFlight.firstSeq()
    const records = peer.takeInFlight()
    const begun = records[0]?.seq === first ? records.shift() : undefined
    this.#queues.requeue(records)
    if (begun !== undefined) {
      if (message.error === undefined) this.crashed(begun, message.exit)
      else this.fail(begun, fromWire(message.error))
    }
    this.#queues.pumpSoon(cls)
  }

  crashed(record: TaskRecord, exit: WorkerExit): void {
    record.timer?.cancel()
    if (isOutOfMemory(exit)) {
      if (record.oomRetriesLeft > 0) {
        record.oomRetriesLeft -= 1
        this.retry(record)
        return
      }
    } else if (record.retriesLeft !== 0) {
      record.retriesLeft -= 1
      this.retry(record)
      return
    }
    this.failLost(record, crashError(record, exit))
  }

  retry(record: TaskRecord): void {
    record.attempt += 1
    record.timer?.cancel()
    if (record.kind.kind === 'task') this.#enqueue(record)
    else this.#deps.actorRetry(record)
  }

  classRefused(message: ClientNotices['classRefused']): void {
    const error = fromWire(message.error)
    for (const record of this.#deps.leases.refused(message.classId)) this.fail(record, error)
  }

  /** Cancels a pending task: at once for who waits, then at the worker. */
  cancel(
    record: TaskRecord,
    options: { force: boolean; recursive: boolean; error?: VirgaError },
  ): void {
    if (record.phase === DONE) return
    const { peer, seq, phase } = record
    this.fail(record, options.error ?? cancelledError(record))
    // A queued one is dropped when its turn comes.
    if (phase === QUEUED) this.#queues.pumpSoon(this.#queues.classOf(record.kind))
    if (phase !== PUSHED || peer === undefined) return
    if (peer.channel === undefined) {
      this.#neverSent(peer, record)
      return
    }
    peer.with((channel) => {
      channel.notify('cancelTask', { seq, force: options.force, recursive: options.recursive })
    })
    if (options.force && record.kind.kind === 'task') this.#deps.killWorker(peer)
  }

  /** Its worker is still being dialled: nothing will be said of it there. */
  #neverSent(peer: Peer, record: TaskRecord): void {
    peer.inFlight.take(record.seq)
    this.#releaseHolds(record)
    this.#deps.leases.replied(peer)
  }

  /** The worker says that a timed task has begun. */
  started(peer: Peer, seq: number): void {
    const record = peer.inFlight.get(seq)
    const timeoutMs = record?.kind.timeoutMs
    if (record === undefined || timeoutMs === undefined || record.phase === DONE) return
    record.timer = this.#deps.clock.after(timeoutMs, () => {
      this.#timedOut(peer, record, timeoutMs)
    })
  }

  fail(record: TaskRecord, error: Error): void {
    if (record.phase === DONE) return
    this.#end(record, true)
    failTask(record, error)
  }

  /** Its worker died under it: what it may have put into the store meanwhile goes too. */
  failLost(record: TaskRecord, error: Error): void {
    this.fail(record, error)
    this.#freeUntold(record)
  }

  #timedOut(peer: Peer, record: TaskRecord, timeoutMs: number): void {
    if (!record.isAt(peer, record.seq)) return
    const error = timeoutError(record.kind.name, timeoutMs)
    const { seq } = record
    peer.with((channel) => {
      channel.notify('cancelTask', { seq, force: false, recursive: true, timedOut: true })
    })
    this.#deps.clock.after(TIMEOUT_GRACE_MS, () => {
      // It did not stop: its worker is ended. Actors are left alone, they hold state.
      if (peer.inFlight.get(seq) !== undefined && record.kind.kind === 'task')
        this.#deps.killWorker(peer)
    })
    if (mayRetryTimeout(record) && record.retriesLeft !== 0) {
      record.retriesLeft -= 1
      this.retry(record)
    } else this.fail(record, error)
  }

  /** One value for the one return of a task still awaited is the common case: it allocates nothing
   *  but that value. Everything else is told by a Reply. */
  #reply(peer: Peer, reader: ByteReader): void {
    const head = readReplyHead(reader)
    const record = peer.inFlight.take(head.seq)
    const entry = record?.returns
    if (
      head.status === REPLY_VALUE &&
      entry instanceof ObjectEntry &&
      record?.isAt(peer, head.seq) === true
    ) {
      record.kind.timing.add(head.runMicros / 1000)
      this.#end(record, false)
      completeInline(entry, reader, this.#deps.codec)
    } else this.#replied(peer, record, readReply(reader, head))
  }

  #replied(peer: Peer, record: TaskRecord | undefined, reply: Reply): void {
    if (record === undefined) return
    record.kind.timing.add(reply.runMs)
    const contained = this.#deps.handoffs.take(peer, reply.handoff)
    if (record.phase === DONE) this.#discard(record, reply)
    if (!record.isAt(peer, reply.seq)) return
    const { outcome } = reply
    const failure =
      outcome.kind === 'failed' ? decodeFailure(this.#deps.codec, outcome.blob) : undefined
    if (failure !== undefined && record.retriesLeft !== 0 && mayRetryFailure(failure, record)) {
      record.retriesLeft -= 1
      this.retry(record)
      return
    }
    this.#end(record, failure !== undefined)
    if (failure === undefined) completeTask(record, outcome, contained, this.#deps)
    else failTask(record, errorOf(failure, record))
  }

  /** Nobody waits for this result any more: what it put into the store goes, as does what its
   *  arguments held (B1: the worker has registered what it kept of them). */
  #discard(record: TaskRecord, { outcome }: Reply): void {
    this.#releaseHolds(record)
    if (outcome.kind !== 'values') return
    for (const value of outcome.values) {
      if (!(value instanceof Uint8Array)) this.#deps.storeFree(value.objectId)
    }
  }

  #failIfOver(record: TaskRecord): void {
    const error = this.#over
    if (error === undefined) return
    this.#deps.clock.microtask(() => {
      this.fail(record, error)
    })
  }

  #makeReturns(record: TaskRecord): void {
    const { kind } = record
    if (kind.streaming) {
      record.stream = new StreamState(record, this.#deps.streamHooks)
      return
    }
    const make = (i: number): ObjectEntry => {
      const entry = new ObjectEntry(record.scope, record.index, i)
      entry.task = record
      return entry
    }
    record.returns =
      kind.numReturns <= 1 ? make(0) : Array.from({ length: kind.numReturns }, (_, i) => make(i))
  }

  #begin(record: TaskRecord): void {
    this.#live.add(record)
    this.#deps.tally.submitted(record.kind)
    if (this.#live.size === 1) this.onPending?.(true)
    record.scope.adopt(record)
    this.#failIfOver(record)
    const { signal } = record.kind
    if (signal === undefined) return
    const abort = (): void => {
      this.cancel(record, { force: false, recursive: true })
    }
    if (signal.aborted) this.#deps.clock.microtask(abort)
    else signal.addEventListener('abort', abort, { once: true })
    record.onEnd = () => {
      signal.removeEventListener('abort', abort)
    }
  }

  #end(record: TaskRecord, failed: boolean): void {
    record.phase = DONE
    this.#deps.tally.ended(record.kind, failed)
    record.timer?.cancel()
    const { peer } = record
    // What was pushed while its worker is being dialled has yet to be written (PE1).
    if (peer?.dialling !== true) record.args = undefined
    // A worker that still runs it may be about to register what it keeps of the arguments.
    const runs = peer?.inFlight.get(record.seq) === record && !peer.closed
    if (!runs) this.#releaseHolds(record)
    record.scope.children?.delete(record)
    record.onEnd?.()
    if (record.kind.limit !== undefined) this.#deps.limitDone(record)
    this.#live.delete(record)
    if (this.#live.size === 0) this.onPending?.(false)
  }

  #releaseHolds(record: TaskRecord): void {
    const { holds } = record
    record.holds = undefined
    if (holds !== undefined) this.#deps.references.use(holds, -1)
  }

  #await(record: TaskRecord, encoded: EncodedArguments): void {
    record.dependencies = encoded.parts.flatMap((part) => (part.kind === 'entry' ? part.entry : []))
    whenPartsComplete(encoded.parts, this.#resolve, (error) => {
      record.dependencies = undefined
      if (record.phase === DONE) return
      if (error === undefined) {
        record.take(this.#deps.encoder.assemble(encoded))
        if (record.awaited) this.#ready(record)
      } else if (record.awaited) this.fail(record, error)
      else {
        // Failed already: told by the ref, never by the call.
        this.#deps.clock.microtask(() => {
          this.fail(record, error)
        })
      }
    })
    record.awaited = true
  }

  #ready(record: TaskRecord): void {
    if (record.kind.kind === 'task') this.#enqueue(record)
    else this.#deps.actorReady(record)
  }

  #enqueue(record: TaskRecord): void {
    if (record.kind.limit !== undefined && record.attempt === 0 && record.phase !== QUEUED) {
      this.#deps.limit(record, () => {
        this.#queue(record)
      })
    } else this.#queue(record)
  }

  #queue(record: TaskRecord): void {
    if (record.phase !== DONE) this.#queues.push(record)
  }
}
