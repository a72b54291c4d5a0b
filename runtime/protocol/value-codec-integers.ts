// Runs of integers in arrays, as MessagePack: what most arrays of numbers consist of. Loops of
// their own over local variables, because a call per number costs ten times as much as its bytes.
// Both stop at the first item that is none, and leave it to the general code.
// Source: MessagePack specification, integer formats; the same bytes as writeNumber.
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** Room is made for as many at once. */
const CHUNK_ITEMS = 512
const INTEGER_BYTES_MAX = 5
const UINT8 = 0xcc
const UINT16 = 0xcd
const UINT32 = 0xce

/**
 * Append the run of integers of 0 to 2 ** 31 - 1 that begins at items[from].
 * @returns the index where it ends; `from` when there is none, or no room for a worst case.
 */
export function writeIntegers(
  writer: ByteWriter,
  items: readonly unknown[],
  from: number,
  count: number,
): number {
  let i = from
  while (i < count) {
    const end = Math.min(i + CHUNK_ITEMS, count)
    const mostBytes = (end - i) * INTEGER_BYTES_MAX
    if (writer.position + mostBytes > writer.bytesMax) return i
    writer.ensure(mostBytes)
    i = writeChunk(writer, items, i, end)
    if (i < end) return i
  }
  return i
}

/** There is room for the worst case. */
function writeChunk(
  writer: ByteWriter,
  items: readonly unknown[],
  from: number,
  end: number,
): number {
  const { buffer } = writer
  let at = writer.position
  let i = from
  for (; i < end; i++) {
    const item = items[i]
    if (typeof item !== 'number') break
    const integer = item | 0
    if (integer !== item || integer < 0 || (integer === 0 && 1 / item < 0)) break
    if (integer < 0x80) {
      buffer[at++] = integer
    } else if (integer < 0x100) {
      buffer[at++] = UINT8
      buffer[at++] = integer
    } else if (integer < 0x1_0000) {
      buffer[at++] = UINT16
      buffer[at++] = integer >>> 8
      buffer[at++] = integer
    } else {
      buffer[at++] = UINT32
      buffer[at++] = integer >>> 24
      buffer[at++] = integer >>> 16
      buffer[at++] = integer >>> 8
      buffer[at++] = integer
    }
  }
  writer.position = at
  return i
}

/**
 * Read integers of up to 16 bits into items[from] and on, at most up to items[count - 1].
 * @returns the index of the first item that was not read.
 */
export function readIntegers(
  reader: ByteReader,
  items: unknown[],
  from: number,
  count: number,
): number {
  const { bytes, end } = reader
  let at = reader.position
  let i = from
  for (; i < count && at < end; i++) {
    const head = bytes[at] ?? 0
    if (head < 0x80) {
      items[i] = head
      at += 1
    } else if (head === UINT16 && at + 2 < end) {
      items[i] = ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
      at += 3
    } else if (head === UINT8 && at + 1 < end) {
      items[i] = bytes[at + 1] ?? 0
      at += 2
    } else {
      break
    }
  }
  reader.position = at
  return i
}
