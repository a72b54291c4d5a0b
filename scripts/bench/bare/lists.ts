// Lists of small integers in memory that two threads share, one after the other, and the places of
// that memory by which they tell each other how far they are. It is touched once and used again.

/** Numbers as one byte each, or two, whichever their row's fit in. */
export type Column = Int8Array | Int16Array

export interface Shared {
  readonly numbers: SharedArrayBuffer
  readonly bytesPerNumber: 1 | 2
  readonly told: Int32Array
}

/** Places of `told`: rounds that were asked for, lists that are written, rounds that are done. */
export const ASKED = 0
export const WRITTEN = 1
export const DONE = 2

export function sharedLists(listCount: number, length: number, bytesPerNumber: 1 | 2): Shared {
  return {
    numbers: new SharedArrayBuffer(listCount * length * bytesPerNumber),
    bytesPerNumber,
    told: new Int32Array(new SharedArrayBuffer(12)),
  }
}

const columnOf = ({ numbers, bytesPerNumber }: Shared): Column =>
  bytesPerNumber === 1 ? new Int8Array(numbers) : new Int16Array(numbers)

export function tell(told: Int32Array, place: number, value: number): void {
  Atomics.store(told, place, value)
  Atomics.notify(told, place)
}

/** Blocks until the other thread has told of at least `value`. */
export function awaitTold(told: Int32Array, place: number, value: number): void {
  for (let seen = Atomics.load(told, place); seen < value; seen = Atomics.load(told, place)) {
    Atomics.wait(told, place, seen)
  }
}

/** V8 copies whole lists of small integers faster than a loop does. */
export function write(lists: readonly number[][], shared: Shared): void {
  const column = columnOf(shared)
  let at = 0
  for (const [index, list] of lists.entries()) {
    column.set(list, at)
    at += list.length
    tell(shared.told, WRITTEN, index + 1)
  }
}

/** Reads lists while the others are written, and keeps them all until it has the last. */
export function read(listCount: number, shared: Shared): number[][] {
  const column = columnOf(shared)
  const length = column.length / listCount
  const lists: number[][] = []
  for (let index = 0; index < listCount; index += 1) {
    awaitTold(shared.told, WRITTEN, index + 1)
    lists.push(readList(column, index * length, length))
  }
  return lists
}

function readList(column: Column, start: number, length: number): number[] {
  const list = new Array<number>(length)
  for (let i = 0; i < length; i += 1) list[i] = column[start + i] ?? 0
  return list
}
