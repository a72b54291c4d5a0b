// Replies of a worker to the owners of its tasks, gathered per owner and sent together.
// Results up to INLINE_BYTES_MAX ride in the reply; larger ones go into the node's store first.
import { UsageError } from '../common/errors.ts'
import { objectIdOf, taskIdOf, type ObjectId } from '../common/ids.ts'
import { INLINE_BYTES_MAX } from '../common/limits.ts'
import type { Hash } from '../common/random.ts'
import { ByteWriter } from '../protocol/byte-writer.ts'
import { SEGMENT_REPLY } from '../protocol/channel.ts'
import type { HandoffMessage } from '../protocol/messages.ts'
import {
  REPLY_CANCELLED,
  REPLY_FAILED,
  REPLY_HANDOFF,
  REPLY_MANY,
  REPLY_NOTHING,
  REPLY_STORED,
  REPLY_VALUE,
  writeInlineArgument,
  writeReplyHead,
  writeStored,
  writeStoredArgument,
} from '../protocol/task-frames.ts'
import type { EncodedValue, ValueCodec } from '../protocol/value-codec.ts'
import type { PushedTask } from './execute.ts'
import { encodeFailure } from './failure.ts'
import type { StoredAt } from './object-entry.ts'
import type { Handoffs } from './handoffs.ts'
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

export class ReplyWriter {
  readonly #deps: ReplyWriterDeps
  readonly #outgoing = new Map<Peer, Outgoing>()

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
    return this.#careful(task, [encoded], micros, false)
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
      return this.#deps.store.put(this.objectId(task, returnIndex), encoded)
    }
    const blob = Buffer.allocUnsafe(encoded.sizeBytes)
    encoded.writeTo(blob)
    return blob
  }

  objectId(task: PushedTask, returnIndex: number): ObjectId {
    return objectIdOf(taskIdOf(this.#deps.hash, task.parent, task.index), returnIndex)
  }

  flush(): void {
    for (const { peer, writer } of this.#outgoing.values()) {
      if (writer.position === 0) continue
      peer.with((channel) => {
        channel.segment(SEGMENT_REPLY, (frame) => {
          frame.bytes(writer.written())
        })
        channel.flush()
      })
      writer.reset()
    }
  }

  /** The owner is gone: nobody takes over what was handed to it. */
  forget(peer: Peer): void {
    this.#outgoing.delete(peer)
  }

  #plain(task: PushedTask, value: unknown, micros: number): void {
    const writer = this.#head(task, REPLY_VALUE, micros)
    const at = writer.reserve(1)
    this.#deps.codec.encodeInto(writer, value, 'result')
    const length = writer.position - at - 1
    if (length < 0x80) writer.buffer[at] = length
    else {
      const blob = Buffer.from(writer.buffer.subarray(at + 1, writer.position))
      writer.position = at
      writer.lengthPrefixed(blob)
    }
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
    const encoded = values.map((each, i) => this.#deps.codec.encode(each, `result[${String(i)}]`))
    return this.#careful(task, encoded, micros, true)
  }

  /** Large results and results with refs inside: stored first, handed over with a receipt. */
  async #careful(
    task: PushedTask,
    encoded: readonly EncodedValue[],
    micros: number,
    many: boolean,
  ): Promise<void> {
    // Before anything is awaited: user code may free a handle meanwhile.
    const { handoffs, references } = this.#deps
    const handoff = handoffs.offer(
      task.peer,
      encoded.flatMap((each) => each.handles),
    )
    const placed: (Uint8Array | StoredAt)[] = []
    try {
      for (const [i, each] of encoded.entries()) placed.push(await this.place(task, i, each))
    } catch (error) {
      if (handoff !== undefined) handoffs.done(task.peer, handoff.id)
      throw error
    }
    await references.settled()
    const flag = flagOf(handoff)
    const only = placed[0]
    if (many || only === undefined) {
      const writer = this.#head(task, REPLY_MANY | flag, micros)
      writer.varint(placed.length)
      for (const each of placed) writeResult(writer, each)
      writeHandoff(writer, handoff)
    } else if (only instanceof Uint8Array) {
      const writer = this.#head(task, REPLY_VALUE | flag, micros)
      writer.lengthPrefixed(only)
      writeHandoff(writer, handoff)
    } else {
      const writer = this.#head(task, REPLY_STORED | flag, micros)
      writeStored(writer, only)
      writeHandoff(writer, handoff)
    }
    this.flush()
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

function writeResult(writer: ByteWriter, value: Uint8Array | StoredAt): void {
  if (value instanceof Uint8Array) writeInlineArgument(writer, value)
  else writeStoredArgument(writer, value.objectId, value.sizeBytes)
}
