// Bytes in bulk over TLS. Who dials reads straight into the places that it gives (Node's `onread`):
// between OpenSSL and the arena nothing is held. Who listens is only asked, in a few bytes.
// A body is written as it lies: one write at a time is encrypted from there, without a copy.
import type { TLSSocket } from 'node:tls'
import { ProtocolError, VirgaError } from '../common/errors.ts'
import { BulkReader, bulkHeadOf } from './bulk.ts'
import type { BulkConnection, BulkEvents, BulkHead } from './bulk.ts'
import { GREETING_BYTES_MAX } from './peer-hello.ts'
import type { NodeIdentity } from './node-identity.ts'

/** What a dialled socket reads: at first its greeting, then frames. */
/** `data.reason` where a peer said nothing. */
export const NO_HELLO = 'NO_HELLO'

export class TcpIntake {
  readonly onread: {
    readonly buffer: () => Uint8Array
    readonly callback: (count: number, into: Uint8Array) => boolean
  }
  #reader: BulkReader | undefined
  /** What the socket fills now. */
  #given: Uint8Array | undefined
  /** What has come, and was not taken, while there is no reader. */
  #early: Buffer = Buffer.alloc(0)
  #changed: (() => void) | undefined
  #isClosed = false
  #fail: (error: unknown) => void = () => undefined

  constructor() {
    this.onread = {
      buffer: () => this.#give(),
      callback: (count, into) => {
        this.#came(count, into)
        return true
      },
    }
  }

  /** Exactly so many bytes of the greeting. @throws ProtocolError when the connection closes. */
  async take(count: number): Promise<Buffer> {
    while (this.#early.length < count) {
      if (this.#isClosed) throw closedBeforeHello()
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
    const bytes = this.#early.subarray(0, count)
    this.#early = this.#early.subarray(count)
    return bytes
  }

  /** @param fail  hears what the reader throws. */
  begin(reader: BulkReader, fail: (error: unknown) => void): void {
    this.#reader = reader
    this.#fail = fail
    const early = this.#early
    this.#early = Buffer.alloc(0)
    this.#read(() => {
      reader.take(early)
    })
  }

  closed(): void {
    this.#isClosed = true
    this.#changed?.()
  }

  #give(): Uint8Array {
    this.#given = this.#reader?.next() ?? Buffer.allocUnsafe(GREETING_BYTES_MAX)
    return this.#given
  }

  #came(count: number, into: Uint8Array): void {
    const reader = this.#reader
    if (reader === undefined) {
      this.#early = Buffer.concat([this.#early, into.subarray(0, count)])
      this.#changed?.()
      return
    }
    this.#read(() => {
      // The first bytes after the greeting may have come into what was given for it.
      const isInPlace = reader.next().byteOffset === into.byteOffset
      if (isInPlace && reader.next().buffer === into.buffer) reader.took(count)
      else reader.take(into.subarray(0, count))
    })
  }

  #read(read: () => void): void {
    try {
      read()
    } catch (error) {
      this.#fail(error)
    }
  }
}

export class TcpBulkConnection implements BulkConnection {
  readonly peer: NodeIdentity
  readonly #socket: TLSSocket
  readonly #intake: TcpIntake | undefined

  /** @param intake  of a socket that was dialled with it. */
  constructor(socket: TLSSocket, peer: NodeIdentity, intake?: TcpIntake) {
    this.#socket = socket
    this.peer = peer
    this.#intake = intake
    socket.unref()
  }

  send(head: BulkHead, body: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const taken = (error?: Error | null): void => {
        if (error === undefined || error === null) resolve()
        else
          reject(
            new VirgaError(`the connection to node ${this.peer.nodeId} broke`, { cause: error }),
          )
      }
      const first = bulkHeadOf(head, body)
      if (body.byteLength === 0) {
        this.#socket.write(first, taken)
        return
      }
      this.#socket.write(first)
      this.#socket.write(body, taken)
    })
  }

  start(events: BulkEvents): void {
    const socket = this.#socket
    const reader = new BulkReader(events)
    let cause: Error | undefined
    const fail = (error: unknown): void => {
      if (!(error instanceof VirgaError)) throw error // a bug of ours ends the process, loudly
      cause ??= error
      socket.destroy()
    }
    socket.on('error', (error) => {
      cause ??= error
    })
    socket.on('end', () => {
      socket.destroy()
    })
    socket.on('close', () => {
      events.closed(cause)
    })
    if (this.#intake === undefined) {
      socket.on('data', (bytes: Buffer) => {
        try {
          if (!socket.destroyed) reader.take(bytes)
        } catch (error) {
          fail(error)
        }
      })
    } else this.#intake.begin(reader, fail)
    socket.resume() // a greeting was read from it by hand, maybe
  }

  /** What was not taken yet is lost: nobody waits for it any more. */
  close(): void {
    this.#socket.destroy()
  }
}

export const closedBeforeHello = (): ProtocolError =>
  noHello('the connection was closed before its first hello')

export const noHello = (message: string): ProtocolError =>
  new ProtocolError(message, { data: { reason: NO_HELLO } })
