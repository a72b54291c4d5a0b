// What V8 knows of an array is its map: prototype, properties, and which kind of items it has. An
// array with the map of a fresh one of small integers is such a one, and only V8's own functions
// tell. That costs 50 ns; to look at ten thousand items costs 10 µs, and 40 where arrays of other
// kinds were looked at in the same place before.
// Source: V8 elements-kind.h, runtime-test.cc (HaveSameMap).
import type { KnowsIntegers } from './integer-arrays.ts'
import { nativesOf, withNatives } from './natives-system.ts'

type HasSameMap = (left: readonly unknown[], right: readonly unknown[]) => boolean

const PACKED: readonly unknown[] = [0]
/** V8 forgets of an array that had a hole once that it has none any more. */
const HOLEY: readonly unknown[] = new Array<unknown>(1)

let hasSameMap: HasSameMap | undefined

export const knowsIntegers: KnowsIntegers = (items) => {
  if (hasSameMap !== undefined) {
    try {
      return isKnown(items, hasSameMap)
    } catch (error) {
      // It was not called for long, and V8 has thrown its code away.
      if (!(error instanceof SyntaxError)) throw error
    }
  }
  const isSure = withNatives(() => {
    hasSameMap = nativesOf<HasSameMap>('(left, right) => %HaveSameMap(left, right)')
    return isKnown(items, hasSameMap)
  })
  return isSure === true
}

function isKnown(items: readonly unknown[], sameMap: HasSameMap): boolean {
  if (sameMap(items, PACKED)) return true
  return sameMap(items, HOLEY) && !items.includes(undefined) // in native code; holes count
}
