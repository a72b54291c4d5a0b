// Connections for bytes in bulk between nodes, as a port: of their own, so that no control message
// waits behind them. Whoever dials asks, the other end sends. A frame is a head of fixed size and a
// body: the body leaves from where it lies, and is put where the receiver wants to have it.
//   bulk-tcp.ts   TCP under mutual TLS
//   test/support/bulk-over.ts   the twin in memory
// Invariants:
//   BQ1. A body counts only when all of it has come with the right checksum: then `came` is called.
//   BQ2. A frame that is too large, damaged or of no known kind closes this connection only.
//   BQ3. `closed` fires exactly once, and nothing comes after it.
import { crc32 } from 'node:zlib'
import { FrameCorruptError, FrameTooLargeError, ProtocolError } from '../common/errors.ts'
import { FRAME_HEADER_BYTES } from './connection.ts'
import type { NodeIdentity } from './node-identity.ts'

/** Sent at a time: some 0.3 ms of encryption, in which nothing else gets a turn. */
export const PIECE_BYTES = 256 * 1024

/**
 * ASK: the body names an object, of which a range is wanted. PIECE: bytes of what was asked.
 * LATER: it is not here yet, and will be. REFUSED: the body says why. CANCEL: no more of it.
 */
export type BulkKind = 'ASK' | 'PIECE' | 'LATER' | 'REFUSED' | 'CANCEL'

const KINDS: readonly BulkKind[] = ['ASK', 'PIECE', 'LATER', 'REFUSED', 'CANCEL']

export interface BulkHead {
  readonly kind: BulkKind
  /** The asker's number for what it asks, never used again on this connection. */
  readonly request: number
  /** Bytes from the start of the object. */
  readonly offset: number
  /** Of what is asked. A piece has its own length. */
  readonly sizeBytes: number
}

export interface BulkEvents {
  /** Where the body of a frame is to be put, exactly that long; undefined: it is of no use. */
  placeFor(head: BulkHead, bodyBytes: number): Uint8Array | undefined
  /** BQ1. `body` is that place; or, when there was none, valid until this returns. */
  came(head: BulkHead, body: Uint8Array): void
  /** BQ3. `error` is set when the connection broke. */
  closed(error?: Error): void
}

export interface BulkConnection {
  readonly peer: NodeIdentity
  /**
   * One at a time. Resolves when the machine has taken it: until then `body` must not change.
   * @throws VirgaError when the connection has closed
   */
  send(head: BulkHead, body: Uint8Array): Promise<void>
  /** To be called once, before the next turn. */
  start(events: BulkEvents): void
  close(): void
}

const HEAD_BYTES = 24
const WHOLE_HEAD_BYTES = FRAME_HEADER_BYTES + HEAD_BYTES

/** @returns the length, checksum and head of a frame, to be followed by `body` itself. */
export function bulkHeadOf(head: BulkHead, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(WHOLE_HEAD_BYTES)
  bytes.writeUInt32LE(HEAD_BYTES + body.byteLength, 0)
  bytes.writeUInt8(KINDS.indexOf(head.kind), 8)
  bytes.writeUInt32LE(head.request, 12)
  bytes.writeDoubleLE(head.offset, 16)
  bytes.writeDoubleLE(head.sizeBytes, 24)
  bytes.writeUInt32LE(crc32(body, crc32(bytes.subarray(FRAME_HEADER_BYTES))), 4)
  return bytes
}

/** Takes frames from a stream of bytes that says where it wants each to be put. */
export class BulkReader {
  readonly #events: Pick<BulkEvents, 'placeFor' | 'came'>
  readonly #headBytes = Buffer.alloc(WHOLE_HEAD_BYTES)
  /** For bodies that nobody gave a place. */
  #dropped: Buffer | undefined
  #head: BulkHead | undefined
  #target: Uint8Array = this.#headBytes
  #filled = 0
  #checksum = 0

  constructor(events: Pick<BulkEvents, 'placeFor' | 'came'>) {
    this.#events = events
  }

  /** Where the next bytes go, and how many at most. */
  next(): Uint8Array {
    return this.#target.subarray(this.#filled)
  }

  /** So many bytes were put into what `next` gave. @throws as `take` */
  took(count: number): void {
    if (this.#head !== undefined) {
      const came = this.#target.subarray(this.#filled, this.#filled + count)
      this.#checksum = crc32(came, this.#checksum)
    }
    this.#filled += count
    if (this.#filled < this.#target.length) return
    if (this.#head === undefined) this.#headCame()
    else this.#bodyCame(this.#head, this.#target)
  }

  /** @throws FrameTooLargeError, FrameCorruptError, ProtocolError: the stream is then useless. */
  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const target = this.next()
      const count = Math.min(target.length, bytes.length - at)
      target.set(bytes.subarray(at, at + count))
      at += count
      this.took(count)
    }
  }

  #headCame(): void {
    const bytes = this.#headBytes
    const bodyBytes = bytes.readUInt32LE(0) - HEAD_BYTES
    if (bodyBytes > PIECE_BYTES || bodyBytes < 0) throw tooLarge(bodyBytes)
    const kind = KINDS[bytes.readUInt8(8)]
    if (kind === undefined) throw new ProtocolError('a bulk frame of a kind that is not known here')
    const head = {
      ...{ kind, request: bytes.readUInt32LE(12) },
      ...{ offset: bytes.readDoubleLE(16), sizeBytes: bytes.readDoubleLE(24) },
    }
    this.#checksum = crc32(bytes.subarray(FRAME_HEADER_BYTES))
    const place = bodyBytes === 0 ? NOTHING : this.#events.placeFor(head, bodyBytes)
    this.#dropped ??= place === undefined ? Buffer.allocUnsafeSlow(PIECE_BYTES) : undefined
    this.#head = head
    this.#target = place ?? this.#dropped?.subarray(0, bodyBytes) ?? NOTHING
    this.#filled = 0
    if (bodyBytes === 0) this.#bodyCame(head, NOTHING)
  }

  #bodyCame(head: BulkHead, body: Uint8Array): void {
    if (this.#checksum !== this.#headBytes.readUInt32LE(4)) {
      throw new FrameCorruptError('a piece arrived with a wrong checksum; the connection is closed')
    }
    this.#head = undefined
    this.#target = this.#headBytes
    this.#filled = 0
    this.#events.came(head, body)
  }
}

const NOTHING = new Uint8Array(0)

const tooLarge = (sizeBytes: number): FrameTooLargeError =>
  new FrameTooLargeError(
    `a piece of ${String(sizeBytes)} bytes exceeds the limit of ${String(PIECE_BYTES)}`,
    { data: { sizeBytes, maxBytes: PIECE_BYTES } },
  )
