// What workers answer, at the owner: replies and items of streams complete the entries of their
// task. The other end is reply-writer.ts.
import type { ObjectId } from '../common/ids.ts'
import type { ByteReader } from '../protocol/byte-reader.ts'
import type { PeerNotices } from '../protocol/peer-messages.ts'
import { REPLY_VALUE, readReplyHead, type StoredValue } from '../protocol/task-frames.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import {
  decodeFailure,
  errorOf,
  mayRetryFailure,
  type ArgumentFailure,
  type Failure,
} from './failure.ts'
import type { Handoffs } from './handoffs.ts'
import type { Lineage } from './lineage.ts'
import { ObjectEntry, STORED, type StoredAt } from './object-entry.ts'
import type { Peer } from './peers.ts'
import type { References } from './references.ts'
import {
  completeEntry,
  completeInline,
  completeTask,
  copyOf,
  failTask,
  readReply,
  type Outcome,
  type Reply,
} from './replies.ts'
import type { MadeAt } from './made-at.ts'
import type { StreamState } from './streams.ts'
import type { TaskEnds } from './task-ends.ts'
import { DONE, type TaskRecord } from './task-record.ts'

export interface ReplyReceiverDeps {
  readonly codec: ValueCodec
  readonly references: References
  readonly handoffs: Handoffs
  readonly ends: TaskEnds
  readonly lineage: Lineage
  readonly madeAt: MadeAt
  storeFree(objectId: ObjectId): void
  retry(record: TaskRecord): void
  /** An argument of it could not be read. @returns whether it will run once it can be */
  argumentLost(record: TaskRecord, failure: ArgumentFailure): boolean
}

export class ReplyReceiver {
  readonly #deps: ReplyReceiverDeps

  constructor(deps: ReplyReceiverDeps) {
    this.#deps = deps
  }

  /** A frame of replies arrived. */
  replies(peer: Peer, reader: ByteReader): void {
    while (reader.remaining > 0) this.#reply(peer, reader)
  }

  /** An item of a stream arrived. */
  streamItem(peer: Peer, message: PeerNotices['streamItem']): void {
    this.#deps.handoffs.take(peer, message.handoff, (contained) => {
      this.#item(peer, message, contained)
    })
  }

  #item(peer: Peer, message: PeerNotices['streamItem'], contained: readonly ObjectEntry[]): void {
    const record = peer.inFlight.get(message.seq)
    // Late, of an attempt that was given up: the next one makes an object of the same id.
    if (record?.stream === undefined) return
    if (record.phase === DONE) {
      if (message.stored !== undefined) this.#deps.storeFree(message.stored.objectId)
      return
    }
    if (!record.isAt(peer, message.seq)) return
    const { stream } = record
    if (message.index === 0) stream.begun()
    const entry = stream.item(message.index) ?? this.#lostItem(stream, message.index)
    if (entry === undefined) this.#freeRepeated(message.stored)
    else this.#itemCame(peer, record, { entry, message, contained })
  }

  #itemCame(
    peer: Peer,
    record: TaskRecord,
    {
      entry,
      message,
      contained,
    }: {
      readonly entry: ObjectEntry
      readonly message: PeerNotices['streamItem']
      readonly contained: readonly ObjectEntry[]
    },
  ): void {
    const { stored } = message
    if (stored !== undefined) this.#deps.lineage.keep(record, [stored.objectId])
    const value =
      stored === undefined
        ? copyOf(message.blob ?? new Uint8Array(0))
        : placedAt(peer.nodeId, stored)
    completeEntry(entry, value, contained, this.#deps)
    if (record.attempt > 0) this.#settle(entry)
  }

  /** ST4: that item, if it was told before and is lost. */
  #lostItem(stream: StreamState, index: number): ObjectEntry | undefined {
    const { references } = this.#deps
    const entry = references.find(references.idOf(stream.entryOf(index)))
    if (entry?.pending !== true) return undefined
    return entry.task === undefined || entry.task === stream.record ? entry : undefined
  }

  /** An item that an earlier attempt had given: its object was made again. */
  #freeRepeated(stored: StoredAt | undefined): void {
    if (stored === undefined || this.#deps.references.find(stored.objectId) !== undefined) return
    this.#deps.storeFree(stored.objectId)
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
      record?.isAt(peer, head.seq) === true &&
      record.attempt === 0 &&
      record.unheardAt === undefined
    ) {
      record.kind.timing.add(head.runMicros / 1000)
      this.#deps.ends.end(record, false)
      completeInline(entry, reader, this.#deps.codec)
    } else {
      const reply = readReply(reader, head)
      this.#deps.handoffs.take(peer, reply.handoff, (contained) => {
        // Of an attempt that was given up: the next one makes objects of the same ids.
        if (record !== undefined) this.#replied(peer, record, { reply, contained })
      })
    }
  }

  #replied(
    peer: Peer,
    record: TaskRecord,
    { reply, contained }: { readonly reply: Reply; readonly contained: readonly ObjectEntry[] },
  ): void {
    record.kind.timing.add(reply.runMs)
    if (record.phase === DONE) this.#discard(peer, record, reply)
    if (!record.isAt(peer, reply.seq)) return
    const { outcome } = reply
    const failure =
      outcome.kind === 'failed' ? decodeFailure(this.#deps.codec, outcome.blob) : undefined
    if (failure !== undefined && this.#goesOn(record, failure)) return
    if (outcome.kind === 'values') {
      this.#deps.lineage.keep(record, storedIds(outcome.values))
      this.#madeBy(peer, record, outcome.values)
    }
    this.#deps.ends.end(record, failure !== undefined)
    if (failure === undefined) completeTask(record, placedBy(peer, outcome), contained, this.#deps)
    else failTask(record, errorOf(failure, record))
    if (record.attempt > 0) for (const entry of record.entries()) this.#settle(entry)
    this.#deps.ends.freeUnheard(record)
  }

  /** A failure that is not the end of its task. */
  #goesOn(record: TaskRecord, failure: Failure): boolean {
    if (failure.kind === 'argument' && this.#deps.argumentLost(record, failure)) return true
    if (record.retriesLeft === 0 || !mayRetryFailure(failure, record)) return false
    record.retriesLeft -= 1
    this.#deps.retry(record)
    return true
  }

  /** MA1. */
  #madeBy(peer: Peer, record: TaskRecord, values: readonly (Uint8Array | StoredValue)[]): void {
    const isOnlyRun = record.attempt === 0 && record.unheardAt === undefined
    for (const objectId of storedIds(values)) {
      if (isOnlyRun) this.#deps.madeAt.made(objectId, peer.nodeId)
      else this.#deps.madeAt.notAlone(objectId)
    }
  }

  /** What was made again may be small now. */
  #settle({ id, state }: ObjectEntry): void {
    if (id !== undefined && state !== STORED) this.#deps.lineage.released(id)
  }

  /** Nobody waits for this result any more: what it put into the store goes, unless a later attempt
   *  has stored the same, as does what its arguments held (B1: the worker has registered what it
   *  kept of them). */
  #discard(peer: Peer, record: TaskRecord, { outcome }: Reply): void {
    const { ends } = this.#deps
    ends.releaseAt(peer, record)
    if (outcome.kind !== 'values' || storedIds(outcome.values).length === 0) return
    record.unheard(peer.nodeId)
    ends.freeUnheard(record)
  }
}

const storedIds = (values: readonly (Uint8Array | StoredValue)[]): ObjectId[] =>
  values.flatMap((value) => (value instanceof Uint8Array ? [] : [value.objectId]))

/** Stored results lie at the node of the worker that tells of them. */
function placedBy({ nodeId }: Peer, outcome: Outcome): Outcome {
  if (nodeId === undefined || outcome.kind !== 'values') return outcome
  const values = outcome.values.map((value) =>
    value instanceof Uint8Array ? value : placedAt(nodeId, value),
  )
  return { kind: 'values', values }
}

const placedAt = (nodeId: string | undefined, stored: StoredValue): StoredValue =>
  nodeId === undefined ? stored : { ...stored, nodeId }
