// MessagePack for what has no identity: numbers, text, bigints, and the heads of containers.
// Numbers: integers of up to 32 bits in the fewest bytes, all others (also -0) as float 64.
// Text: UTF-8; UTF-16 in an extension when it has lone surrogates, which UTF-8 cannot hold, or is
// long and shorter so: Chinese, say, which V8 holds in that very form and turns into UTF-8 slowly.
// Source: MessagePack specification, formats; WTF-16 as in ECMAScript, section 6.1.4.
import { DecodeError, DecodeLimitError, STRING_LENGTH_MAX, type ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { EXT_BIGINT, EXT_TEXT16 } from './value-codec-kinds.ts'

const FIXSTR_CHARS = 32
// Beyond this the threefold room that str 16 would need for the worst case is too much.
const STR16_CHARS_MAX = 0xffff / 3
// One bigint may have 2 ** 30 bits (V8 BigInt::kMaxLengthBits).
const BIGINT_BYTES_MAX = 2 ** 27
// UTF-8 of so much is measured before it is written anyway.
const TEXT16_CHARS_MIN = 16_384
// The longest string that V8 has, so that every one can be read again.
const TEXT16_BYTES_MAX = STRING_LENGTH_MAX * 2

export function writeNumber(writer: ByteWriter, value: number): void {
  const integer = value | 0
  if (integer === value) {
    if (integer > 0 && integer < 0x80) writer.u8(integer)
    else if (integer === 0 && 1 / value < 0) writeDouble(writer, value)
    else writeInteger(writer, integer)
  } else if (value >>> 0 === value) {
    writeHead32(writer, 0xce, value)
  } else {
    writeDouble(writer, value)
  }
}

function writeInteger(writer: ByteWriter, value: number): void {
  if (value >= 0) {
    if (value < 0x80) writer.u8(value)
    else if (value < 0x100) writeHead8(writer, 0xcc, value)
    else if (value < 0x1_0000) writeHead16(writer, 0xcd, value)
    else writeHead32(writer, 0xce, value)
  } else if (value >= -0x20) writer.u8(value & 0xff)
  else if (value >= -0x80) writeHead8(writer, 0xd0, value)
  else if (value >= -0x8000) writeHead16(writer, 0xd1, value)
  else writeHead32(writer, 0xd2, value)
}

function writeDouble(writer: ByteWriter, value: number): void {
  writer.u8(0xcb)
  writer.f64be(value)
}

/** A head byte and an unsigned number of one byte. */
function writeHead8(writer: ByteWriter, head: number, value: number): void {
  const at = writer.reserve(2)
  const { buffer } = writer
  buffer[at] = head
  buffer[at + 1] = value
}

/** A head byte and a number of two bytes, big-endian. */
function writeHead16(writer: ByteWriter, head: number, value: number): void {
  const at = writer.reserve(3)
  const { buffer } = writer
  buffer[at] = head
  buffer[at + 1] = value >>> 8
  buffer[at + 2] = value
}

/** A head byte and a number of four bytes, big-endian. */
function writeHead32(writer: ByteWriter, head: number, value: number): void {
  const at = writer.reserve(5)
  writer.buffer[at] = head
  patchU32be(writer, at + 1, value)
}

export function patchU32be(writer: ByteWriter, at: number, value: number): void {
  const { buffer } = writer
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

/** The head of an array (`fix` 0x90, `wide` 0xdc) or a map (0x80, 0xde). */
export function writeCount(writer: ByteWriter, fix: number, wide: number, count: number): void {
  if (count < 16) writer.u8(fix | count)
  else if (count < 0x1_0000) writeHead16(writer, wide, count)
  else writeHead32(writer, wide + 1, count)
}

/** The count that writeCount wrote. */
export function readCount(reader: ByteReader, fix: number, wide: number): number {
  const head = reader.u8()
  if (head >= fix && head < fix + 16) return head - fix
  if (head === wide) return reader.u16be()
  if (head === wide + 1) return reader.u32be()
  throw new DecodeError(`byte ${head} stands where a count was expected`)
}

/** The head of an extension whose payload of `length` bytes follows. */
export function writeExtHead(writer: ByteWriter, type: number, length: number): void {
  if (length < 0x100) writeHead8(writer, 0xc7, length)
  else writeHead32(writer, 0xc9, length)
  writer.u8(type)
}

export function writeText(writer: ByteWriter, text: string): void {
  const length = text.length
  if (length >= FIXSTR_CHARS) {
    writeLongText(writer, text)
    return
  }
  writer.ensure(length + 1)
  const { buffer, position } = writer
  buffer[position] = 0xa0 | length
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) {
      writeLongText(writer, text)
      return
    }
    buffer[position + 1 + i] = unit
  }
  writer.position = position + 1 + length
}

function writeLongText(writer: ByteWriter, text: string): void {
  if (isBetterAs16(text) || !text.isWellFormed()) {
    writeText16(writer, text)
    return
  }
  // The width of the length is chosen for the worst case, so that the text is scanned once.
  const { length } = text
  if (length * 3 < 0x100) {
    const at = writer.reserve(2)
    const written = writer.utf8(text)
    writer.buffer[at] = 0xd9
    writer.buffer[at + 1] = written
  } else if (length <= STR16_CHARS_MAX) {
    const at = writer.reserve(3)
    const written = writer.utf8(text)
    const { buffer } = writer
    buffer[at] = 0xda
    buffer[at + 1] = written >>> 8
    buffer[at + 2] = written
  } else {
    const at = writer.reserve(5)
    const written = writer.utf8(text)
    writer.buffer[at] = 0xdb
    patchU32be(writer, at + 1, written)
  }
}

/** Also where UTF-8 would be too long for a reader, which cannot tell how long a string it makes. */
function isBetterAs16(text: string): boolean {
  if (text.length < TEXT16_CHARS_MIN) return false
  return Buffer.byteLength(text) > Math.min(text.length * 2, STRING_LENGTH_MAX)
}

function writeText16(writer: ByteWriter, text: string): void {
  const length = text.length * 2
  writeExtHead(writer, EXT_TEXT16, length)
  const at = writer.reserve(length)
  writer.buffer.write(text, at, length, 'utf16le')
}

/** @throws DecodeError when the length is odd. */
export function readText16(reader: ByteReader, length: number): string {
  if (length % 2 !== 0) throw new DecodeError(`UTF-16 of ${length} bytes is cut in the middle`)
  return bufferOf(reader.view(checkLength(length, TEXT16_BYTES_MAX))).toString('utf16le')
}

/** Sign, then the magnitude, high byte first. */
export function writeBigint(writer: ByteWriter, value: bigint): void {
  const digits = (value < 0n ? -value : value).toString(16)
  const magnitude = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  writeExtHead(writer, EXT_BIGINT, magnitude.length + 1)
  writer.u8(value < 0n ? 1 : 0)
  writer.bytes(magnitude)
}

export function readBigint(reader: ByteReader, length: number): bigint {
  if (length < 2) throw new DecodeError(`a bigint of ${length} bytes`)
  const negative = reader.u8() === 1
  const magnitude = reader.view(checkLength(length - 1, BIGINT_BYTES_MAX))
  const value = BigInt(`0x${bufferOf(magnitude).toString('hex')}`)
  return negative ? -value : value
}

function checkLength(length: number, limit: number): number {
  if (length <= limit) return length
  throw new DecodeLimitError(`${length} bytes pass the limit of ${limit} for one value`, {
    data: { limit, got: length },
  })
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
