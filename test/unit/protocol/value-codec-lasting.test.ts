// Values that live at once in large numbers: their arrays are made at places of their own.
import { expect, test } from 'vitest'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { LASTING_BYTES_MIN } from '../../../runtime/protocol/value-codec-lasting.ts'
import { blobOf } from './value-codec-support.ts'

function aCodec() {
  const told: (readonly ((count: number) => object)[])[] = []
  return { told, codec: new ValueCodec([], { tenure: (makers) => told.push(makers) }) }
}

const VALUES = [
  Array.from({ length: 5000 }, (_, i) => i),
  Array.from({ length: 5000 }, (_, i) => i / 3),
  Array.from({ length: 5000 }, (_, i) => [String(i)]),
]

test('they come back as others do', () => {
  const { codec } = aCodec()
  for (const value of VALUES) {
    const blob = blobOf(value, codec)
    expect(codec.decode(blob, { beside: { sizeBytes: 0, isLasting: true } })).toStrictEqual(value)
    expect(codec.decodeRange(blob, 0, blob.length, true)).toStrictEqual(value)
  }
})

test('the collector is told before much is decoded, and of each kind of array', () => {
  const { codec, told } = aCodec()
  expect(codec.expectLasting(LASTING_BYTES_MIN - 1)).toBe(false)
  expect(told).toHaveLength(0)
  expect(codec.expectLasting(LASTING_BYTES_MIN)).toBe(true)
  expect(told).toHaveLength(1)
  for (const make of told[0] ?? []) expect(make(1)).toStrictEqual(new Array(1))
})

test('so it is before one large value, not before small ones', () => {
  const { codec, told } = aCodec()
  for (const value of VALUES) codec.decode(blobOf(value, codec))
  expect(told).toHaveLength(0)
  const large = Array.from({ length: 200 }, () => VALUES[1])
  const lists = large.map((list) => list?.slice()) // no references to one list
  expect(codec.decode(blobOf(lists, codec))).toStrictEqual(large)
  expect(told).toHaveLength(1)
})

test('memory of arrays is none of that: nothing is decoded of it', () => {
  const { codec, told } = aCodec()
  const value = new Float64Array(LASTING_BYTES_MIN / 4)
  const beside = { sizeBytes: 0, isLasting: false }
  expect(codec.decode(blobOf(value, codec), { view: true, beside })).toEqual(value)
  expect(codec.decode(blobOf(value, codec))).toEqual(value)
  expect(told).toHaveLength(0)
  expect(beside.sizeBytes).toBeLessThan(100)
})

test('where there is no collector to tell, nothing is different', () => {
  const codec = new ValueCodec()
  expect(codec.expectLasting(LASTING_BYTES_MIN)).toBe(false)
})

test('it is told again while they are decoded, as it forgets when it finds much garbage', () => {
  const { codec, told } = aCodec()
  const blob = blobOf(VALUES[1], codec)
  const count = Math.ceil((3 * LASTING_BYTES_MIN) / blob.length)
  for (let i = 0; i < count; i += 1) codec.decodeRange(blob, 0, blob.length, true)
  expect(told).toHaveLength(3)
})
