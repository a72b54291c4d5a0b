// Blobs as a whole: appended to slabs, written to targets, marked, limited in size.
import { describe, expect, test } from 'vitest'
import { ObjectTooLargeError, SerializationError } from '../../../runtime/common/errors.ts'
import { DecodeError } from '../../../runtime/protocol/byte-reader.ts'
import { ByteWriter } from '../../../runtime/protocol/byte-writer.ts'
import { ValueCodec, isErrorBlob, markErrorBlob } from '../../../runtime/protocol/value-codec.ts'
import { Ref, blobOf, refCodec, roundTrip } from './value-codec-support.ts'

test('a value that its owner keeps takes no more memory than its blob', () => {
  const codec = new ValueCodec()
  // Below 32 KiB Node puts several into one buffer.
  for (const length of [17_000, 40_000]) {
    const value = Array.from({ length }, (_, i) => i % 30_000)
    const bytes = codec.encode(value, 'value').toBytes()
    expect(bytes.buffer.byteLength).toBe(bytes.length)
    expect(codec.decode(bytes)).toEqual(value)
  }
})

describe('encodeInto', () => {
  const codec = new ValueCodec([refCodec])

  test('appends nothing when the value is refused', () => {
    const writer = new ByteWriter()
    writer.u32(7)
    const bad = { large: new Uint8Array(5000), ref: new Ref('a'), cb: () => 0 }
    expect(() => codec.encodeInto(writer, bad, 'value')).toThrow(SerializationError)
    expect(writer.position).toBe(4)
    codec.encodeInto(writer, [1], 'value')
    expect(codec.decode(writer.take().subarray(4))).toEqual([1])
  })

  test('gives a blob beyond bytesMax back instead of appending it', () => {
    for (const value of ['x'.repeat(200), new Float64Array(500), [new Ref('a'), 'y'.repeat(200)]]) {
      const writer = new ByteWriter()
      writer.u8(1)
      const { oversize, handles } = codec.encodeInto(writer, value, 'value', 100)
      expect(writer.position).toBe(1)
      const blob = Buffer.alloc(oversize?.sizeBytes ?? 0)
      oversize?.writeTo(blob)
      expect(blob.equals(blobOf(value, codec))).toBe(true)
      expect(handles.length).toBe(Array.isArray(value) ? 1 : 0)
      const sizeBytes = oversize?.sizeBytes ?? 0
      expect(codec.encodeInto(writer, value, 'value', sizeBytes).oversize).toBe(undefined)
      expect(writer.position).toBe(1 + sizeBytes)
    }
  })

  test('tells the handles of what it appended', () => {
    const ref = new Ref('a')
    expect(codec.encodeInto(new ByteWriter(), { ref }, 'value').handles).toEqual([ref])
    expect(codec.encodeInto(new ByteWriter(), { n: 1 }, 'value').handles).toEqual([])
  })

  test('B20: a slab without room for a value refuses it whole', () => {
    for (const value of [1, 1.5, 'x'.repeat(100), [new Uint8Array(5000)]]) {
      const writer = new ByteWriter({ initialBytes: 4, bytesMax: 8 })
      writer.bytes(new Uint8Array(7))
      expect(() => codec.encodeInto(writer, value, 'value')).toThrow(ObjectTooLargeError)
      expect(writer.position).toBe(7)
    }
  })
})

describe('blobs', () => {
  const codec = new ValueCodec()

  test('writeTo may be repeated, into larger targets too, but not into smaller ones', () => {
    const encoded = codec.encode({ a: new Uint8Array(3000).fill(1), b: 'x' }, 'value')
    const target = Buffer.alloc(encoded.sizeBytes + 10, 0xee)
    encoded.writeTo(target)
    encoded.writeTo(target)
    expect(codec.decode(target.subarray(0, encoded.sizeBytes))).toEqual({
      a: new Uint8Array(3000).fill(1),
      b: 'x',
    })
    expect(target.subarray(encoded.sizeBytes).every((byte) => byte === 0xee)).toBe(true)
    expect(() => encoded.writeTo(Buffer.alloc(encoded.sizeBytes - 1))).toThrow(RangeError)
  })

  test('a blob can be marked as an error, and its value read all the same', () => {
    for (const value of [1, ['x'], new Uint8Array(5000)]) {
      const blob = blobOf(value)
      expect(isErrorBlob(blob)).toBe(false)
      markErrorBlob(blob)
      expect(isErrorBlob(blob)).toBe(true)
      expect(codec.decode(blob)).toEqual(value)
    }
  })

  test('B20: what resizable buffers reserve beyond 2 GiB is an ObjectTooLargeError', () => {
    const resizable = [1, 2].map(() => new ArrayBuffer(8, { maxByteLength: 1.5 * 2 ** 30 }))
    expect(() => codec.encode(resizable, 'value')).toThrow(
      expect.objectContaining({
        code: 'ERR_OBJECT_TOO_LARGE',
        data: { sizeBytes: 3 * 2 ** 30 - 16, maxBytes: 2 ** 31 },
      }),
    )
    const writer = new ByteWriter()
    writer.u32(7)
    expect(() => codec.encodeInto(writer, { resizable }, 'value')).toThrow(ObjectTooLargeError)
    expect(writer.position).toBe(4)
    expect(codec.encode(resizable[0], 'value').sizeBytes).toBeLessThan(200)
  })

  test('B20: offsets and lengths beyond 4 GiB are exact on both sides', () => {
    // Nothing touches the pages of these buffers, so they take no memory.
    const first = new Uint8Array(2 ** 32 + 4096)
    const second = new Float64Array(2 ** 29 + 3)
    const value = { first: first.subarray(8), tail: first.subarray(2 ** 32 + 5), second }
    const encoded = codec.encode(value, 'value')
    expect(encoded.sizeBytes).toBeGreaterThan(2 ** 33)
    const blob = new Uint8Array(encoded.sizeBytes)
    const copies: (readonly [at: number, sizeBytes: number])[] = []
    encoded.writeTo(blob, (target, source) => {
      copies.push([target.byteOffset, source.byteLength])
    })
    const [[firstAt] = [0], [secondAt] = [0]] = copies
    expect(copies).toEqual([
      [128, first.byteLength - 8],
      [alignUp(128 + first.byteLength - 8), second.byteLength],
    ])
    blob[firstAt + 2 ** 32 + 5 - 8] = 77
    blob[secondAt + second.byteLength - 2] = 0xf0
    blob[secondAt + second.byteLength - 1] = 0x3f
    const back = codec.decode(blob, { view: true }) as typeof value
    expect([back.first.length, back.tail.length]).toEqual([first.length - 8, 4096 - 5])
    expect([back.first[2 ** 32 + 5 - 8], back.tail[0]]).toEqual([77, 77])
    expect([back.second.length, back.second.at(-1)]).toEqual([second.length, 1])
    for (const cut of [blob.subarray(0, -1), blob.subarray(0, 2 ** 32)]) {
      expect(() => codec.decode(cut, { view: true })).toThrow(DecodeError)
    }
  })

  test('an encoding that failed leaves nothing behind for the next', () => {
    const shared = { a: 1 }
    const bad = [shared, new Uint8Array(5000), { deep: { cb: () => 0 } }]
    for (let i = 0; i < 3; i++) {
      expect(() => codec.encode(bad, 'value')).toThrow(SerializationError)
      expect(roundTrip([shared, 'ok'], codec)).toEqual([{ a: 1 }, 'ok'])
      expect(() => codec.decode(new Uint8Array([0, 0x91]))).toThrow(DecodeError)
    }
  })

  test('a getter may encode and decode meanwhile', () => {
    const value = {
      before: [1],
      get inner() {
        return roundTrip({ x: [1], y: new Uint8Array(2000) }, codec).x
      },
      after: { big: new Uint8Array(3000).fill(3) },
    }
    const encoded = codec.encode(value, 'value')
    const blob = Buffer.alloc(encoded.sizeBytes)
    encoded.writeTo(blob)
    expect(codec.decode(blob)).toEqual({
      before: [1],
      inner: [1],
      after: { big: new Uint8Array(3000).fill(3) },
    })
  })
})

const alignUp = (offset: number): number => Math.ceil(offset / 64) * 64
