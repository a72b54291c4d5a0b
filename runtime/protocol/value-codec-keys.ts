// The names of properties, which repeat from value to value: a short one is looked up by its bytes
// and given as the very string that V8 knows as a key already, without making a new one.
// Invariant: a cache of fixed size that never changes what is read, only how fast.
import type { ByteReader } from './byte-reader.ts'

const SLOTS = 1024
const FIXSTR = 0xa0
const FIXSTR_END = 0xc0

const cache: (string | undefined)[] = new Array<undefined>(SLOTS).fill(undefined)

/** A key that was written as a short text, or undefined, and then nothing was read. */
export function readShortKey(reader: ByteReader): string | undefined {
  const { bytes, position, end } = reader
  const head = position < end ? (bytes[position] ?? 0) : 0
  if (head < FIXSTR || head >= FIXSTR_END) return undefined
  const length = head - FIXSTR
  const start = position + 1
  if (length > end - start) return undefined
  let hash = length
  for (let at = start; at < start + length; at++) hash = (hash * 31 + (bytes[at] ?? 0)) | 0
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
  const cached = cache[slot]
  if (cached !== undefined && isSame(cached, bytes, start, length)) {
    reader.position = start + length
    return cached
  }
  reader.position = start
  const key = internalized(reader.utf8(length))
  if (key.length === length) cache[slot] = key
  return key
}

/** Only ASCII is cached: there characters and bytes are the same. */
function isSame(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) {
    if (text.charCodeAt(i) !== bytes[start + i]) return false
  }
  return true
}

/** The same text as V8 keeps it for property names; as a key it is then found by identity. */
function internalized(text: string): string {
  return Object.keys({ [text]: 0 })[0] ?? text
}
