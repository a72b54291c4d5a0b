// The pending tasks of this process, and the end of each: a value, a failure, a cancellation, the
// loss of its worker or of the cluster. Whatever it is, it comes once (U1), and what the task held
// until then is let go.
import type { Clock } from '../common/clock.ts'
import type { ObjectId } from '../common/ids.ts'
import { CUT_NOTICED_MS } from '../common/limits.ts'
import { LiveTasks } from './live-tasks.ts'
import { STORED } from './object-entry.ts'
import type { Peer } from './peers.ts'
import type { References } from './references.ts'
import { failTask } from './replies.ts'
import type { Tally } from './tally.ts'
import { DONE, type TaskRecord } from './task-record.ts'

export interface TaskEndsDeps {
  readonly clock: Clock
  readonly references: References
  readonly tally: Tally
  /** @param at  the node where it may lie, in hex; not given where there is one. */
  storeFree(objectId: ObjectId, at: string | undefined): void
  limitDone(record: TaskRecord): void
  /** A task with refs among its arguments has ended well there. Absent where there is one node. */
  readonly argumentsRead?: ((record: TaskRecord, peer: Peer) => void) | undefined
  /** Told when the number of pending tasks leaves or returns to zero. */
  onPending(some: boolean): void
}

export class TaskEnds {
  readonly #deps: TaskEndsDeps
  readonly #live = new LiveTasks()
  /** Set once the cluster is gone: what is submitted after that fails as well. */
  #over: Error | undefined

  constructor(deps: TaskEndsDeps) {
    this.#deps = deps
  }

  /** From here on it is pending. */
  begin(record: TaskRecord): void {
    this.#live.add(record)
    this.#deps.tally.submitted(record.kind)
    if (this.#live.size === 1) this.#deps.onPending(true)
    record.scope.adopt(record)
    if (this.#over !== undefined) this.failSoon(record, this.#over)
  }

  /** The caller completes its entries at once after this. */
  end(record: TaskRecord, failed: boolean): void {
    record.phase = DONE
    this.#deps.tally.ended(record.kind, failed)
    record.timer?.cancel()
    const { peer } = record
    if (!failed) this.#tellRead(record)
    // What was pushed while its worker is being dialled has yet to be written (PE1).
    if (peer?.dialling !== true) record.args = undefined
    this.#releaseWhenOver(record)
    record.scope.children?.delete(record)
    record.onEnd?.()
    this.#live.delete(record)
    if (this.#live.size === 0) this.#deps.onPending(false)
  }

  /** A worker that still runs it may be about to register what it keeps of the arguments. */
  #releaseWhenOver(record: TaskRecord): void {
    const { peer } = record
    const isOut = peer?.inFlight.get(record.seq) === record
    if (isOut && !peer.closed) return
    if (isOut && isHeldAt(peer, record)) this.#releaseLater(peer, record)
    else this.release(record)
  }

  #tellRead(record: TaskRecord): void {
    const { holds, peer } = record
    if (holds !== undefined && peer !== undefined) this.#deps.argumentsRead?.(record, peer)
  }

  fail(record: TaskRecord, error: Error): void {
    if (record.phase === DONE) return
    this.end(record, true)
    failTask(record, error)
    this.freeUnheard(record)
  }

  /** Told by the ref, never by the call that is under way. */
  failSoon(record: TaskRecord, error: Error): void {
    this.#deps.clock.microtask(() => {
      this.fail(record, error)
    })
  }

  /** The cluster is gone. */
  failAll(error: Error): void {
    this.#over = error
    for (const record of this.#live.all()) this.fail(record, error)
  }

  /** It has ended and nothing of it runs: what its arguments hold is needed no more, and the token
   *  of its limiter is free. */
  release(record: TaskRecord): void {
    const { holds } = record
    record.holds = undefined
    if (holds !== undefined) this.#deps.references.use(holds, -1)
    if (record.kind.limit !== undefined) this.#deps.limitDone(record)
  }

  /** Its worker runs it no more, though it had ended: the same as release(), unless a later attempt
   *  runs elsewhere. */
  releaseAt(peer: Peer, record: TaskRecord): void {
    if (record.phase === DONE && record.peer === peer) this.release(record)
  }

  /** A worker is gone, and with it what ended tasks were still held for. */
  peerClosed(peer: Peer): void {
    for (const [, record] of peer.inFlight.entries()) {
      if (record.phase !== DONE) continue
      if (isHeldAt(peer, record)) this.#releaseLater(peer, record)
      else this.releaseAt(peer, record)
      record.unheard(peer.nodeId)
      this.freeUnheard(record)
    }
  }

  /** CW2. */
  #releaseLater(peer: Peer, record: TaskRecord): void {
    this.#deps.clock.after(CUT_NOTICED_MS, () => {
      this.releaseAt(peer, record)
    })
  }

  /** It has ended. What an attempt may have put into the store before its worker could say so goes. */
  freeUnheard(record: TaskRecord): void {
    const { references } = this.#deps
    const { unheardAt } = record
    if (unheardAt === undefined) return
    const expected = record.stream?.expected() ?? record.entries()
    for (const entry of expected) {
      if (entry.state === STORED) continue
      for (const nodeId of unheardAt) this.#deps.storeFree(references.idOf(entry), nodeId)
    }
  }
}

/** CW2: it may hold its token there. */
const isHeldAt = ({ end }: Peer, { kind }: TaskRecord): boolean =>
  end === 'CUT' && kind.limit !== undefined
