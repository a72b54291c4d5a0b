// Runs of numbers inside long arrays, as columns. One by one, a number costs a call and a branch on
// its first byte at both ends; in a column it costs little more than its bytes.
//   [0xc8] [u16be bytes behind the type] [EXT_NUMBERS] [u8 code] [elements, little-endian]
// A run stands in an array where the items that it is made of would stand.
// Invariants:
//   VN1. A run has RUN_ITEMS_MAX elements at most, and no more than its array has items left.
//   VN2. An item is read once, also the one that ends a run: it is left in `next`.
// Source: MessagePack specification, ext 16.
import { assert } from '../common/assert.ts'
import { DecodeError, type ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { EXT_NUMBERS } from './value-codec-kinds.ts'
import { lastingArray } from './value-codec-lasting.ts'

/** A run begins where so many numbers stand together; shorter arrays have none. */
export const RUN_ITEMS_MIN = 32
/** Its widest elements fit an ext 16, and the nearest cache of a CPU. */
export const RUN_ITEMS_MAX = 4096
const EXT16 = 0xc8
const HEAD_BYTES = 5

export const UINT8 = 0
export const INT16 = 1
export const INT32 = 2
const FLOAT64 = 3
/** Bytes of an element, by code. */
const WIDTHS: readonly number[] = [1, 2, 4, 8]

/** Room for the elements of one run, and their bytes. */
class Elements {
  readonly shorts = new Int16Array(RUN_ITEMS_MAX)
  readonly shortBytes = new Uint8Array(this.shorts.buffer)
  readonly integers = new Int32Array(RUN_ITEMS_MAX)
  readonly integerBytes = new Uint8Array(this.integers.buffer)
  readonly doubles = new Float64Array(RUN_ITEMS_MAX)
  readonly doubleBytes = new Uint8Array(this.doubles.buffer)
}

export type RunKind = 'integers' | 'doubles'

/** An array of `count` items, and the index in it where a run begins. */
export interface RunPlace {
  readonly items: readonly unknown[]
  readonly from: number
  readonly count: number
}

/**
 * The items from `from` to before `to`, read once and in native code: an array of ours. It is
 * looked at in place of the user's, because where V8 reads from arrays of doubles and of objects
 * alike, it turns arrays of doubles that it meets there into arrays of objects.
 */
export function itemsAhead(items: readonly unknown[], from: number, to: number): unknown[] {
  const ahead = Array.prototype.slice.call(items, from, to) as unknown[]
  ahead.length = to - from // a Proxy may say anything, and a getter may have shortened the array
  return ahead
}

/** The kind of the run that begins with these items; undefined when none does. */
export function kindOfRun(ahead: readonly unknown[]): RunKind | undefined {
  if (ahead.length < RUN_ITEMS_MIN) return undefined
  let kind: RunKind = 'integers'
  // By index: `every` passes over holes, which are no numbers.
  for (let i = 0; i < ahead.length; i++) {
    const item = ahead[i]
    if (typeof item !== 'number') return undefined
    if ((item | 0) !== item || Object.is(item, -0)) kind = 'doubles'
  }
  return kind
}

/** Writes runs. One is used by one encoding at a time: a getter of an item may encode meanwhile. */
export class RunWriter {
  /** The item behind the last run, where it was read because the run might have gone on. */
  next: { readonly item: unknown } | undefined
  readonly #elements = new Elements()
  #signs = 0
  #bits = 0

  /**
   * Append a run.
   * @param ahead  its first items, read already.
   * @returns the index behind it; see `next`.
   */
  write(
    writer: ByteWriter,
    kind: RunKind,
    ahead: readonly unknown[],
    { items, from, count }: RunPlace,
  ): number {
    const end = Math.min(from + RUN_ITEMS_MAX, count)
    const readEnd = from + ahead.length
    this.next = undefined
    this.#signs = 0
    this.#bits = 0
    if (kind === 'integers') {
      this.#takeIntegers(ahead, 0, ahead.length, 0)
      assert(this.next === undefined, 'the first items of a run are of its kind')
      const behind = this.#takeIntegers(items, readEnd, end, from)
      this.#appendIntegers(writer, behind - from)
      return behind
    }
    this.#takeDoubles(ahead, 0, ahead.length, 0)
    assert(this.next === undefined, 'the first items of a run are of its kind')
    const behind = this.#takeDoubles(items, readEnd, end, from)
    appendRun(writer, FLOAT64, this.#elements.doubleBytes.subarray(0, (behind - from) * 8))
    return behind
  }

  /** @param from  the index in `items` of the first element. */
  #takeIntegers(items: readonly unknown[], start: number, end: number, from: number): number {
    const { integers } = this.#elements
    let signs = this.#signs
    let bits = this.#bits
    let i = start
    for (; i < end; i++) {
      const item = items[i]
      // One check after the other, -0 looked for among zeros only: a fifth less CPU where V8 has
      // met other items here before.
      if (typeof item !== 'number') {
        this.next = { item }
        break
      }
      const integer = item | 0
      if (integer !== item || (integer === 0 && Object.is(item, -0))) {
        this.next = { item }
        break
      }
      integers[i - from] = integer
      signs |= integer
      bits |= integer ^ (integer >> 31)
    }
    this.#signs = signs
    this.#bits = bits
    return i
  }

  #takeDoubles(items: readonly unknown[], start: number, end: number, from: number): number {
    const { doubles } = this.#elements
    let i = start
    for (; i < end; i++) {
      const item = items[i]
      if (typeof item !== 'number') {
        this.next = { item }
        break
      }
      doubles[i - from] = item
    }
    return i
  }

  /** `set` makes narrower elements of wider ones, in native code. */
  #appendIntegers(writer: ByteWriter, count: number): void {
    const { integers, integerBytes, shorts, shortBytes } = this.#elements
    const wide = integers.subarray(0, count)
    if (this.#signs >= 0 && this.#bits < 0x100) {
      appendRun(writer, UINT8, wide)
    } else if (this.#bits < 0x8000) {
      shorts.set(wide)
      appendRun(writer, INT16, shortBytes.subarray(0, count * 2))
    } else {
      appendRun(writer, INT32, integerBytes.subarray(0, count * 4))
    }
  }
}

/** @param bytes  one for each byte to write. */
export function appendRun(writer: ByteWriter, code: number, bytes: Uint8Array | Int32Array): void {
  const size = bytes.length
  const at = writer.reserve(HEAD_BYTES + size)
  const { buffer } = writer
  buffer[at] = EXT16
  buffer[at + 1] = (size + 1) >>> 8
  buffer[at + 2] = size + 1
  buffer[at + 3] = EXT_NUMBERS
  buffer[at + 4] = code
  buffer.set(bytes, at + HEAD_BYTES)
}

/** Of the run that is read: no code of the user runs meanwhile. */
const { shorts, shortBytes, integers, integerBytes, doubles, doubleBytes } = new Elements()

/** Whether a run comes next. */
export function isRunNext({ bytes, position, end }: ByteReader): boolean {
  return bytes[position] === EXT16 && position + 3 < end && bytes[position + 3] === EXT_NUMBERS
}

/**
 * Read the run that comes next into items[from] and on.
 * @param left  how many items may follow.
 * @returns how many it has.
 * @throws DecodeError when it is no run, or a longer one.
 */
export function readRun(reader: ByteReader, items: unknown[], from: number, left: number): number {
  reader.skip(1)
  const size = reader.u16be() - 1
  reader.skip(1)
  const code = reader.u8()
  const width = WIDTHS[code]
  if (width === undefined) throw new DecodeError(`a run of numbers of unknown code ${code}`)
  const count = size / width
  if (!(count > 0 && count <= Math.min(left, RUN_ITEMS_MAX) && Number.isInteger(count))) {
    throw new DecodeError(`a run of ${count} numbers where ${left} items are left`)
  }
  const at = reader.skip(size)
  const bytes = reader.bytes.subarray(at, at + size)
  if (code === FLOAT64) {
    doubleBytes.set(bytes)
    fill(items, from, count)
  } else {
    widen(code, bytes, count)
    fillIntegers(items, from, count)
  }
  return count
}

/** Into `integers`. */
function widen(code: number, bytes: Uint8Array, count: number): void {
  if (code === UINT8) {
    integers.set(bytes)
  } else if (code === INT16) {
    shortBytes.set(bytes)
    integers.set(shorts.subarray(0, count))
  } else {
    integerBytes.set(bytes)
  }
}

function fillIntegers(items: unknown[], from: number, count: number): void {
  for (let i = 0; i < count; i++) items[from + i] = integers[i]
}

function fill(items: unknown[], from: number, count: number): void {
  for (let i = 0; i < count; i++) items[from + i] = doubles[i]
}

/**
 * An array of `count` holes for what comes next. V8 learns at each place where arrays are made what
 * they come to hold, and makes the next for that: integers, doubles and all else are made at three
 * places, or all would be made for objects, where each double is an object of its own.
 * @param isLasting  see value-codec-lasting.ts.
 */
export function makeArray(reader: ByteReader, count: number, isLasting: boolean): unknown[] {
  const codes = codesOfRuns(reader, count)
  const hasDoubles = (codes & (1 << FLOAT64)) !== 0
  if (isLasting) {
    return lastingArray(codes === 0 ? 'others' : hasDoubles ? 'doubles' : 'integers', count)
  }
  if (codes === 0) return new Array<unknown>(count)
  return hasDoubles ? new Array<number>(count) : new Array<number>(count)
}

/** The codes of the runs that make up all of the next `count` items, as bits; 0 when they do not. */
function codesOfRuns(reader: ByteReader, count: number): number {
  const { bytes, end } = reader
  let codes = 0
  let at = reader.position
  let left = count
  while (left > 0) {
    if (at + HEAD_BYTES > end || bytes[at] !== EXT16 || bytes[at + 3] !== EXT_NUMBERS) return 0
    const size = (((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)) - 1
    const code = bytes[at + 4] ?? 0
    codes |= 1 << (code & 3)
    left -= Math.max(1, size) / (WIDTHS[code] ?? 1)
    at += HEAD_BYTES + size
  }
  return codes
}
