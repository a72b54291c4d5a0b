// Values in the order of their keys, of which only the first is looked at (pure): a binary heap in
// which a value is found again, so that its key can change and nothing stale stays in it.
// Invariants, asserted by checkHeap() in tests:
//   KH1. No key is less than its parent's; each value is there once, at the place that is noted.
import { assert } from './assert.ts'

interface Entry<T> {
  readonly value: T
  readonly key: number
}

export interface KeyedHeap<T> {
  readonly entries: Entry<T>[]
  /** Where each value is in `entries`. */
  readonly places: Map<T, number>
}

export const createHeap = <T>(): KeyedHeap<T> => ({ entries: [], places: new Map() })

/** The value of the least key; of equal keys any, but the same in each run. */
export const firstOf = <T>({ entries }: KeyedHeap<T>): Entry<T> | undefined => entries[0]

/** @param key  undefined: it is to be there no more. */
export function setKey<T>(heap: KeyedHeap<T>, value: T, key: number | undefined): void {
  const { entries, places } = heap
  const at = places.get(value)
  if (at === undefined && key === undefined) return
  if (at === undefined) {
    entries.push({ value, key: key ?? 0 })
    settle(heap, entries.length - 1)
    return
  }
  if (key !== undefined) {
    entries[at] = { value, key }
    settle(heap, at)
    return
  }
  places.delete(value)
  const last = entries.pop()
  if (last === undefined || last.value === value) return
  entries[at] = last
  settle(heap, at)
}

/** KH1, after the entry there has changed. */
function settle<T>(heap: KeyedHeap<T>, at: number): void {
  const entry = entryAt(heap, at)
  let here = at
  while (here > 0) {
    const up = parentOf(here)
    if (entryAt(heap, up).key <= entry.key) break
    put(heap, here, entryAt(heap, up))
    here = up
  }
  for (let down = lesserChild(heap, here); down !== undefined; down = lesserChild(heap, here)) {
    if (entryAt(heap, down).key >= entry.key) break
    put(heap, here, entryAt(heap, down))
    here = down
  }
  put(heap, here, entry)
}

const parentOf = (at: number): number => Math.floor((at - 1) / 2)

function lesserChild<T>(heap: KeyedHeap<T>, at: number): number | undefined {
  const left = 2 * at + 1
  const right = left + 1
  if (left >= heap.entries.length) return undefined
  if (right >= heap.entries.length) return left
  return entryAt(heap, right).key < entryAt(heap, left).key ? right : left
}

function put<T>({ entries, places }: KeyedHeap<T>, at: number, entry: Entry<T>): void {
  entries[at] = entry
  places.set(entry.value, at)
}

function entryAt<T>({ entries }: KeyedHeap<T>, at: number): Entry<T> {
  const entry = entries[at]
  assert(entry !== undefined, `a heap has nothing at ${at}`)
  return entry
}

/** @throws AssertionError naming what does not hold. */
export function checkHeap<T>(heap: KeyedHeap<T>): void {
  assert(heap.places.size === heap.entries.length, 'a value is in the heap twice')
  for (const [at, { value, key }] of heap.entries.entries()) {
    assert(heap.places.get(value) === at, `the value at ${at} is noted elsewhere`)
    assert(at === 0 || entryAt(heap, parentOf(at)).key <= key, `the key at ${at} comes too late`)
  }
}
