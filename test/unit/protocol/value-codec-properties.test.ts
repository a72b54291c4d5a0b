// Properties of the value codec over arbitrary values of every kind.
import { unpack } from 'msgpackr'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { scaled } from '../../support/scale.ts'
import { anyGraph, anyValue, blobOf, isSameGraph, mapped } from './value-codec-support.ts'
import { ByteWriter } from '../../../runtime/protocol/byte-writer.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'

const codec = new ValueCodec()
const numRuns = scaled(20_000)

function check(value: unknown, decoded: unknown): void {
  if (!isSameGraph(value, decoded)) expect(decoded).toEqual(value)
  expect(isSameGraph(value, decoded)).toBe(true)
}

test('any value comes back equal', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      check(value, codec.decode(blobOf(value, codec)))
    }),
    { numRuns },
  )
})

test('any graph comes back with its cycles and shared parts', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(anyGraph, (value) => {
      check(value, codec.decode(blobOf(value, codec)))
    }),
    { numRuns },
  )
})

test('any value comes back equal from shared memory, viewed or not', { timeout: 300_000 }, () => {
  fc.assert(
    fc.property(anyGraph, fc.nat(8), fc.boolean(), (value, shift, view) => {
      check(value, codec.decode(mapped(blobOf(value, codec), shift), { view }))
    }),
    { numRuns: scaled(5_000) },
  )
})

test('values appended to one slab do not depend on each other', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anyValue, anyGraph), { maxLength: 10 }), (values) => {
      const writer = new ByteWriter({ initialBytes: 1 })
      const ends = values.map((value) => {
        codec.encodeInto(writer, value, 'value')
        return writer.position
      })
      const slab = writer.take()
      for (const [i, value] of values.entries()) {
        check(value, codec.decode(slab.subarray(ends[i - 1] ?? 0, ends[i])))
      }
    }),
    { numRuns: scaled(2_000) },
  )
})

test('what JSON can say is plain MessagePack, arrays of up to 31 items, readable by others', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const blob = blobOf(value, codec)
      expect(blob[0]).toBe(0)
      // Another decoder renames this key, which is why the codec is ours.
      fc.pre(!JSON.stringify(value).includes('__proto__'))
      expect(JSON.stringify(unpack(blob.subarray(1)))).toBe(JSON.stringify(value))
    }),
    { numRuns: scaled(10_000) },
  )
})
