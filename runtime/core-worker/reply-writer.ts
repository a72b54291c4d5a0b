// Replies of a worker to the owners of its tasks, gathered per owner and sent together.
// Results up to INLINE_BYTES_MAX ride in the reply; larger ones go into the node's store first.
import { StoppedError, UsageError } from '../common/errors.ts'
import { objectIdOf, taskIdOf, type ObjectId } from '../common/ids.ts'
import { INLINE_BYTES_MAX } from '../common/limits.ts'
import type { Hash } from '../common/random.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import { SEGMENT_REPLY } from '../protocol/channel.ts'
import type { HandoffMessage } from '../protocol/peer-messages.ts'
import {
  REPLY_CANCELLED,
  REPLY_FAILED,
  REPLY_HANDOFF,
  REPLY_MANY,
  REPLY_NOTHING,
  REPLY_STORED,
  REPLY_VALUE,
  writeReplyHead,
  writeStored,
  writeStoredArgument,
} from '../protocol/task-frames.ts'
import type { EncodedValue, ValueCodec } from '../protocol/value-codec.ts'
import type { PushedTask } from './pushed-task.ts'
import { encodeFailure } from './failure.ts'
import type { StoredAt } from './object-entry.ts'
import type { Handoffs } from './handoffs.ts'
import { appendValue, expectMore } from './many-values.ts'
import type { Peer } from './peers.ts'
import type { References } from './references.ts'
import type { StoreClient } from './store-client.ts'

export interface ReplyWriterDeps {
  readonly codec: ValueCodec
  readonly hash: Hash
  readonly store: StoreClient
  readonly references: References
  readonly handoffs: Handoffs
  readonly where: { readonly nodeId: string; readonly pid: number; readonly workerId: string }
}

interface Outgoing {
  readonly peer: Peer
  readonly writer: ByteWriter
}

/** Several results, encoded: the large ones stand where `at` says between the others. */
interface Encoded {
  readonly count: number
  readonly inline: ByteWriter
  readonly large: readonly Large[]
  readonly handles: readonly object[]
}

interface Large {
  readonly index: number
  readonly at: number
  readonly encoded: EncodedValue
}

export class ReplyWriter {
  readonly #deps: ReplyWriterDeps
  /** A writer for each owner that was answered, kept while its connection is open. */
  readonly #outgoing = new Map<Peer, Outgoing>()
  /** It has failed while its results were stored; this process ends. */
  #answered: PushedTask | undefined

  constructor(deps: ReplyWriterDeps) {
    this.#deps = deps
  }

  /** Writes the results of a task; undefined when done at once, else resolves when written. */
  value(task: PushedTask, value: unknown, micros: number): Promise<void> | undefined {
    const { numReturns } = task.template
    if (numReturns === 0) return this.nothing(task, micros)
    if (numReturns !== 1) return this.#many(task, value, micros)
    if (isPlain(value)) {
      // Most results: written at once, with no promise and no closure.
      if (this.#deps.references.settled() === undefined) {
        this.#plain(task, value, micros)
        return undefined
      }
      return this.#whenSettled(() => {
        this.#plain(task, value, micros)
      })
    }
    const encoded = this.#deps.codec.encode(value, 'result')
    if (encoded.sizeBytes <= INLINE_BYTES_MAX && encoded.handles.length === 0) {
      return this.#whenSettled(() => {
        const writer = this.#head(task, REPLY_VALUE, micros)
        writer.varint(encoded.sizeBytes)
        const at = writer.reserve(encoded.sizeBytes)
        encoded.writeTo(writer.buffer.subarray(at, at + encoded.sizeBytes))
      })
    }
    return this.#careful(task, encoded, micros)
  }

  nothing(task: PushedTask, micros: number): Promise<void> | undefined {
    return this.#whenSettled(() => {
      this.#head(task, REPLY_NOTHING, micros)
    })
  }

  /** Also an actor whose call was cancelled may have kept refs of its arguments (B1). */
  cancelled(task: PushedTask): void {
    void this.#whenSettled(() => {
      this.#head(task, REPLY_CANCELLED, 0)
    })
  }

  failed(task: PushedTask, error: unknown, micros: number): void {
    const { blob, handles } = encodeFailure(this.#deps.codec, error, this.#deps.where)
    const handoff = this.#deps.handoffs.offer(task.peer, handles)
    void this.#whenSettled(() => {
      const writer = this.#head(task, REPLY_FAILED | flagOf(handoff), micros)
      writer.lengthPrefixed(blob)
      writeHandoff(writer, handoff)
    })
  }

  /** Stores or inlines one encoded value under an id derived from its task. */
  async place(
    task: PushedTask,
    returnIndex: number,
    encoded: EncodedValue,
  ): Promise<Uint8Array | StoredAt> {
    if (encoded.sizeBytes > INLINE_BYTES_MAX) {
      return this.#store(task, returnIndex, encoded)
    }
    return encoded.toBytes()
  }

  async #store(task: PushedTask, index: number, encoded: EncodedValue): Promise<StoredAt> {
    const { store } = this.#deps
    const stored = await store.put(this.objectId(task, index), encoded, task.peer.workerId)
    if (this.#answered !== task) return stored
    await store.drop([stored]) // nobody hears of it
    throw new StoppedError(`${task.template.name} has failed while its result was stored`)
  }

  /** It fails with something else: what of its results is still being stored is dropped then. */
  answeredOtherwise(task: PushedTask): void {
    this.#answered = task
  }

  objectId(task: PushedTask, returnIndex: number): ObjectId {
    return objectIdOf(taskIdOf(this.#deps.hash, task.parent, task.index), returnIndex)
  }

  /** How many owners it keeps a writer for. */
  get ownerCount(): number {
    return this.#outgoing.size
  }

  flush(): void {
    for (const { peer, writer } of this.#outgoing.values()) {
      if (peer.closed) this.#outgoing.delete(peer) // a task of it ended after it had gone
      if (peer.closed || writer.position === 0) continue
      this.#sendNow(peer, (frame) => {
        frame.bytes(writer.written())
      })
      writer.reset()
    }
  }

  /** The owner is gone: nobody takes over what was handed to it. */
  forget(peer: Peer): void {
    this.#outgoing.delete(peer)
  }

  #sendNow(peer: Peer, write: (frame: ByteWriter) => void): void {
    this.#deps.references.tellUnheard(peer)
    peer.with((channel) => {
      channel.segment(SEGMENT_REPLY, write)
      channel.flush()
    })
  }

  #plain(task: PushedTask, value: unknown, micros: number): void {
    const writer = this.#head(task, REPLY_VALUE, micros)
    const at = writer.reserve(1)
    this.#deps.codec.encodeInto(writer, value, 'result')
    writer.prefixLength(at)
  }

  #many(task: PushedTask, value: unknown, micros: number): Promise<void> {
    const { numReturns, name } = task.template
    const values = Array.isArray(value) ? (value as unknown[]) : undefined
    if (values?.length !== numReturns) {
      const got = values === undefined ? 'no array' : `${String(values.length)} values`
      throw new UsageError(
        `${name} has numReturns ${String(numReturns)} and must return an array of as many values; ` +
          `it returned ${got}`,
        { data: { expected: numReturns, got: values?.length ?? null } },
      )
    }
    return this.#written(task, this.#encodeMany(values), micros)
  }

  #encodeMany(values: readonly unknown[]): Encoded {
    const inline = new ByteWriter()
    const large: Large[] = []
    const handles: object[] = []
    for (const [i, value] of values.entries()) {
      expectMore(inline, i, values.length)
      const path = `result[${String(i)}]`
      const outcome = appendValue(this.#deps.codec, inline, value, path)
      if (outcome.handles.length > 0) handles.push(...outcome.handles)
      const { oversize } = outcome
      if (oversize !== undefined) large.push({ index: i, at: inline.position, encoded: oversize })
    }
    return { count: values.length, inline, large, handles }
  }

  /** Several results: large ones are stored first, refs inside handed over with a receipt. */
  async #written(task: PushedTask, encoded: Encoded, micros: number): Promise<void> {
    const { count, inline, large, handles } = encoded
    const { handoff, placed } = await this.#handedOver(task, handles, () =>
      this.#placeAll(task, large),
    )
    this.flush()
    // Straight into the frame: it may be tens of MiB, to copy once more and for a writer to keep.
    this.#sendNow(task.peer, (writer) => {
      writeReplyHead(writer, task.seq, REPLY_MANY | flagOf(handoff), micros)
      writer.varint(count)
      let from = 0
      for (const [i, { at }] of large.entries()) {
        writer.range(inline.buffer, from, at)
        from = at
        writeStoredArgument(writer, placed[i] as StoredAt)
      }
      writer.range(inline.buffer, from, inline.position)
      writeHandoff(writer, handoff)
    })
  }

  async #placeAll(task: PushedTask, large: readonly Large[]): Promise<StoredAt[]> {
    const { store } = this.#deps
    const placed: StoredAt[] = []
    try {
      for (const { index, encoded } of large) {
        placed.push(await this.#store(task, index, encoded))
      }
    } catch (error) {
      await store.drop(placed) // nobody hears of them: the task fails with this
      throw error
    }
    return placed
  }

  /** One result that is large or has refs inside. */
  async #careful(task: PushedTask, encoded: EncodedValue, micros: number): Promise<void> {
    const { handoff, placed } = await this.#handedOver(task, encoded.handles, () =>
      this.place(task, 0, encoded),
    )
    if (placed instanceof Uint8Array) {
      const writer = this.#head(task, REPLY_VALUE | flagOf(handoff), micros)
      writer.lengthPrefixed(placed)
      writeHandoff(writer, handoff)
    } else {
      const writer = this.#head(task, REPLY_STORED | flagOf(handoff), micros)
      writeStored(writer, placed)
      writeHandoff(writer, handoff)
    }
    this.flush()
  }

  /** Offers the refs before anything is awaited, as user code may free one meanwhile; then stores
   *  what is large, and waits until refs that came are registered. */
  async #handedOver<T>(
    task: PushedTask,
    handles: readonly object[],
    place: () => Promise<T>,
  ): Promise<{ handoff: HandoffMessage | undefined; placed: T }> {
    const { handoffs, references } = this.#deps
    const handoff = handoffs.offer(task.peer, handles)
    let placed: T
    try {
      placed = await place()
    } catch (error) {
      if (handoff !== undefined) handoffs.done(task.peer, handoff.id)
      throw error
    }
    await references.settled()
    return { handoff, placed }
  }

  #whenSettled(write: () => void): Promise<void> | undefined {
    const settling = this.#deps.references.settled()
    if (settling === undefined) {
      write()
      return undefined
    }
    return settling.then(() => {
      write()
      this.flush()
    })
  }

  #head(task: PushedTask, status: number, micros: number): ByteWriter {
    let outgoing = this.#outgoing.get(task.peer)
    if (outgoing === undefined) {
      outgoing = { peer: task.peer, writer: new ByteWriter() }
      this.#outgoing.set(task.peer, outgoing)
    }
    writeReplyHead(outgoing.writer, task.seq, status, micros)
    return outgoing.writer
  }
}

/** What never fails to encode, so that the frame may be written in place, and is never large. */
function isPlain(value: unknown): boolean {
  if (value === null) return true
  const type = typeof value
  if (type === 'string') return (value as string).length <= PLAIN_TEXT_CHARS_MAX
  return type === 'number' || type === 'boolean' || type === 'undefined'
}
/** Longer texts are rare, and in place they would be moved for their length's sake. */
const PLAIN_TEXT_CHARS_MAX = 4096

const flagOf = (handoff: HandoffMessage | undefined): number =>
  handoff === undefined ? 0 : REPLY_HANDOFF

function writeHandoff(writer: ByteWriter, handoff: HandoffMessage | undefined): void {
  if (handoff === undefined) return
  writer.varint(handoff.id)
  writer.varint(handoff.refs.length)
  for (const ref of handoff.refs) writer.lengthPrefixed(ref)
}
