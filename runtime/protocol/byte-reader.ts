// Reads what ByteWriter wrote, from bytes that nobody vouches for.
// Invariants:
//   BR1. No byte outside [start, end) of the given bytes is ever read.
//   BR2. A length is checked against `remaining` before anything is allocated for it.
//   BR3. After a DecodeError the position is undefined and the reader must not be used again.
// Source: the bad-input catalogue, rows B03, B09: a length is checked before it is believed.
import { DecodeError, DecodeLimitError } from '../common/protocol-errors.ts'

export { DecodeError, DecodeLimitError } from '../common/protocol-errors.ts'

// Up to this many bytes character codes beat the call into native code (60 ns, Node 24).
const SHORT_STRING_BYTES = 24
// V8 refuses longer strings (String::kMaxLength on 64 bits, 2 ** 29 - 24).
export const STRING_LENGTH_MAX = 0x1fff_ffe8
const VARINT_BYTES_MAX = 8

const { fromCharCode } = String
const scratchWords = new Uint32Array(2)
const scratchDouble = new Float64Array(scratchWords.buffer)

/**
 * Reads little-endian numbers, varints, strings and bytes; little-endian unless the name says be.
 */
export class ByteReader {
  bytes: Uint8Array
  /** Index in `bytes` of the next byte to read. */
  position: number
  /** Index in `bytes` after the last byte that may be read. */
  end: number
  #text: Buffer | undefined

  /**
   * @param bytes  where to read; neither copied nor changed.
   * @param start  index of the first byte, 0 when left out.
   * @param end    index after the last, the length when left out.
   * @throws DecodeError when start or end lie outside of bytes.
   */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    checkRange(bytes, start, end)
    this.bytes = bytes
    this.position = start
    this.end = end
  }

  /** Start anew on other bytes, as the constructor does; saves an allocation on hot paths. */
  reset(bytes: Uint8Array, start = 0, end = bytes.length): void {
    checkRange(bytes, start, end)
    this.bytes = bytes
    this.position = start
    this.end = end
    this.#text = undefined
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.end - this.position
  }

  u8(): number {
    const at = this.position
    if (at >= this.end) this.#truncated(1)
    this.position = at + 1
    return this.bytes[at] ?? 0
  }

  u16(): number {
    const at = this.position
    if (at + 2 > this.end) this.#truncated(2)
    this.position = at + 2
    const bytes = this.bytes
    return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
  }

  u32(): number {
    const at = this.position
    if (at + 4 > this.end) this.#truncated(4)
    this.position = at + 4
    return wordAt(this.bytes, at)
  }

  f64(): number {
    const at = this.position
    if (at + 8 > this.end) this.#truncated(8)
    this.position = at + 8
    scratchWords[0] = wordAt(this.bytes, at)
    scratchWords[1] = wordAt(this.bytes, at + 4)
    return scratchDouble[0] ?? 0
  }

  u16be(): number {
    const at = this.position
    if (at + 2 > this.end) this.#truncated(2)
    this.position = at + 2
    return ((this.bytes[at] ?? 0) << 8) | (this.bytes[at + 1] ?? 0)
  }

  u32be(): number {
    const at = this.position
    if (at + 4 > this.end) this.#truncated(4)
    this.position = at + 4
    return wordAtBigEndian(this.bytes, at)
  }

  f64be(): number {
    const at = this.position
    if (at + 8 > this.end) this.#truncated(8)
    this.position = at + 8
    scratchWords[1] = wordAtBigEndian(this.bytes, at)
    scratchWords[0] = wordAtBigEndian(this.bytes, at + 4)
    return scratchDouble[0] ?? 0
  }

  /** @throws DecodeError also when it takes more than eight bytes or passes 2 ** 53 - 1. */
  varint(): number {
    const at = this.position
    if (at >= this.end) this.#truncated(1)
    const first = this.bytes[at] ?? 0
    if (first < 0x80) {
      this.position = at + 1
      return first
    }
    return this.#varintLong()
  }

  /** The next `count` bytes, not copied: they share memory with `bytes`. */
  view(count: number): Uint8Array {
    const at = this.#advance(count)
    return this.bytes.subarray(at, at + count)
  }

  /** A varint with a number of bytes, then those bytes, not copied. */
  lengthPrefixed(): Uint8Array {
    return this.view(this.varint())
  }

  /** A varint with the length in bytes, then UTF-8; malformed parts become U+FFFD. */
  string(): string {
    return this.utf8(this.varint())
  }

  /** The next `count` bytes as UTF-8; malformed parts become U+FFFD. */
  utf8(count: number): string {
    const at = this.#advance(count)
    if (count <= SHORT_STRING_BYTES) {
      const text = asciiOf(this.bytes, at, at + count)
      if (text !== undefined) return text
    }
    if (count > STRING_LENGTH_MAX) this.#tooLong(count)
    return this.#textBuffer().toString('utf8', at, at + count)
  }

  /** The next `count` bytes as a string of one character per byte: for ids held so. */
  latin1(count: number): string {
    const at = this.#advance(count)
    if (count > STRING_LENGTH_MAX) this.#tooLong(count)
    return this.#textBuffer().toString('latin1', at, at + count)
  }

  /** Pass over the next `count` bytes. @returns where they begin in `bytes` */
  skip(count: number): number {
    return this.#advance(count)
  }

  #advance(count: number): number {
    const at = this.position
    // The comparison is written so that NaN and negative counts fail too.
    if (!(count >= 0 && count <= this.end - at)) this.#truncated(count)
    this.position = at + count
    return at
  }

  #varintLong(): number {
    const bytes = this.bytes
    const end = Math.min(this.end, this.position + VARINT_BYTES_MAX)
    let at = this.position
    let value = 0
    let scale = 1
    while (at < end) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * scale
      scale *= 0x80
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError('a varint passes 2 ** 53 - 1')
        this.position = at
        return value
      }
    }
    if (at - this.position === VARINT_BYTES_MAX) throw new DecodeError('a varint passes 8 bytes')
    return this.#truncated(at - this.position + 1)
  }

  #textBuffer(): Buffer {
    const bytes = this.bytes
    this.#text ??= Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return this.#text
  }

  #tooLong(count: number): never {
    throw new DecodeLimitError(`a string of ${count} bytes passes ${STRING_LENGTH_MAX}`, {
      data: { limit: STRING_LENGTH_MAX, got: count },
    })
  }

  #truncated(count: number): never {
    throw new DecodeError(
      `truncated at byte ${this.position}: ${count} bytes wanted, ${this.end - this.position} left`,
    )
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
  return (low | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
}

function wordAtBigEndian(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16)
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
}

/** The bytes as a string when all are ASCII, else undefined. */
function asciiOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = ''
  let at = start
  for (; at + 8 <= end; at += 8) {
    const eight = eightOf(bytes, at)
    if (eight === '') return undefined
    text += eight
  }
  if (at + 4 <= end) {
    const four = fourOf(bytes, at)
    if (four === '') return undefined
    text += four
    at += 4
  }
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte > 0x7f) return undefined
    text += fromCharCode(byte)
  }
  return text
}

/** Eight characters in one call, which is what makes it fast; empty when one is not ASCII. */
function eightOf(bytes: Uint8Array, at: number): string {
  const a = bytes[at] ?? 0
  const b = bytes[at + 1] ?? 0
  const c = bytes[at + 2] ?? 0
  const d = bytes[at + 3] ?? 0
  const e = bytes[at + 4] ?? 0
  const f = bytes[at + 5] ?? 0
  const g = bytes[at + 6] ?? 0
  const h = bytes[at + 7] ?? 0
  return (a | b | c | d | e | f | g | h) > 0x7f ? '' : fromCharCode(a, b, c, d, e, f, g, h)
}

function fourOf(bytes: Uint8Array, at: number): string {
  const a = bytes[at] ?? 0
  const b = bytes[at + 1] ?? 0
  const c = bytes[at + 2] ?? 0
  const d = bytes[at + 3] ?? 0
  return (a | b | c | d) > 0x7f ? '' : fromCharCode(a, b, c, d)
}

function checkRange(bytes: Uint8Array, start: number, end: number): void {
  if (!(start >= 0 && start <= end && end <= bytes.length)) {
    throw new DecodeError(`range ${start} to ${end} lies outside of ${bytes.length} bytes`)
  }
}
