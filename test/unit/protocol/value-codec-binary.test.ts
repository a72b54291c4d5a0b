// Memory in values: typed arrays, Buffers, DataViews, ArrayBuffers, and where it lies in a blob.
import { describe, expect, test } from 'vitest'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { blobOf, mapped, roundTrip } from './value-codec-support.ts'

const codec = new ValueCodec()

interface TypedArrayClass {
  readonly name: string
  readonly BYTES_PER_ELEMENT: number
  new (
    buffer: ArrayBuffer,
    byteOffset?: number,
    length?: number,
  ): ArrayBufferView & { readonly length: number }
}

// Node 22 has none, and neither has the type library.
const float16 = Reflect.get(globalThis, 'Float16Array') as TypedArrayClass | undefined

const CLASSES: readonly TypedArrayClass[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  ...(float16 === undefined ? [] : [float16]),
]

function pattern(byteLength: number): ArrayBuffer {
  const bytes = new Uint8Array(byteLength)
  for (let i = 0; i < byteLength; i++) bytes[i] = (i * 31 + 7) & 0x3f
  return bytes.buffer
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}

describe('views', () => {
  test.each(CLASSES)('$name of any size keeps class and content', (Class) => {
    for (const length of [0, 1, 3, 127, 128, 1000, 20_000]) {
      const value = new Class(pattern(length * Class.BYTES_PER_ELEMENT))
      const copy = roundTrip(value)
      expect(copy.constructor).toBe(Class)
      expect(copy.length).toBe(length)
      expect(bytesOf(copy).equals(bytesOf(value))).toBe(true)
    }
  })

  test('a Buffer stays a Buffer, from the pool or not, empty, small and large', () => {
    for (const length of [0, 1, 100, 1023, 1024, 5000, 100_000]) {
      for (const value of [Buffer.from(pattern(length)), Buffer.from('x'.repeat(length))]) {
        const copy = roundTrip({ value }).value
        expect(Buffer.isBuffer(copy)).toBe(true)
        expect(copy.equals(value)).toBe(true)
      }
    }
  })

  test('a DataView and an ArrayBuffer keep their content', () => {
    for (const length of [0, 5, 1024, 9000]) {
      const memory = pattern(length)
      expect(bytesOf(new Uint8Array(roundTrip(memory))).equals(Buffer.from(memory))).toBe(true)
      const view = roundTrip(new DataView(memory))
      expect(view).toBeInstanceOf(DataView)
      expect(bytesOf(view).equals(Buffer.from(memory))).toBe(true)
    }
  })

  test('only the part that is viewed travels', () => {
    const memory = pattern(10_000_000)
    const value = new Float64Array(memory, 8 * 1000, 16)
    expect(blobOf(value).length).toBeLessThan(500)
    expect([...roundTrip(value)]).toEqual([...value])
    expect(blobOf(Buffer.from(memory).subarray(77, 99)).length).toBeLessThan(200)
  })

  test('memory is not shared with the original, nor with the blob', () => {
    const value = new Uint8Array(3000)
    const blob = blobOf(value)
    const copy = codec.decode(blob) as Uint8Array
    blob.fill(9)
    value.fill(8)
    expect(copy.every((byte) => byte === 0)).toBe(true)
  })

  test('the large buffers are read when written, the small ones when encoded', () => {
    const large = new Uint8Array(5000)
    const small = new Uint8Array(5)
    const encoded = codec.encode([large, small], 'value')
    large.fill(1)
    small.fill(1)
    const blob = Buffer.alloc(encoded.sizeBytes)
    encoded.writeTo(blob)
    expect(codec.decode(blob)).toEqual([new Uint8Array(5000).fill(1), new Uint8Array(5)])
  })
})

describe('shared memory inside of a value', () => {
  test.each([16, 1000, 5000])(
    'two views on one ArrayBuffer of %d bytes share it again',
    (length) => {
      const memory = pattern(length)
      const value = { all: new Uint8Array(memory), part: new Uint16Array(memory, 4, 3), memory }
      for (const keys of [
        ['all', 'part', 'memory'],
        ['part', 'all', 'memory'],
        ['memory', 'part', 'all'],
        ['part', 'memory', 'all'],
      ] as const) {
        const ordered = Object.fromEntries(keys.map((key) => [key, value[key]])) as typeof value
        const copy = roundTrip(ordered)
        expect(copy.all.buffer).toBe(copy.memory)
        expect(copy.part.buffer).toBe(copy.memory)
        expect(copy.memory.byteLength).toBe(length)
        expect(copy.part).toEqual(value.part)
        copy.all[4] = 255
        copy.all[5] = 255
        expect(copy.part[0]).toBe(65_535)
      }
    },
  )

  test('views of different width stay aligned, and only what they cover travels', () => {
    const memory = pattern(1_000_000)
    const value = [
      new Uint8Array(memory, 5003, 10),
      new Float64Array(memory, 5016, 400),
      new BigInt64Array(memory, 5024, 1),
    ]
    expect(blobOf(value).length).toBeLessThan(3800)
    const copy = roundTrip(value)
    expect(copy).toEqual(value)
    expect(copy[0]?.buffer).toBe(copy[1]?.buffer)
  })

  test('one view met twice is one view', () => {
    for (const view of [
      new Uint8Array(3),
      new Uint8Array(3000),
      Buffer.alloc(3),
      Buffer.from('pooled'),
    ]) {
      const copy = roundTrip([view, view])
      expect(copy[0]).toBe(copy[1])
      expect(copy[0]).toEqual(view)
    }
  })

  test('Buffers that only share the pool are not tied together', () => {
    const copy = roundTrip([
      Buffer.from('first'),
      Buffer.from('second'),
      Buffer.from('x'.repeat(2000)),
    ])
    expect(copy.map(String)).toEqual(['first', 'second', 'x'.repeat(2000)])
    expect(copy[2]?.buffer).not.toBe(copy[0]?.buffer)
  })

  test('a resizable ArrayBuffer stays resizable, whole, with its views', () => {
    const memory = new ArrayBuffer(100, { maxByteLength: 5000 })
    new Uint8Array(memory).set([1, 2, 3])
    const copy = roundTrip({ part: new Uint8Array(memory, 1, 2), memory })
    expect([copy.memory.byteLength, copy.memory.resizable, copy.memory.maxByteLength]).toEqual([
      100,
      true,
      5000,
    ])
    expect([...copy.part]).toEqual([2, 3])
    expect(copy.part.buffer).toBe(copy.memory)
    copy.memory.resize(4000)
    expect(copy.memory.byteLength).toBe(4000)
  })

  test('a small resizable ArrayBuffer stays resizable behind a view of all of it', () => {
    const { buffer } = roundTrip(new Uint8Array(new ArrayBuffer(10, { maxByteLength: 20 })))
    expect([buffer.byteLength, buffer.maxByteLength]).toEqual([10, 20])
  })

  test('what lies over a SharedArrayBuffer is copied into memory of its own', () => {
    for (const length of [64, 100_000]) {
      const memory = new SharedArrayBuffer(length, { maxByteLength: length })
      const value = {
        all: new Uint8Array(memory).fill(5),
        part: new Float32Array(memory, 8, 2),
        memory,
      }
      const copy = roundTrip(value)
      expect(copy.all.buffer).toBeInstanceOf(ArrayBuffer)
      expect(copy.all.every((byte) => byte === 5)).toBe(true)
      expect(copy.part.buffer).toBe(copy.all.buffer)
      expect(copy.memory).toBe(copy.all.buffer)
    }
  })
})

describe('the layout of a blob', () => {
  test('every large buffer starts at a multiple of 64 bytes, and gaps are zeros', () => {
    const fill = [0x11, 0x22, 0x33]
    const blob = blobOf(fill.map((byte, i) => new Uint8Array(2000 + i).fill(byte)))
    for (const byte of fill) {
      const at = blob.indexOf(Buffer.alloc(2000, byte))
      expect(at % 64).toBe(0)
      expect(blob.subarray(at - 8, at).equals(Buffer.alloc(8))).toBe(true)
    }
  })
})

describe('views of the blob', () => {
  const large = new Float64Array(20_000).map((_, i) => i)
  const view = { view: true }

  test('a large array is a view of a blob in shared memory, writable, of any class', () => {
    for (const Class of CLASSES) {
      const blob = mapped(blobOf({ a: new Class(pattern(80_000)) }))
      const { a } = codec.decode(blob, view) as { a: ArrayBufferView }
      expect(a.buffer).toBe(blob.buffer)
      expect(a.constructor).toBe(Class)
      expect(bytesOf(a).equals(Buffer.from(pattern(80_000)))).toBe(true)
    }
    const blob = mapped(blobOf(large))
    const copy = codec.decode(blob, view) as Float64Array
    copy[0] = 77
    expect((codec.decode(blob, view) as Float64Array)[0]).toBe(77)
  })

  test('two views share the mapped memory', () => {
    const { buffer } = large
    const blob = mapped(blobOf([new Float64Array(buffer), new Uint8Array(buffer, 8)]))
    const [a, b] = codec.decode(blob, view) as [Float64Array, Uint8Array]
    expect(a.buffer).toBe(blob.buffer)
    expect(b.buffer).toBe(blob.buffer)
    expect(b.byteOffset - a.byteOffset).toBe(8)
  })

  test.each<[string, unknown]>([
    ['arrays below 64 KiB', new Uint8Array(65_535)],
    ['Buffers', Buffer.alloc(100_000)],
    ['ArrayBuffers', new ArrayBuffer(100_000)],
    ['resizable memory', new Uint8Array(new ArrayBuffer(100_000, { maxByteLength: 200_000 }))],
  ])('%s are copied all the same', (_, value) => {
    const copy = codec.decode(mapped(blobOf([value])), view) as (ArrayBuffer | ArrayBufferView)[]
    const item = copy[0]
    const memory = item !== undefined && ArrayBuffer.isView(item) ? item.buffer : item
    expect(memory).toBeInstanceOf(ArrayBuffer)
  })

  test('an array whose ArrayBuffer is in the value too is copied with it', () => {
    const copy = codec.decode(mapped(blobOf([large, large.buffer])), view) as [
      Float64Array,
      ArrayBuffer,
    ]
    expect(copy[0].buffer).toBe(copy[1])
    expect(copy[1]).toBeInstanceOf(ArrayBuffer)
  })

  test('nothing is shared without view, with copy, or when the blob is not aligned', () => {
    const blob = mapped(blobOf(large))
    for (const options of [undefined, {}, { view: false }, { view: true, copy: true }]) {
      expect((codec.decode(blob, options) as Float64Array).buffer).toBeInstanceOf(ArrayBuffer)
    }
    const odd = codec.decode(mapped(blobOf(large), 4), view) as Float64Array
    expect(odd.buffer).toBeInstanceOf(ArrayBuffer)
    expect(odd).toEqual(large)
  })

  test('the small parts of a viewed blob do not change with it', () => {
    const blob = mapped(
      blobOf({
        text: 'a longer text, which could be read lazily',
        small: new Uint8Array(9),
        large,
      }),
    )
    const copy = codec.decode(blob, view) as { text: string; small: Uint8Array }
    blob.fill(0x7f)
    expect(copy.text).toBe('a longer text, which could be read lazily')
    expect(copy.small).toEqual(new Uint8Array(9))
  })
})
