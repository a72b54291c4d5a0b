// Frames on a byte stream: u32 length of the body, u32 CRC-32 of the body, body.
// Length is checked before anything is allocated, the checksum before anything is decoded.
// Source: faults B02-B04; design 10.
import { crc32 } from 'node:zlib'
import { FrameCorruptError, FrameTooLargeError } from '../common/errors.ts'
import { FRAME_BYTES_MAX } from '../common/limits.ts'
import { FRAME_HEADER_BYTES } from './connection.ts'

/**
 * Fills in the header of a frame whose first FRAME_HEADER_BYTES are free.
 * @param rest  what follows it in the same frame, elsewhere in memory.
 */
export function sealFrame(frame: Buffer, rest?: Buffer): Buffer {
  const sizeBytes = frame.length - FRAME_HEADER_BYTES + (rest?.length ?? 0)
  if (sizeBytes > FRAME_BYTES_MAX) throw frameTooLarge(sizeBytes)
  const checksum = crc32(frame.subarray(FRAME_HEADER_BYTES))
  frame.writeUInt32LE(sizeBytes, 0)
  frame.writeUInt32LE(rest === undefined ? checksum : crc32(rest, checksum), 4)
  return frame
}

/** Cuts a byte stream into frame bodies. Holds at most one unfinished frame. */
export class FrameSplitter {
  readonly #onFrame: (body: Buffer) => void
  #pieces: Buffer[] = []
  #piecesBytes = 0
  #wantedBytes = FRAME_HEADER_BYTES

  constructor(onFrame: (body: Buffer) => void) {
    this.#onFrame = onFrame
  }

  /** @throws FrameTooLargeError, FrameCorruptError: the stream is then useless. */
  push(chunk: Buffer): void {
    if (this.#piecesBytes > 0) {
      this.#pieces.push(chunk)
      this.#piecesBytes += chunk.length
      if (this.#piecesBytes < this.#wantedBytes) return
      chunk = Buffer.concat(this.#pieces, this.#piecesBytes)
      this.#pieces = []
      this.#piecesBytes = 0
    }
    const rest = this.#split(chunk)
    if (rest.length === 0) return
    this.#pieces = [rest]
    this.#piecesBytes = rest.length
  }

  /** Hands out every whole frame of `chunk` and returns what is left. */
  #split(chunk: Buffer): Buffer {
    let at = 0
    while (chunk.length - at >= FRAME_HEADER_BYTES) {
      const sizeBytes = chunk.readUInt32LE(at)
      if (sizeBytes > FRAME_BYTES_MAX) throw frameTooLarge(sizeBytes)
      const end = at + FRAME_HEADER_BYTES + sizeBytes
      if (end > chunk.length) {
        this.#wantedBytes = end - at
        return chunk.subarray(at)
      }
      const body = chunk.subarray(at + FRAME_HEADER_BYTES, end)
      if (crc32(body) !== chunk.readUInt32LE(at + 4)) {
        throw new FrameCorruptError(
          'a frame arrived with a wrong checksum; the connection is closed',
        )
      }
      at = end
      this.#onFrame(body)
    }
    this.#wantedBytes = FRAME_HEADER_BYTES
    return chunk.subarray(at)
  }
}

function frameTooLarge(sizeBytes: number): FrameTooLargeError {
  return new FrameTooLargeError(
    `a frame of ${String(sizeBytes)} bytes exceeds the limit of ${String(FRAME_BYTES_MAX)}`,
    { data: { sizeBytes, maxBytes: FRAME_BYTES_MAX } },
  )
}
