// ByteReader against bytes that lie: truncated, over-long, outside of their range.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader, DecodeError } from '../../../runtime/protocol/byte-reader.ts'
import { ByteWriter } from '../../../runtime/protocol/byte-writer.ts'

const READS = ['u8', 'u16', 'u32', 'f64', 'varint', 'lengthPrefixed', 'string'] as const

test('B04: every read past the end is a DecodeError, never a byte from outside', () => {
  for (const read of READS) {
    const reader = new ByteReader(new Uint8Array([1, 2, 3, 4]), 2, 2)
    expect(() => reader[read](), read).toThrow(DecodeError)
  }
  const reader = new ByteReader(new Uint8Array([0xff, 0xff, 0xff, 0xff]), 0, 3)
  expect(() => reader.varint()).toThrow(DecodeError)
  expect(() => new ByteReader(new Uint8Array(3)).u32()).toThrow(DecodeError)
})

test('B03: a length beyond what is left is refused before anything is allocated', () => {
  const writer = new ByteWriter()
  writer.varint(2 ** 52)
  writer.u32(0)
  const bytes = writer.take()
  expect(() => new ByteReader(bytes).string()).toThrow(DecodeError)
  expect(() => new ByteReader(bytes).lengthPrefixed()).toThrow(DecodeError)
  expect(() => new ByteReader(bytes).view(-1)).toThrow(DecodeError)
  expect(() => new ByteReader(bytes).view(NaN)).toThrow(DecodeError)
})

test('a varint of more than eight bytes or beyond 2 ** 53 - 1 is refused', () => {
  const nine = new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1])
  expect(() => new ByteReader(nine).varint()).toThrow('8 bytes')
  const tooMuch = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])
  expect(() => new ByteReader(tooMuch).varint()).toThrow('2 ** 53 - 1')
})

test('views share memory with the bytes and strings do not depend on the kind of bytes', () => {
  const writer = new ByteWriter()
  writer.string('a longer text with an é')
  writer.u8(5)
  const taken = writer.take()
  const shared = new Uint8Array(new SharedArrayBuffer(taken.length + 8), 8)
  shared.set(taken)
  for (const bytes of [taken, new Uint8Array(taken), shared]) {
    const reader = new ByteReader(bytes)
    expect(reader.string()).toBe('a longer text with an é')
    const view = reader.view(1)
    bytes[bytes.length - 1] = 6
    expect(view[0]).toBe(6)
  }
})

test('a range outside of the bytes is refused, also by reset', () => {
  const bytes = new Uint8Array(4)
  expect(() => new ByteReader(bytes, 5)).toThrow(DecodeError)
  expect(() => new ByteReader(bytes, 0, 5)).toThrow(DecodeError)
  expect(() => new ByteReader(bytes, 3, 2)).toThrow(DecodeError)
  const reader = new ByteReader(bytes)
  expect(() => {
    reader.reset(bytes, -1)
  }).toThrow(DecodeError)
  reader.reset(new Uint8Array([8, 9]), 1)
  expect(reader.u8()).toBe(9)
  expect(reader.remaining).toBe(0)
})

test('B06: any reads of any bytes end in values or in a DecodeError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(6)), (bytes, order) => {
      const reader = new ByteReader(bytes)
      try {
        for (const index of order) reader[READS[index] ?? 'u8']()
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
      expect(reader.position).toBeLessThanOrEqual(bytes.length)
    }),
  )
})
