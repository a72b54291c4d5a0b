// An append-only byte buffer for frames, slabs and blobs: the hot path of everything we send.
// One Buffer and one DataView per growth, none per call; numbers are little-endian, unless the name
// says be.
// Invariants:
//   BW1. 0 <= position <= buffer.length <= bytesMax; bytes before position are never moved.
//   BW2. Reaching bytesMax is a ByteLimitError, thrown before anything is written.
//   BW3. `buffer` is replaced when it grows: never keep it across a call that writes.
// Source: LEB128 (DWARF 5, section 7.6) for varint.

const INITIAL_BYTES = 4096
// No frame, slab or head needs more: large buffers are no part of them.
const BYTES_MAX_DEFAULT = 2 ** 31
// Up to this many characters a loop over charCodeAt beats the call into native code.
const SHORT_STRING_CHARS = 40
// Above this, the exact UTF-8 length is counted first, so that room is not reserved threefold.
const COUNTED_STRING_CHARS = 16_384
// Up to this many bytes a loop beats TypedArray.prototype.set.
const SHORT_COPY_BYTES = 24
// After a buffer was handed over, the next begins with at most this much.
const NEXT_BYTES_MAX = 64 * 1024
const SAFE_INTEGER_LIMIT = 2 ** 53

/** Thrown when a write would pass `bytesMax`; `code` is ERR_BYTE_LIMIT, nothing was written. */
export class ByteLimitError extends RangeError {
  readonly code = 'ERR_BYTE_LIMIT'
  readonly sizeBytes: number
  readonly bytesMax: number

  constructor(sizeBytes: number, bytesMax: number) {
    super(`a write to ${sizeBytes} bytes would pass the limit of ${bytesMax} bytes`)
    this.name = 'ByteLimitError'
    this.sizeBytes = sizeBytes
    this.bytesMax = bytesMax
  }
}

/**
 * Settings of a ByteWriter: `initialBytes` (4,096) allocated at once, `bytesMax` (2 GiB) its cap.
 */
export interface ByteWriterOptions {
  readonly initialBytes?: number
  readonly bytesMax?: number
}

/**
 * Writes little-endian numbers, varints, strings and bytes one after the other, growing as needed.
 */
export class ByteWriter {
  /**
   * What was written lies in [0, position); see BW3. May be written to by those who called ensure.
   */
  buffer: Buffer
  /** Where the next byte goes. May be set back to an earlier value to drop what follows it. */
  position = 0
  readonly bytesMax: number
  #view: DataView
  readonly #initialBytes: number

  constructor(options: ByteWriterOptions = {}) {
    this.bytesMax = options.bytesMax ?? BYTES_MAX_DEFAULT
    this.#initialBytes = Math.min(options.initialBytes ?? INITIAL_BYTES, this.bytesMax)
    this.buffer = Buffer.allocUnsafeSlow(this.#initialBytes)
    this.#view = viewOf(this.buffer)
  }

  /**
   * Make room for `count` more bytes, without moving the position.
   * @throws ByteLimitError when position + count passes bytesMax.
   */
  ensure(count: number): void {
    if (this.position + count > this.buffer.length) this.#grow(this.position + count)
  }

  /** Append one byte, 0 to 255; higher bits are dropped. */
  u8(value: number): void {
    if (this.position >= this.buffer.length) this.#grow(this.position + 1)
    this.buffer[this.position++] = value
  }

  /** Append two bytes, 0 to 65,535; higher bits are dropped. */
  u16(value: number): void {
    const at = this.position
    if (at + 2 > this.buffer.length) this.#grow(at + 2)
    const buffer = this.buffer
    buffer[at] = value
    buffer[at + 1] = value >>> 8
    this.position = at + 2
  }

  /** Append four bytes, 0 to 2 ** 32 - 1; higher bits are dropped. */
  u32(value: number): void {
    const at = this.position
    if (at + 4 > this.buffer.length) this.#grow(at + 4)
    this.position = at + 4
    this.patchU32(at, value)
  }

  /** Append an IEEE double of eight bytes. */
  f64(value: number): void {
    const at = this.position
    if (at + 8 > this.buffer.length) this.#grow(at + 8)
    this.#view.setFloat64(at, value, true)
    this.position = at + 8
  }

  /** Append an IEEE double of eight bytes, big-endian as MessagePack wants it. */
  f64be(value: number): void {
    const at = this.position
    if (at + 8 > this.buffer.length) this.#grow(at + 8)
    this.#view.setFloat64(at, value)
    this.position = at + 8
  }

  /**
   * Append an unsigned integer in one to eight bytes, seven bits each, low bits first.
   * @throws RangeError when it is not an integer from 0 to 2 ** 53 - 1.
   */
  varint(value: number): void {
    if ((value & 0x7f) === value) {
      if (this.position >= this.buffer.length) this.#grow(this.position + 1)
      this.buffer[this.position++] = value
      return
    }
    this.#varintLong(value)
  }

  /** Append these bytes as they are. */
  bytes(source: Uint8Array): void {
    const length = source.length
    const at = this.position
    if (at + length > this.buffer.length) this.#grow(at + length)
    const buffer = this.buffer
    if (length <= SHORT_COPY_BYTES) {
      for (let i = 0; i < length; i++) buffer[at + i] = source[i] ?? 0
    } else {
      buffer.set(source, at)
    }
    this.position = at + length
  }

  /** Append source[from] to source[to - 1]: `bytes` without a view of them. */
  range(source: Buffer, from: number, to: number): void {
    const length = to - from
    const at = this.position
    if (at + length > this.buffer.length) this.#grow(at + length)
    const buffer = this.buffer
    if (length <= SHORT_COPY_BYTES) {
      for (let i = 0; i < length; i++) buffer[at + i] = source[from + i] ?? 0
    } else {
      source.copy(buffer, at, from, to)
    }
    this.position = at + length
  }

  /** Append a varint with their number, then these bytes. */
  lengthPrefixed(source: Uint8Array): void {
    this.varint(source.length)
    this.bytes(source)
  }

  /**
   * Append a varint with the UTF-8 length in bytes, then the UTF-8. Lone surrogates become U+FFFD.
   */
  string(text: string): void {
    const length = text.length
    if (length > SHORT_STRING_CHARS || !this.#shortAscii(text, length)) this.#utf8Prefixed(text)
  }

  /**
   * Append UTF-8 without a length; lone surrogates become U+FFFD.
   * @returns how many bytes it took.
   */
  utf8(text: string): number {
    const room = text.length <= COUNTED_STRING_CHARS ? text.length * 3 : Buffer.byteLength(text)
    this.ensure(room)
    const written = this.buffer.write(text, this.position, room, 'utf8')
    this.position += written
    return written
  }

  /** Append the low byte of each character, without a length: for ids held as byte strings. */
  latin1(text: string): void {
    const length = text.length
    const at = this.position
    if (at + length > this.buffer.length) this.#grow(at + length)
    const buffer = this.buffer
    if (length <= SHORT_STRING_CHARS) {
      for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i)
    } else {
      buffer.write(text, at, length, 'latin1')
    }
    this.position = at + length
  }

  /**
   * Leave `count` bytes open, to be filled by patchU32 or through `buffer`. Their content is
   * undefined.
   * @returns their offset.
   */
  reserve(count: number): number {
    const at = this.position
    if (at + count > this.buffer.length) this.#grow(at + count)
    this.position = at + count
    return at
  }

  /** Overwrite four bytes at `offset`, which must have been written or reserved before. */
  patchU32(offset: number, value: number): void {
    const buffer = this.buffer
    buffer[offset] = value
    buffer[offset + 1] = value >>> 8
    buffer[offset + 2] = value >>> 16
    buffer[offset + 3] = value >>> 24
  }

  /**
   * Overwrite three bytes at `offset` by a varint of that width, whatever its value.
   * @param value  below 2 ** 21.
   */
  patchVarint(offset: number, value: number): void {
    const buffer = this.buffer
    buffer[offset] = (value & 0x7f) | 0x80
    buffer[offset + 1] = ((value >>> 7) & 0x7f) | 0x80
    buffer[offset + 2] = value >>> 14
  }

  /**
   * Write the length of all that follows the byte at `offset` into it, as a varint. One byte is
   * enough for almost every plain value: what is longer than 127 bytes is moved up.
   * @param offset  of one reserved byte.
   */
  prefixLength(offset: number): void {
    const length = this.position - offset - 1
    if (length < 0x80) {
      this.buffer[offset] = length
      return
    }
    const content = Buffer.from(this.buffer.subarray(offset + 1, this.position))
    this.position = offset
    this.lengthPrefixed(content)
  }

  /** What was written so far, not copied: good until the next write. */
  written(): Buffer {
    return this.buffer.subarray(0, this.position)
  }

  /**
   * What was written, for the caller to keep, and an empty writer. A buffer that is more than half
   * full is handed over as it is, else its content is copied and the buffer kept. What follows is
   * expected to be of like size: the next buffer does not begin to grow anew.
   */
  take(): Buffer {
    const length = this.position
    if (length * 2 < this.buffer.length) return this.takeCopy()
    this.position = 0
    const taken = this.buffer.subarray(0, length)
    const nextBytes = Math.max(Math.min(this.buffer.length, NEXT_BYTES_MAX), this.#initialBytes)
    this.buffer = Buffer.allocUnsafeSlow(nextBytes)
    this.#view = viewOf(this.buffer)
    return taken
  }

  /** What was written, in memory of exactly its size, for the caller to keep; an empty writer. */
  takeCopy(): Buffer {
    const copy = Buffer.allocUnsafe(this.position)
    this.buffer.copy(copy, 0, 0, this.position)
    this.position = 0
    return copy
  }

  /** Forget what was written and keep the room for the next. */
  reset(): void {
    this.position = 0
  }

  #varintLong(value: number): void {
    if (!(value >= 0 && value < SAFE_INTEGER_LIMIT) || !Number.isInteger(value)) {
      throw new RangeError(`a varint must be an integer from 0 to 2 ** 53 - 1, got ${value}`)
    }
    this.ensure(8)
    const buffer = this.buffer
    let at = this.position
    let rest = value
    while (rest > 0x7fff_ffff) {
      buffer[at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[at++] = rest
    this.position = at
  }

  #shortAscii(text: string, length: number): boolean {
    const at = this.position
    if (at + length + 1 > this.buffer.length) this.#grow(at + length + 1)
    const buffer = this.buffer
    buffer[at] = length
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return false
      buffer[at + 1 + i] = unit
    }
    this.position = at + 1 + length
    return true
  }

  #utf8Prefixed(text: string): void {
    const length = text.length
    // The prefix has the same width for the shortest and the longest encoding: write at once.
    if (length * 3 < 0x80) {
      const at = this.reserve(1)
      const written = this.utf8(text)
      this.buffer[at] = written
      return
    }
    this.varint(Buffer.byteLength(text))
    this.utf8(text)
  }

  #grow(sizeBytes: number): void {
    if (sizeBytes > this.bytesMax) throw new ByteLimitError(sizeBytes, this.bytesMax)
    const room = Math.min(Math.max(this.buffer.length * 2, sizeBytes, 64), this.bytesMax)
    const next = Buffer.allocUnsafeSlow(room)
    next.set(this.buffer.subarray(0, this.position))
    this.buffer = next
    this.#view = viewOf(next)
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}
