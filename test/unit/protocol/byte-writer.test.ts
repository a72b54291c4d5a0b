// ByteWriter and ByteReader as one pair: whatever one writes, the other reads.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteReader } from '../../../runtime/protocol/byte-reader.ts'
import { ByteLimitError, ByteWriter } from '../../../runtime/protocol/byte-writer.ts'

type Step =
  | { readonly kind: 'u8' | 'u16' | 'u32' | 'f64' | 'varint'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'lengthPrefixed'; readonly value: Uint8Array }

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ kind: fc.constant('f64' as const), value: fc.double() }),
  fc.record({ kind: fc.constant('varint' as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('varint' as const), value: fc.nat(300) }),
  fc.record({
    kind: fc.constant('string' as const),
    value: fc.string({ unit: 'grapheme', maxLength: 200 }).map((text) => text.toWellFormed()),
  }),
  fc.record({ kind: fc.constant('string' as const), value: fc.string({ maxLength: 60 }) }),
  fc.record({
    kind: fc.constant('lengthPrefixed' as const),
    value: fc.uint8Array({ maxLength: 99 }),
  }),
)

function write(writer: ByteWriter, step: Step): void {
  if (step.kind === 'string') writer.string(step.value)
  else if (step.kind === 'lengthPrefixed') writer.lengthPrefixed(step.value)
  else writer[step.kind](step.value)
}

test('any sequence of writes is read back in order and to the last byte', () => {
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 60 }), (sequence) => {
      const writer = new ByteWriter({ initialBytes: 1 })
      for (const step of sequence) write(writer, step)
      const reader = new ByteReader(writer.take())
      for (const step of sequence) {
        const read = reader[step.kind]()
        if (read instanceof Uint8Array) expect([...read]).toEqual([...(step.value as Uint8Array)])
        else expect(read).toBe(step.value)
      }
      expect(reader.remaining).toBe(0)
    }),
  )
})

test('numbers are little-endian', () => {
  const writer = new ByteWriter()
  writer.u16(0x0102)
  writer.u32(0x0a0b_0c0d)
  writer.f64(-2)
  expect([...writer.take()]).toEqual([2, 1, 0x0d, 0x0c, 0x0b, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0xc0])
})

test.each([
  [0, [0]],
  [127, [127]],
  [128, [0x80, 1]],
  [300, [0xac, 2]],
  [2 ** 31, [0x80, 0x80, 0x80, 0x80, 8]],
  [2 ** 53 - 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]],
])('the varint of %d is %j', (value, bytes) => {
  const writer = new ByteWriter()
  writer.varint(value)
  expect([...writer.take()]).toEqual(bytes)
})

test.each([-1, 0.5, NaN, Infinity, 2 ** 53])('a varint of %d is refused', (value) => {
  const writer = new ByteWriter()
  expect(() => writer.varint(value)).toThrow(RangeError)
  expect(writer.position).toBe(0)
})

test.each([0, 12, 13, 40, 41, 42, 43, 85, 127, 128, 5461, 16_384, 16_385, 70_000])(
  'strings of %d characters keep their text, whether one, two, three or four bytes each',
  (length) => {
    for (const unit of ['a', 'é', '中', '😀']) {
      const text = unit.repeat(length)
      const writer = new ByteWriter({ initialBytes: 16 })
      writer.string(text)
      const reader = new ByteReader(writer.take())
      expect(reader.string()).toBe(text)
      expect(reader.remaining).toBe(0)
    }
  },
)

test('ids held as byte strings keep every byte', () => {
  for (const length of [0, 20, 200]) {
    const id = Array.from({ length }, (_, i) => String.fromCharCode((i * 37) & 0xff)).join('')
    const writer = new ByteWriter({ initialBytes: 1 })
    writer.latin1(id)
    expect(writer.position).toBe(length)
    expect(new ByteReader(writer.take()).latin1(length)).toBe(id)
  }
})

test('a lone surrogate becomes the replacement character', () => {
  const writer = new ByteWriter()
  writer.string('a\ud800b')
  expect(new ByteReader(writer.take()).string()).toBe('a\ufffdb')
})

test('reserved bytes are patched after the writer has grown', () => {
  const writer = new ByteWriter({ initialBytes: 8 })
  const at = writer.reserve(4)
  writer.bytes(new Uint8Array(1000).fill(7))
  writer.patchU32(at, 0xfedc_ba98)
  const reader = new ByteReader(writer.take())
  expect(reader.u32()).toBe(0xfedc_ba98)
  expect(reader.view(1000).every((byte) => byte === 7)).toBe(true)
})

test.each([0, 1, 127, 128, 20_000])(
  'a length of %i is put in front of what it counts',
  (length) => {
    const content = new Uint8Array(length).fill(7)
    const expected = new ByteWriter()
    expected.lengthPrefixed(content)
    const writer = new ByteWriter({ initialBytes: 8 })
    writer.u8(1)
    const at = writer.reserve(1)
    writer.bytes(content)
    writer.prefixLength(at)
    expect(writer.written().subarray(1)).toEqual(expected.written())
  },
)

test('a write past bytesMax is a ByteLimitError that writes nothing', () => {
  const writer = new ByteWriter({ initialBytes: 4, bytesMax: 10 })
  writer.bytes(new Uint8Array(9))
  expect(() => writer.u16(1)).toThrow(ByteLimitError)
  expect(() => writer.string('two')).toThrow(ByteLimitError)
  expect(writer.position).toBe(9)
  writer.u8(1)
  expect(() => writer.u8(1)).toThrow(expect.objectContaining({ code: 'ERR_BYTE_LIMIT' }))
  expect(writer.take().length).toBe(10)
})

test('what take gave stays as it is when the writer goes on', () => {
  for (const length of [10, 900]) {
    const writer = new ByteWriter({ initialBytes: 1000 })
    writer.bytes(new Uint8Array(length).fill(1))
    const taken = writer.take()
    expect(writer.position).toBe(0)
    writer.bytes(new Uint8Array(1000).fill(2))
    expect(taken.length).toBe(length)
    expect(taken.every((byte) => byte === 1)).toBe(true)
  }
})

test('reset forgets the content and keeps the room', () => {
  const writer = new ByteWriter({ initialBytes: 16 })
  writer.bytes(new Uint8Array(100))
  const { buffer } = writer
  writer.reset()
  writer.u8(9)
  expect(writer.buffer).toBe(buffer)
  expect([...writer.written()]).toEqual([9])
})

test.each([0, 1, 24, 25, 5000])(
  'a range of %i bytes is copied, and nothing beside it',
  (length) => {
    const source = Buffer.from(Array.from({ length: length + 20 }, (_, i) => i % 251))
    const writer = new ByteWriter({ initialBytes: 1 })
    writer.u8(7)
    writer.range(source, 10, 10 + length)
    expect([...writer.take()]).toEqual([7, ...source.subarray(10, 10 + length)])
  },
)

test.each([0, 1, 127, 128, 16_383, 16_384, 2 ** 21 - 1])(
  '%i patched in is read as a varint',
  (n) => {
    const writer = new ByteWriter()
    const at = writer.reserve(3)
    writer.u8(9)
    writer.patchVarint(at, n)
    const reader = new ByteReader(writer.take())
    expect([reader.varint(), reader.u8(), reader.remaining]).toEqual([n, 9, 0])
  },
)
