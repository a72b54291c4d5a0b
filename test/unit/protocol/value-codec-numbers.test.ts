// Long arrays of numbers: what travels in columns comes back as it was, from any mixture.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { knowsIntegers } from '../../../runtime/common/integer-arrays-system.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { scaled } from '../../support/scale.ts'
import { blobOf, mapped, roundTrip } from './value-codec-support.ts'

const counted = (count: number, item: (i: number) => unknown): unknown[] =>
  Array.from({ length: count }, (_, i) => item(i))

test.each<[string, (i: number) => unknown]>([
  ['bytes', (i) => i % 256],
  ['small integers of both signs', (i) => (i % 2 === 0 ? i : -i)],
  ['integers of 16 bits', (i) => (i % 2 === 0 ? 0x7fff : -0x8000)],
  ['integers of 17 bits', (i) => 0x8000 + i],
  ['integers of 32 bits', (i) => (i % 2 === 0 ? 2 ** 31 - 1 : -(2 ** 31))],
  ['integers beyond 32 bits', (i) => 2 ** 31 + i],
  ['fractions', (i) => i / 3],
  ['what is no number to count with', (i) => [Number.NaN, Infinity, -Infinity, -0, 0][i % 5]],
  ['integers behind a minus zero', (i) => (i === 20 ? -0 : i)],
  ['integers, then fractions', (i) => (i < 25 ? i : i / 7)],
  ['fractions, then integers', (i) => (i < 25 ? i / 7 : i)],
  ['numbers around a text', (i) => (i === 20 ? 'text' : i)],
  ['a number between texts', (i) => (i % 2 === 0 ? 'text' : i)],
  ['a text at the end', (i) => (i % 33 === 32 ? 'text' : i)],
  ['objects, then numbers', (i) => (i < 3 ? { i } : i)],
  ['holes made undefined', (i) => (i === 17 ? undefined : i)],
])('%s come back, whatever the length', (_, item) => {
  for (const count of [15, 16, 31, 32, 33, 47, 48, 100, 4095, 4096, 4097, 4111, 4112, 10_000]) {
    const items = counted(count, item)
    expect(roundTrip(items)).toStrictEqual(items)
  }
})

/** As an array that was not filled everywhere: holes become undefined. */
function withHoles(items: readonly unknown[], isHole: (i: number) => boolean): unknown[] {
  const holed = new Array<unknown>(items.length)
  for (const [i, item] of items.entries()) if (!isHole(i)) holed[i] = item
  return holed
}

test.each<[string, (i: number) => boolean]>([
  ['nothing but holes', () => true],
  ['a hole at the start', (i) => i === 0],
  ['a hole among the first items', (i) => i === 10],
  ['a hole at the end of what is looked at first', (i) => i === 31],
  ['a hole behind', (i) => i === 40],
  ['many holes', (i) => i % 3 === 0],
])('%s: an array of numbers comes back with undefined there', (_, isHole) => {
  for (const item of [(i: number) => i, (i: number) => i / 3]) {
    for (const count of [31, 32, 33, 100, 4097, 5000]) {
      const codec = new ValueCodec()
      codec.decode(
        blobOf(
          counted(5000, (i) => -1 - i),
          codec,
        ),
      ) // numbers that must not be seen
      const holed = withHoles(counted(count, item), isHole)
      expect(codec.decode(blobOf(holed, codec))).toStrictEqual(Array.from(holed))
    }
  }
})

test('any mixture of runs comes back, also from shared memory', () => {
  const runs = fc.oneof(
    fc.array(fc.integer(), { minLength: 1, maxLength: 60 }),
    fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 60 }),
    fc.array(fc.double(), { minLength: 1, maxLength: 60 }),
    fc.array(fc.oneof(fc.string(), fc.constant(null), fc.constant(undefined)), { maxLength: 20 }),
  )
  const codec = new ValueCodec()
  const holes = fc.array(fc.nat({ max: 480 }), { maxLength: 3 })
  fc.assert(
    fc.property(fc.array(runs, { maxLength: 8 }), holes, (parts, at) => {
      const items = withHoles(parts.flat(), (i) => at.includes(i))
      const blob = blobOf([items, items], codec)
      const full = Array.from(items)
      expect(codec.decode(blob)).toStrictEqual([full, full])
      expect(codec.decode(mapped(blob), { view: true })).toStrictEqual([full, full])
    }),
    { numRuns: scaled(5_000) },
  )
})

test('what the engine knows to be integers takes the same bytes as what is looked at', () => {
  const knowing = new ValueCodec([], { knowsIntegers })
  const widths: ((i: number) => number)[] = [
    (i) => i % 256,
    (i) => (i % 4000 === 3999 ? 256 : 0),
    (i) => (i % 4000 === 17 ? -1 : 255),
    (i) => 0x7fff - i,
    (i) => (i % 4000 === 17 ? 0x8000 : i % 100),
    (i) => -(2 ** 31) + i,
  ]
  for (const item of widths) {
    for (const count of [31, 32, 33, 4127, 4128, 16_385, 20_000]) {
      const items = counted(count, item)
      const filled = new Array<unknown>(count).fill(7)
      for (const [i, each] of items.entries()) filled[i] = each
      for (const each of [items, filled]) {
        const blob = blobOf(each, knowing)
        expect(blob.equals(blobOf(each))).toBe(true)
        expect(knowing.decode(blob)).toStrictEqual(items)
      }
    }
  }
})

test('an array of integers with more than its items is refused all the same', () => {
  const knowing = new ValueCodec([], { knowsIntegers })
  const items = Object.assign(
    counted(100, (i) => i),
    { name: 'lost' },
  )
  expect(() => knowing.encode(items, 'value')).toThrow('a property beside its items (.name)')
})

test('a number of a long array takes the bytes of its width', () => {
  expect(blobOf(new Array(10_000).fill(1)).length).toBeLessThan(10_030)
  expect(blobOf(counted(10_000, (i) => i)).length).toBeLessThan(20_030)
  expect(blobOf(counted(10_000, (i) => i / 3)).length).toBeLessThan(80_030)
})

test('an item is read once, also where a run of numbers ends', () => {
  const reads = new Map<PropertyKey, number>()
  const items = counted(100, (i) => (i === 50 ? 'text' : i))
  const asked = new Proxy(items, {
    get: (target, key, receiver): unknown => {
      reads.set(key, (reads.get(key) ?? 0) + 1)
      return Reflect.get(target, key, receiver)
    },
  })
  expect(new ValueCodec().decode(new ValueCodec().encode(asked, 'value').toBytes())).toEqual(items)
  expect(counted(100, (i) => reads.get(String(i)))).toEqual(counted(100, () => 1))
})

test('a getter among numbers may encode others meanwhile', () => {
  const codec = new ValueCodec()
  const items: unknown[] = counted(100, (i) => i)
  Object.defineProperty(items, 40, {
    get: () =>
      codec.encode(
        counted(100, (i) => -i),
        'inner',
      ).sizeBytes > 0,
    enumerable: true,
  })
  const expected = counted(100, (i) => (i === 40 ? true : i))
  expect(codec.decode(codec.encode(items, 'value').toBytes())).toEqual(expected)
})

test('what cannot be sent is named by its index, however far behind numbers it stands', () => {
  const items = counted(9000, (i) => (i === 8500 ? Symbol('s') : i))
  expect(() => new ValueCodec().encode(items, 'value')).toThrow('value[8500]')
})
