// Own properties that no kind carries: those under symbol keys, and what hangs on an array beside
// its items. They would be lost in silence, so a value that has some is refused.
// Only what is enumerable counts: hidden properties are how libraries mark objects.
// Source: sdk.md, what a value is and what is a SerializationError.
import { inspect, types } from 'node:util'
import { EncodeFailure, keySegment } from './value-codec-refusal.ts'

/** Up to here listing the keys is cheaper than asking inspect for what is beside the items. */
const LISTED_ITEMS_MAX = 64
const BESIDE_ITEMS = { maxArrayLength: 0, depth: 0, customInspect: false } as const
const ONLY_ITEMS = /^\[ \.\.\. \d+ more items \]$/
const INDEX = /^\d+$/

/** @throws EncodeFailure for a plain object with symbol keys, and for `arguments`. */
export function checkObject(value: object): void {
  const symbols = Object.getOwnPropertySymbols(value)
  if (symbols.length === 0) return
  if (types.isArgumentsObject(value)) {
    throw new EncodeFailure('it is an arguments object', 'Send an array: [...arguments].')
  }
  checkSymbols(value, symbols)
}

/** @throws EncodeFailure for an array that has more than its items. */
export function checkArray(items: readonly unknown[]): void {
  if (items.length > LISTED_ITEMS_MAX && ONLY_ITEMS.test(inspect(items, BESIDE_ITEMS))) return
  const symbols = Object.getOwnPropertySymbols(items)
  if (symbols.length > 0) checkSymbols(items, symbols)
  // Keys come in the order: indexes, then names.
  const last = Object.keys(items).at(-1)
  if (last === undefined || INDEX.test(last)) return
  throw new EncodeFailure(
    `it is an array with a property beside its items (${keySegment(last)}), which would be lost`,
    'Send [...array], or an object that holds both.',
  )
}

/** @throws EncodeFailure for a Map, Set, Date, RegExp or URL with properties of its own. */
export function checkBare(value: object): void {
  const [key] = [...Object.keys(value), ...Object.getOwnPropertySymbols(value)]
  if (key === undefined) return
  const shown = typeof key === 'symbol' ? `[${String(key)}]` : keySegment(key)
  throw new EncodeFailure(
    `it has a property of its own (${shown}), which would be lost`,
    'Send an object that holds both.',
  )
}

function checkSymbols(value: object, symbols: readonly symbol[]): void {
  const lost = symbols.find((key) => Object.prototype.propertyIsEnumerable.call(value, key))
  if (lost === undefined) return
  throw new EncodeFailure(
    `it has a property under a symbol (${String(lost)}), which would be lost`,
    'Send it under a string.',
  )
}
