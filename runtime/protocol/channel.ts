// Messages over a connection: control messages (notify, request and reply) and hot segments.
// Everything sent in one turn of the event loop leaves as one frame: a sequence of segments, each
// [u8 kind][u32 length][payload], in the order written.
// Invariants:
//   H1. Order is kept across kinds: a template defined before a push arrives before it.
//   H2. Every request ends: by its reply, or by the close of the connection.
//   H3. A malformed message, or a handler that throws on one, closes this channel only.
import type { Clock } from '../common/clock.ts'
import { fromWire, toWire, type WireError } from '../common/error-wire.ts'
import { ProtocolError, UnsupportedMessageError, VirgaError } from '../common/errors.ts'
import type { ByteReader } from './byte-reader.ts'
import { ByteReader as Reader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { FRAME_HEADER_BYTES, type Connection } from './connection.ts'
import type { ValueCodec } from './value-codec.ts'

const SEGMENT_CONTROL = 0
export const SEGMENT_PUSH = 1
export const SEGMENT_REPLY = 2
export const SEGMENT_PART = 3
const FLUSH_BYTES = 256 * 1024
/** Of a frame whose end lies elsewhere. */
const HEAD_BYTES = 64

/** What one end answers: requests by type, notifications by type, hot segments. */
export interface ChannelHandlers {
  notified(type: string, message: object): void
  requested(type: string, message: object): unknown
  push?(reader: ByteReader): void
  reply?(reader: ByteReader): void
  part?(reader: ByteReader): void
  /** The peer has read what was sent. */
  drained?(): void
  closed(error?: Error): void
}

interface Envelope {
  readonly t: string
  /** Checked on arrival to be an object, and no more: what is in it is the handler's to check. */
  readonly m: object
  readonly id?: number
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

export interface ChannelDeps {
  readonly clock: Clock
  readonly codec: ValueCodec
}

/**
 * `Calls` maps request types to [message, reply]; `Notices` maps notification types to messages.
 */
export class Channel<
  Calls extends { [K in keyof Calls]: [message: object, reply: unknown] },
  Notices extends { [K in keyof Notices]: object },
> {
  readonly #connection: Connection
  readonly #deps: ChannelDeps
  readonly #writer = new ByteWriter()
  readonly #pending = new Map<number, Pending>()
  #handlers: ChannelHandlers | undefined
  #nextRequest = 1
  #flushScheduled = false
  #closed = false

  constructor(connection: Connection, deps: ChannelDeps) {
    this.#connection = connection
    this.#deps = deps
    this.#writer.reserve(FRAME_HEADER_BYTES)
  }

  get closed(): boolean {
    return this.#closed
  }

  get bufferedBytes(): number {
    return this.#connection.bufferedBytes + this.#writer.position
  }

  start(handlers: ChannelHandlers): void {
    this.#handlers = handlers
    this.#connection.start({
      onFrame: (body) => {
        this.#receive(body)
      },
      onDrain: () => {
        this.#handlers?.drained?.()
      },
      onClose: (error) => {
        this.#close(error)
      },
    })
  }

  notify<K extends keyof Notices & string>(type: K, message: Notices[K]): void {
    this.#control({ t: type, m: message })
  }

  request<K extends keyof Calls & string>(type: K, message: Calls[K][0]): Promise<Calls[K][1]> {
    if (this.#closed) return Promise.reject(closedError())
    const id = this.#nextRequest++
    this.#control({ t: type, m: message, id })
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
    })
  }

  /** Writes one hot segment through `write`; it leaves with the turn, or earlier by flush(). */
  segment(kind: number, write: (writer: ByteWriter) => void): void {
    if (this.#closed) return
    const writer = this.#writer
    const before = writer.position
    writer.u8(kind)
    const lengthAt = writer.reserve(4)
    const start = writer.position
    try {
      write(writer)
    } catch (error) {
      writer.position = before // half a segment would corrupt the frame
      throw error
    }
    writer.patchU32(lengthAt, writer.position - start)
    this.#scheduleFlush()
  }

  /**
   * The same for a segment that ends with bytes that lie elsewhere and never change any more: it
   * leaves at once, as a frame of its own, without a copy of them where the connection can.
   */
  segmentWith(kind: number, write: (writer: ByteWriter) => void, rest: Buffer): void {
    if (this.#connection.sendWith === undefined) {
      this.segment(kind, (writer) => {
        write(writer)
        writer.bytes(rest)
      })
      return
    }
    this.flush()
    if (this.#closed) return
    const writer = new ByteWriter({ initialBytes: HEAD_BYTES })
    writer.reserve(FRAME_HEADER_BYTES)
    writer.u8(kind)
    const lengthAt = writer.reserve(4)
    const start = writer.position
    write(writer)
    writer.patchU32(lengthAt, writer.position - start + rest.length)
    this.#connection.sendWith(writer.take(), rest)
  }

  flush(): void {
    const writer = this.#writer
    if (this.#closed || writer.position === FRAME_HEADER_BYTES) return
    this.#connection.send(writer.take())
    writer.reserve(FRAME_HEADER_BYTES)
  }

  close(): void {
    this.flush()
    this.#connection.close()
  }

  ref(): void {
    this.#connection.ref()
  }

  unref(): void {
    this.#connection.unref()
  }

  #control(envelope: Envelope): void {
    this.segment(SEGMENT_CONTROL, (writer) => {
      this.#deps.codec.encodeInto(writer, envelope, envelope.t)
    })
  }

  #scheduleFlush(): void {
    if (this.#writer.position > FLUSH_BYTES) this.flush()
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#deps.clock.microtask(() => {
      this.#flushScheduled = false
      this.flush()
    })
  }

  #receive(body: Buffer): void {
    try {
      const reader = new Reader(body)
      while (reader.remaining > 0) {
        const kind = reader.u8()
        const segment = reader.view(reader.u32())
        this.#dispatch(kind, segment)
      }
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error
      this.#connection.close()
      this.#close(error)
    }
  }

  #dispatch(kind: number, segment: Uint8Array): void {
    const handlers = this.#handlers
    if (handlers === undefined || this.#closed) return
    if (kind === SEGMENT_CONTROL) {
      this.#handle(handlers, this.#deps.codec.decode(segment) as Envelope)
    } else if (kind === SEGMENT_PUSH && handlers.push) handlers.push(new Reader(segment))
    else if (kind === SEGMENT_REPLY && handlers.reply) handlers.reply(new Reader(segment))
    else if (kind === SEGMENT_PART && handlers.part) handlers.part(new Reader(segment))
    else throw new UnsupportedMessageError(`no segment of kind ${String(kind)} is known here`)
  }

  #handle(handlers: ChannelHandlers, envelope: Envelope): void {
    if (typeof envelope !== 'object' || envelope === null || typeof envelope.t !== 'string') {
      throw new ProtocolError('a control message without a type arrived')
    }
    const { t, m, id } = envelope
    if (typeof m !== 'object' || m === null) {
      throw new ProtocolError(`a control message '${t}' without content arrived`)
    }
    if (t === 'ok' || t === 'failed') this.#settle(t, m as { id: number })
    else if (id === undefined) handlers.notified(t, m)
    else this.#answer(handlers, t, m, id)
  }

  #answer(handlers: ChannelHandlers, type: string, message: object, id: number): void {
    const fail = (error: unknown): void => {
      this.#control({ t: 'failed', m: { id, error: toWire(asVirgaError(error, type)) } })
    }
    const succeed = (value: unknown): void => {
      this.#control({ t: 'ok', m: { id, value } })
    }
    let result: unknown
    try {
      result = handlers.requested(type, message)
    } catch (error) {
      fail(error)
      return
    }
    if (result instanceof Promise) result.then(succeed, fail)
    else succeed(result)
  }

  #settle(
    type: 'ok' | 'failed',
    message: { id: number; value?: unknown; error?: WireError },
  ): void {
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    this.#pending.delete(message.id)
    if (type === 'ok') pending.resolve(message.value)
    else pending.reject(fromWire(message.error))
  }

  #close(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    for (const pending of this.#pending.values()) pending.reject(error ?? closedError())
    this.#pending.clear()
    this.#handlers?.closed(error)
  }
}

function closedError(): ProtocolError {
  return new ProtocolError('the connection closed before the reply came')
}

function asVirgaError(error: unknown, type: string): VirgaError {
  if (error instanceof VirgaError) return error
  return new ProtocolError(
    `${type} failed: ${error instanceof Error ? error.message : String(error)}`,
    {
      cause: error,
    },
  )
}
