// From a call to a pushed task, and again after a lost attempt: the owner's side of tasks.
//   call ─► encode ─► wait for dependencies ─► class queue ─► lease ─► push
// What comes back is reply-receiver.ts; how a task ends, task-ends.ts.
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
import { OOM_RETRIES_MAX } from '../common/limits.ts'
import { reasonFor } from '../common/reason.ts'
import type { ClientNotices, WorkerExit } from '../protocol/messages.ts'
import {
  bytesOf,
  placedEntries,
  whenPartsComplete,
  type ArgumentEncoder,
  type EncodedArguments,
} from './arguments.ts'
import type { AdoptableTask } from './adoptable-task.ts'
import type { ArgumentHolders } from './argument-holders.ts'
import { ClassQueues } from './class-queues.ts'
import { EndedAttempts, crashError, isOutOfMemory } from './crash.ts'
import { closeAtLostNode, runsLimited, whenRunsNoMore } from './cut-worker.ts'
import { mayRetryTimeout, timeoutError } from './failure.ts'
import type { Leases } from './leases.ts'
import type { Lease } from './scheduling-class.ts'
import { ObjectEntry } from './object-entry.ts'
import type { Peer } from './peers.ts'
import type { References } from './references.ts'
import { cancelledError } from './replies.ts'
import type { Scope } from './scope.ts'
import { StreamState } from './streams.ts'
import type { TaskEnds } from './task-ends.ts'
import type { TaskKind } from './task-kind.ts'
import { DONE, PUSHED, QUEUED, TaskRecord, WAITING } from './task-record.ts'

const TIMEOUT_GRACE_MS = 1000

export interface SubmitterDeps {
  readonly clock: Clock
  readonly references: References
  readonly leases: Leases
  readonly ends: TaskEnds
  readonly encoder: ArgumentEncoder
  /** Fetches the value of a borrowed entry, so that a dependency on it can complete. */
  resolve(entry: ObjectEntry): void
  /** Actor calls go by their own road. */
  actorRetry(record: TaskRecord): void
  actorReady(record: TaskRecord): void
  limit(record: TaskRecord, start: () => void): void
  /** In a durable job. */
  readonly submitted?: ((record: TaskRecord) => void) | undefined
  /** Arguments of tasks that wait for some of them; absent where nobody else runs their tasks. */
  readonly awaited?: WeakMap<TaskRecord, EncodedArguments> | undefined
  /** Absent where there is one node. */
  readonly holders?: ArgumentHolders | undefined
}

type ReturnsOf = (record: TaskRecord) => TaskRecord['returns']

export class Submitter {
  readonly #deps: SubmitterDeps
  readonly #queues: ClassQueues
  readonly #ended = new EndedAttempts()
  readonly #resolve = (entry: ObjectEntry): void => {
    this.#deps.resolve(entry)
  }

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
    this.#deps.ends.begin(record)
    this.#obeySignal(record)
    if (encoded.packed === undefined) this.#await(record, encoded)
    this.#deps.submitted?.(record)
    return record
  }

  submitTask(kind: TaskKind, scope: Scope, args: readonly unknown[]): TaskRecord {
    const record = this.record(kind, scope, args)
    if (record.args !== undefined) this.#enqueue(record)
    return record
  }

  /** Runs a task of an owner that is gone, as one of ours. Its attempt is a new one. */
  resubmit(call: AdoptableTask['call'], encoded: EncodedArguments, returns: ReturnsOf): TaskRecord {
    const { encoder, references, ends } = this.#deps
    const record = new TaskRecord(call.kind, call.scope, call.index)
    record.attempt = call.attempt + 1
    record.retriesLeft = call.retriesLeft
    record.oomRetriesLeft = call.retriesLeft === 0 ? 0 : OOM_RETRIES_MAX
    record.holds = encoded.holds.length > 0 ? encoded.holds : undefined
    references.use(encoded.holds, 1)
    record.returns = returns(record)
    ends.begin(record)
    if (encoded.parts.some(({ kind }) => kind === 'entry')) this.#await(record, encoded)
    else record.take(encoder.assemble(encoded))
    record.awaited = true
    if (record.args !== undefined) this.#ready(record)
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

  handedBack(peer: Peer, seqs: readonly number[]): void {
    const records: TaskRecord[] = []
    for (const seq of seqs) {
      const record = peer.inFlight.take(seq)
      if (record?.isAt(peer, seq) === true) records.push(record)
      else if (record !== undefined) this.#deps.ends.releaseAt(peer, record)
    }
    this.#queues.requeue(records)
    this.#deps.leases.replied(peer)
  }

  /** The lease's worker is gone: what may have begun is charged, the rest goes back as it was. */
  leaseBroken(message: ClientNotices['leaseBroken']): void {
    const lease = this.#deps.leases.broken(message.leaseId)
    if (lease === undefined) return
    const { peer } = lease
    // What its worker said last is read first; its connection ends with it.
    const settle = (): void => {
      this.#settle(lease, message)
    }
    const isLost = message.exit.cause === 'NODE_LOST'
    if (isLost && runsLimited(peer)) {
      whenRunsNoMore(peer, this.#deps.clock, settle)
      return
    }
    if (isLost) closeAtLostNode(peer)
    peer.whenClosed(settle)
  }

  #settle({ peer, cls, endedFor }: Lease, message: ClientNotices['leaseBroken']): void {
    const first = peer.inFlight.firstSeq()
    const records = peer.takeInFlight()
    const begun = records[0]?.seq === first ? records.shift() : undefined
    this.#queues.requeue(records)
    if (begun !== undefined) {
      const isElsewhere = message.goesOn === true && begun.retriesLeft !== 0
      if (isElsewhere || (endedFor !== undefined && endedFor !== first)) this.retry(begun) // L7
      else if (message.error === undefined) this.crashed(begun, message.exit)
      else this.#deps.ends.fail(begun, reasonFor(begun.kind.name, fromWire(message.error)))
    }
    this.#queues.pumpSoon(cls)
  }

  crashed(record: TaskRecord, exit: WorkerExit): void {
    record.timer?.cancel()
    this.#ended.add(record, exit)
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
    this.#deps.ends.fail(record, crashError(record, exit, this.#ended.all(record)))
  }

  retry(record: TaskRecord): void {
    record.attempt += 1
    record.timer?.cancel()
    if (record.kind.kind === 'task') this.#enqueue(record)
    else this.#deps.actorRetry(record)
  }

  /** Runs a task again that had ended: `record` was made of its spec, and has not begun. */
  rerun(record: TaskRecord): void {
    if (record.phase === DONE) return
    this.#restart(record, () => {
      if (record.kind.kind === 'actor') this.#deps.actorRetry(record)
      else this.#admit(record)
    })
  }

  /** It did not begin, as an argument that it names by place could not be read: it begins once that
   *  can be, and has used up nothing. */
  argumentLost(record: TaskRecord): void {
    if (record.kind.kind === 'actor') this.#deps.actorRetry(record) // its place in the line
    this.#restart(record, () => {
      if (record.kind.kind === 'actor') this.#deps.actorReady(record)
      else this.#queue(record)
    })
  }

  #restart(record: TaskRecord, start: () => void): void {
    const { args: slab, argsAt: at, argsBytes: sizeBytes, holds = [] } = record
    if (slab === undefined) throw new Error('a task was started again without its arguments')
    const packed = bytesOf({ slab, at, sizeBytes })
    const needed = placedEntries(packed, holds)
    record.timer?.cancel()
    record.phase = WAITING
    record.peer = undefined
    record.args = undefined
    record.dependencies = [...needed.values()]
    const parts = record.dependencies.map((entry) => ({ kind: 'entry' as const, entry }))
    whenPartsComplete(parts, this.#resolve, (error) => {
      record.dependencies = undefined
      if (record.phase === DONE) return
      if (error === undefined) {
        this.#deps.holders?.note(record, parts)
        record.take(this.#deps.encoder.rebuild(packed, needed))
        start()
      } else this.#deps.ends.fail(record, error)
    })
  }

  classRefused(message: ClientNotices['classRefused']): void {
    const reason = fromWire(message.error)
    const errors = new Map<string, VirgaError>()
    for (const record of this.#deps.leases.refused(message.classId)) {
      const { name } = record.kind
      const error = errors.get(name) ?? reasonFor(name, reason)
      errors.set(name, error)
      this.#deps.ends.fail(record, error)
    }
  }

  /** Cancels a pending task: at once for who waits, then at the worker. */
  cancel(
    record: TaskRecord,
    options: { force: boolean; recursive: boolean; error?: VirgaError },
  ): void {
    if (record.phase === DONE) return
    const { peer, seq, phase } = record
    this.#deps.ends.fail(record, options.error ?? cancelledError(record))
    // A queued one is dropped when its turn comes.
    if (phase === QUEUED) this.#queues.pumpSoon(this.#queues.classOf(record))
    if (phase !== PUSHED || peer === undefined) return
    if (peer.channel === undefined) {
      this.#neverSent(peer, record)
      return
    }
    peer.with((channel) => {
      channel.notify('cancelTask', { seq, force: options.force, recursive: options.recursive })
    })
    if (options.force && record.kind.kind === 'task') this.#deps.leases.endByForce(peer, seq)
  }

  /** Its worker is still being dialled: nothing will be said of it there. */
  #neverSent(peer: Peer, record: TaskRecord): void {
    peer.inFlight.take(record.seq)
    this.#deps.ends.release(record)
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
        this.#deps.leases.endByForce(peer, seq)
    })
    if (mayRetryTimeout(record) && record.retriesLeft !== 0) {
      // It holds its token until nothing of it runs: then its reply, or its worker's end, retries it.
      if (record.kind.limit !== undefined) return
      record.retriesLeft -= 1
      this.retry(record)
    } else this.#deps.ends.fail(record, error)
  }

  #makeReturns(record: TaskRecord): void {
    const { kind } = record
    if (kind.streaming) {
      record.stream = new StreamState(record)
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

  #obeySignal(record: TaskRecord): void {
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

  #await(record: TaskRecord, encoded: EncodedArguments): void {
    const { ends } = this.#deps
    this.#deps.awaited?.set(record, encoded)
    record.dependencies = encoded.parts.flatMap((part) => (part.kind === 'entry' ? part.entry : []))
    whenPartsComplete(encoded.parts, this.#resolve, (error) => {
      record.dependencies = undefined
      if (record.phase === DONE) return
      if (error === undefined) {
        this.#deps.holders?.note(record, encoded.parts)
        record.take(this.#deps.encoder.assemble(encoded))
        this.#deps.awaited?.delete(record)
        if (record.awaited) this.#ready(record)
      } else if (record.awaited) ends.fail(record, error)
      else ends.failSoon(record, error) // failed already
    })
    record.awaited = true
  }

  #ready(record: TaskRecord): void {
    if (record.kind.kind === 'task') this.#enqueue(record)
    else this.#deps.actorReady(record)
  }

  #enqueue(record: TaskRecord): void {
    if (record.attempt === 0 && record.phase !== QUEUED) this.#admit(record)
    else this.#queue(record)
  }

  /** Queues it once it has the token of its limiter, if it has a limiter. */
  #admit(record: TaskRecord): void {
    if (record.kind.limit === undefined) this.#queue(record)
    else {
      this.#deps.limit(record, () => {
        this.#queue(record)
      })
    }
  }

  #queue(record: TaskRecord): void {
    if (record.phase !== DONE) this.#queues.push(record)
  }
}
