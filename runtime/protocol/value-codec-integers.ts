// Arrays that are known to have nothing but integers of 32 bits, as runs (value-codec-numbers.ts):
// the same bytes as item by item, but made in native code, without a look at the items. That takes
// half as long where V8 has met arrays of integers only, and a quarter where it has met others.
import type { ByteWriter } from './byte-writer.ts'
import {
  INT16,
  INT32,
  RUN_ITEMS_MAX,
  RUN_ITEMS_MIN,
  UINT8,
  appendRun,
} from './value-codec-numbers.ts'

/** As many are made elements at once, which fit the second nearest cache of a CPU. */
const AT_ONCE_MAX = 4 * RUN_ITEMS_MAX

/** Of the array that is written: no code of the user runs meanwhile. */
const integers = new Int32Array(AT_ONCE_MAX)
const integerBytes = new Uint8Array(integers.buffer)
const bytes = new Uint8Array(RUN_ITEMS_MAX)
const shorts = new Int16Array(RUN_ITEMS_MAX)
const shortBytes = new Uint8Array(shorts.buffer)
const again = new Int32Array(RUN_ITEMS_MAX)
const againBytes = new Uint8Array(again.buffer)

/**
 * Append runs.
 * @param items  of which KnowsIntegers said that it knows.
 * @returns the index behind the last run: items that are too few for one may be left.
 */
export function writeIntegers(writer: ByteWriter, items: readonly unknown[]): number {
  const count = items.length
  const tail = count % RUN_ITEMS_MAX
  const end = tail < RUN_ITEMS_MIN ? count - tail : count
  for (let from = 0; from < end; from += AT_ONCE_MAX) {
    // `set` takes whole arrays.
    const part = count <= AT_ONCE_MAX ? items : items.slice(from, from + AT_ONCE_MAX)
    integers.set(part as readonly number[])
    const partEnd = Math.min(end - from, AT_ONCE_MAX)
    for (let at = 0; at < partEnd; at += RUN_ITEMS_MAX) {
      writeRun(writer, at, Math.min(at + RUN_ITEMS_MAX, partEnd))
    }
  }
  return end
}

/** The narrowest elements that are the same integers when they are made wide again. */
function writeRun(writer: ByteWriter, start: number, end: number): void {
  const wide = integers.subarray(start, end)
  const count = end - start
  const first = integers[start] ?? 0
  const last = integers[end - 1] ?? 0
  if (((first | last) & ~0xff) === 0) {
    bytes.set(wide)
    const narrow = bytes.subarray(0, count)
    again.set(narrow)
    if (isSame(start, end)) {
      appendRun(writer, UINT8, narrow)
      return
    }
  }
  shorts.set(wide)
  again.set(shorts.subarray(0, count))
  if (isSame(start, end)) appendRun(writer, INT16, shortBytes.subarray(0, count * 2))
  else appendRun(writer, INT32, integerBytes.subarray(start * 4, end * 4))
}

/** Whether the integers from `start` to before `end` are what was made of their narrow elements. */
function isSame(start: number, end: number): boolean {
  const wide = integerBytes.subarray(start * 4, end * 4)
  return Buffer.compare(againBytes.subarray(0, wide.length), wide) === 0
}
