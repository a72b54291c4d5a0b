// The value codec, kind by kind: what sdk.md promises under "Values", and the shape of blobs.
import { types } from 'node:util'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import {
  ObjectTooLargeError,
  SerializationError,
  UsageError,
} from '../../../runtime/common/errors.ts'
import { DecodeError } from '../../../runtime/protocol/byte-reader.ts'
import { ByteWriter } from '../../../runtime/protocol/byte-writer.ts'
import {
  ValueCodec,
  handleBytesOf,
  isErrorBlob,
  markErrorBlob,
} from '../../../runtime/protocol/value-codec.ts'
import type { HandleCodec } from '../../../runtime/protocol/value-codec.ts'
import { blobOf, isSameGraph, roundTrip } from './value-codec-support.ts'

class Point {
  readonly x: number
  readonly y: unknown

  constructor(x: number, y: unknown) {
    this.x = x
    this.y = y
  }
}

const pointCodec = {
  name: 'Point',
  encode: ({ x, y }: Point) => [x, y] as const,
  decode: ([x, y]: readonly [number, unknown]) => new Point(x, y),
}

class Ref {
  readonly id: string

  constructor(id: string) {
    this.id = id
  }
}

const refCodec: HandleCodec = {
  tag: 1,
  matches: (value) => value instanceof Ref,
  encode: (value) => Buffer.from((value as Ref).id),
  decode: (bytes) => new Ref(Buffer.from(bytes).toString()),
}

const callable = Object.assign(() => 0, { handle: 'fn' })
const callableCodec: HandleCodec = {
  tag: 2,
  matches: (value) => value === callable,
  encode: () => new Uint8Array([9]),
  decode: () => callable,
}

describe('scalars', () => {
  test.each([0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])(
    'the integers %d and its negative stay',
    (value) => {
      expect(roundTrip(value)).toBe(value)
      expect(roundTrip(-value)).toBe(-value)
      expect(roundTrip([value, -value - 1])).toEqual([value, -value - 1])
    },
  )

  test('B19: NaN, -0, Infinity, undefined and bigints come back exactly', () => {
    for (const value of [NaN, -0, Infinity, -Infinity, 0.1, 5e-324, undefined, null, true, false]) {
      expect(roundTrip(value)).toBe(value)
    }
    for (const value of [0n, -1n, 255n, 256n, -(2n ** 64n), 2n ** 4096n + 1n]) {
      expect(roundTrip(value)).toBe(value)
    }
  })

  test('a small number takes two bytes', () => {
    expect([...blobOf(42)]).toEqual([0, 42])
  })

  test.each([
    '',
    'a',
    'é',
    '中',
    '😀',
    'a'.repeat(31),
    'a'.repeat(32),
    'é'.repeat(31),
    '中'.repeat(85),
  ])('the text %j stays', (text) => {
    for (const repeat of [1, 86, 700, 22_000]) {
      const value = text.repeat(repeat)
      expect(roundTrip(value)).toBe(value)
      expect(roundTrip({ [value]: value })).toEqual({ [value]: value })
    }
  })

  test('lone surrogates stay, in texts and in keys', () => {
    for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800', '\ud83d\ude00\ud83d']) {
      expect(roundTrip(text)).toBe(text)
      expect(roundTrip({ [text]: 1 })).toEqual({ [text]: 1 })
      expect(roundTrip(text.repeat(500))).toBe(text.repeat(500))
    }
  })

  test('a byte order mark and zero characters stay', () => {
    expect(roundTrip('\ufeffa\0b')).toBe('\ufeffa\0b')
  })
})

describe('objects', () => {
  test('dates stay, also invalid ones and the ends of time', () => {
    for (const ms of [0, -1, 1.7e12, 8.64e15, NaN]) {
      const date = roundTrip(new Date(ms))
      expect(date).toBeInstanceOf(Date)
      expect(date.getTime()).toBe(ms)
    }
  })

  test('a RegExp keeps source and flags and starts at 0', () => {
    const pattern = /(?<word>é|\/)\ud83d+/dgimsuy
    pattern.lastIndex = 3
    const copy = roundTrip(pattern)
    expect([copy.source, copy.flags, copy.lastIndex]).toEqual([pattern.source, pattern.flags, 0])
  })

  test('a URL stays a URL', () => {
    const url = roundTrip(new URL('https://user@example.org:8080/ä?q=1#h'))
    expect(url).toBeInstanceOf(URL)
    expect(url.href).toBe('https://user@example.org:8080/%C3%A4?q=1#h')
  })

  test('Map and Set keep the order and any keys', () => {
    const key = { a: 1 }
    const map = roundTrip(
      new Map<unknown, unknown>([
        [key, 1],
        [NaN, 2],
        ['x', key],
        [undefined, null],
      ]),
    )
    expect([...map.entries()]).toEqual([
      [{ a: 1 }, 1],
      [NaN, 2],
      ['x', { a: 1 }],
      [undefined, null],
    ])
    expect(map.get('x')).toBe([...map.keys()][0])
    expect([...roundTrip(new Set([3, 1, 2, 'x']))]).toEqual([3, 1, 2, 'x'])
    const many = new Map(Array.from({ length: 70_000 }, (_, i) => [i, String(i)]))
    expect(isSameGraph(many, roundTrip(many))).toBe(true)
  })

  test('holes of an array become undefined', () => {
    // oxlint-disable-next-line no-sparse-arrays -- the subject of the test
    const copy = roundTrip([1, , 3])
    expect(Object.keys(copy)).toEqual(['0', '1', '2'])
    expect(copy[1]).toBe(undefined)
  })

  test('long arrays and objects stay', () => {
    for (const length of [15, 16, 1024, 1025, 65_535, 65_536]) {
      const array = Array.from({ length }, (_, i) => i)
      expect(roundTrip(array)).toEqual(array)
      const object = Object.fromEntries(array.map((i) => [`key ${i}`, i]))
      expect(Object.entries(roundTrip(object))).toEqual(Object.entries(object))
    }
  })

  test('the order of keys stays, undefined fields too', () => {
    const value = { z: 1, a: undefined, 10: 'x', 2: 'y', m: null }
    expect(Object.entries(roundTrip(value))).toEqual(Object.entries(value))
  })

  test('a null prototype stays, with what is nested in it', () => {
    const value = Object.assign(Object.create(null) as object, {
      a: { b: Object.create(null) as object },
    })
    const copy = roundTrip<object>(value) as { a: { b: object } }
    expect(Object.getPrototypeOf(copy)).toBe(null)
    expect(Object.getPrototypeOf(copy.a)).toBe(Object.prototype)
    expect(Object.getPrototypeOf(copy.a.b)).toBe(null)
  })

  test('B11: __proto__ as an own key stays one and pollutes nothing', () => {
    const value = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}',
    ) as object
    const copy = roundTrip(value)
    expect(Object.keys(copy)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(Object.getOwnPropertyDescriptor(copy, '__proto__')?.value).toEqual({ polluted: 1 })
    expect(Reflect.get({}, 'polluted')).toBe(undefined)
    const bare = Object.create(null) as Record<string, unknown>
    bare['__proto__'] = 1
    expect(Object.keys(roundTrip(bare))).toEqual(['__proto__'])
  })

  test('symbol keys and properties that are not enumerable are left out', () => {
    const value = Object.defineProperty({ a: 1, [Symbol('s')]: 2 }, 'hidden', { value: 3 })
    expect(Reflect.ownKeys(roundTrip(value))).toEqual(['a'])
  })

  test('B18: cycles and shared references come back as such', () => {
    const shared = { n: 1 }
    const value: Record<string, unknown> = {
      first: shared,
      list: [shared, shared],
      date: new Date(5),
    }
    value['self'] = value
    value['map'] = new Map<unknown, unknown>([[value, shared]])
    value['sameDate'] = value['date']
    const copy = roundTrip(value)
    expect(copy['self']).toBe(copy)
    expect((copy['list'] as unknown[])[1]).toBe(copy['first'])
    expect((copy['map'] as Map<unknown, unknown>).get(copy)).toBe(copy['first'])
    expect(copy['sameDate']).toBe(copy['date'])
    expect(isSameGraph(value, copy)).toBe(true)
    const ring: unknown[] = []
    ring.push(ring)
    expect(roundTrip(ring)[0]).toEqual(expect.any(Array))
  })

  test('references reach objects of any index', () => {
    const nodes = Array.from({ length: 3000 }, (_, i) => ({ i }))
    const value = [...nodes, ...nodes.toReversed()]
    const copy = roundTrip(value)
    expect(isSameGraph(value, copy)).toBe(true)
    expect(copy[5999]).toBe(copy[0])
  })

  test('equal values without identity are not tied together', () => {
    const copy = roundTrip([{ a: 1 }, { a: 1 }])
    expect(copy[0]).not.toBe(copy[1])
  })

  test('a getter runs once', () => {
    let runs = 0
    const value = {
      get x() {
        return ++runs
      },
    }
    const encoded = new ValueCodec().encode(value, 'value')
    expect(runs).toBe(1)
    const blob = Buffer.alloc(encoded.sizeBytes)
    encoded.writeTo(blob)
    expect(new ValueCodec().decode(blob)).toEqual({ x: 1 })
  })

  test('a Proxy that behaves as a plain object or an array is sent as one', () => {
    expect(roundTrip(new Proxy({ a: [1] }, {}))).toEqual({ a: [1] })
    const list = roundTrip(new Proxy([1, 2], {}))
    expect([Array.isArray(list), types.isProxy(list), list]).toEqual([true, false, [1, 2]])
  })

  test('values of another realm arrive as those of this one', () => {
    const foreign = runInNewContext(
      '({ a: [1], m: new Map([[1, new Set([2])]]), d: new Date(7), r: /x/g, f: new Float32Array([1.5]), e: new TypeError("t") })',
    ) as Record<string, unknown>
    const copy = roundTrip(foreign)
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(copy['a']).toEqual([1])
    expect(copy['m']).toEqual(new Map([[1, new Set([2])]]))
    expect(copy['d']).toEqual(new Date(7))
    expect(copy['r']).toEqual(/x/g)
    expect(copy['f']).toEqual(new Float32Array([1.5]))
    expect(copy['e']).toBeInstanceOf(TypeError)
  })

  test('a value changed after the call does not change what was encoded', () => {
    const value = { list: [1, 2], text: 'a' }
    const encoded = new ValueCodec().encode(value, 'value')
    value.list.push(3)
    value.text = 'b'
    const blob = Buffer.alloc(encoded.sizeBytes)
    encoded.writeTo(blob)
    expect(new ValueCodec().decode(blob)).toEqual({ list: [1, 2], text: 'a' })
  })
})

describe('registered classes', () => {
  const codec = new ValueCodec()
  codec.registerType(Point, pointCodec)

  test('an instance comes back as one, shared references included', () => {
    const point = new Point(1, new Date(3))
    const copy = roundTrip({ a: point, b: [point, new Point(2, new Point(3, point))] }, codec)
    expect(copy.a).toBeInstanceOf(Point)
    expect(copy.a).toEqual(point)
    expect(copy.b[0]).toBe(copy.a)
    expect(copy.b[1]?.y).toEqual(new Point(3, copy.a))
  })

  test('a class derived from a built-in one can be registered', () => {
    class Tags extends Set<string> {}
    class Rows extends Array<number> {}
    const own = new ValueCodec()
    own.registerType(Tags, {
      name: 'Tags',
      encode: (tags) => [...tags],
      decode: (list: string[]) => new Tags(list),
    })
    own.registerType(Rows, {
      name: 'Rows',
      encode: (rows) => Array.from(rows),
      decode: (list: number[]) => Rows.from(list) as Rows,
    })
    const [tags, rows] = roundTrip([new Tags(['a']), Rows.from([1, 2])] as const, own)
    expect(tags).toBeInstanceOf(Tags)
    expect([...tags]).toEqual(['a'])
    expect(rows).toBeInstanceOf(Rows)
  })

  test('a subclass of a registered class is refused, not turned into its parent', () => {
    class Point3 extends Point {}
    expect(() => codec.encode(new Point3(1, 2), 'value')).toThrow('Point3')
  })

  test('a cycle through an instance is refused, in any depth, and what encode throws has a path', () => {
    const list: unknown[] = []
    const point = new Point(1, { list })
    list.push(point)
    expect(() => codec.encode([point], 'value')).toThrow(
      expect.objectContaining({
        data: expect.objectContaining({ path: 'value[0].encode()[1].list[0]' }) as unknown,
      }),
    )
    const own = new ValueCodec()
    own.registerType(Point, {
      ...pointCodec,
      encode: () => {
        throw new Error('no')
      },
    })
    expect(() => own.encode({ p: point }, 'value')).toThrow(
      expect.objectContaining({
        data: expect.objectContaining({ path: 'value.p' }) as unknown,
        cause: new Error('no'),
      }),
    )
  })

  test('a class that the reader has not registered is a SerializationError that names it', () => {
    const blob = blobOf(new Point(1, 2), codec)
    expect(() => new ValueCodec().decode(blob)).toThrow(SerializationError)
    expect(() => new ValueCodec().decode(blob)).toThrow('"Point"')
  })

  test('what decode of a class throws is a SerializationError with it as cause', () => {
    const own = new ValueCodec()
    own.registerType(Point, {
      ...pointCodec,
      decode: () => {
        throw new RangeError('bad')
      },
    })
    expect(() => own.decode(blobOf(new Point(1, 2), codec))).toThrow(
      expect.objectContaining({ code: 'ERR_SERIALIZATION', cause: new RangeError('bad') }),
    )
  })

  test('registering twice is allowed, another class or name is not', () => {
    const own = new ValueCodec()
    own.registerType(Point, pointCodec)
    own.registerType(Point, pointCodec)
    expect(() =>
      own.registerType(Ref, { ...pointCodec, encode: String, decode: (id: string) => new Ref(id) }),
    ).toThrow(UsageError)
    expect(() => own.registerType(Point, { ...pointCodec, name: 'Other' })).toThrow(UsageError)
    expect(() =>
      own.registerType(Map, { name: 'Map', encode: () => 0, decode: () => new Map() }),
    ).toThrow('built in')
    expect(() =>
      own.registerType(Ref, { name: '', encode: () => 0, decode: () => new Ref('') }),
    ).toThrow(UsageError)
    expect(roundTrip(new Point(1, 2), own)).toEqual(new Point(1, 2))
  })

  test('encode and decode of a class may use the codec themselves', () => {
    const own = new ValueCodec()
    own.registerType(Point, {
      name: 'Point',
      encode: (point) => Buffer.from(blobOf([point.x, point.y], own)),
      decode: (blob: Buffer) => pointCodec.decode(own.decode(blob) as [number, unknown]),
    })
    const value = [new Point(1, new Point(2, [3])), { a: 1 }]
    expect(roundTrip(value, own)).toEqual(value)
  })
})

describe('handles', () => {
  const codec = new ValueCodec([refCodec, callableCodec])

  test('they travel in a table of their own, once each', () => {
    const a = new Ref('a')
    const value = { list: [a, new Ref('b'), a], fn: callable, again: callable, n: 1 }
    const encoded = codec.encode(value, 'value')
    expect(encoded.handles).toEqual([a, value.list[1], callable])
    const blob = blobOf(value, codec)
    expect(handleBytesOf(blob).map((bytes) => Buffer.from(bytes).toString())).toEqual([
      'a',
      'b',
      '\t',
    ])
    expect(codec.handleBytesOf(blob, 2).map((bytes) => [...bytes])).toEqual([[9]])
    const copy = roundTrip(value, codec)
    expect(copy).toEqual(value)
    expect(copy.list[2]).toBe(copy.list[0])
    expect(copy.list[0]).toBeInstanceOf(Ref)
  })

  test('10,000 of them in one value come back in order', () => {
    const value = Array.from({ length: 10_000 }, (_, i) => new Ref(`ref ${i}`))
    expect(roundTrip(value, codec).map(({ id }) => id)).toEqual(value.map(({ id }) => id))
  })

  test('handles and large buffers share a blob', () => {
    const value = { ref: new Ref('x'), data: new Float64Array(1000).fill(2) }
    expect(roundTrip(value, codec)).toEqual(value)
  })

  test('a value without handles has none, and a handle of unknown tag is a DecodeError', () => {
    expect(handleBytesOf(blobOf([1, 'a', new Uint8Array(5000)]))).toEqual([])
    expect(() => new ValueCodec().decode(blobOf(new Ref('a'), codec))).toThrow(DecodeError)
  })

  test('what the decode of a handle throws is passed on as it is', () => {
    const failing = new ValueCodec([
      {
        ...refCodec,
        decode: () => {
          throw new UsageError('foreign')
        },
      },
    ])
    expect(() => failing.decode(blobOf([new Ref('a')], codec))).toThrow(UsageError)
  })
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

  test('B20: more than 2 GiB is an ObjectTooLargeError that tells the sizes, before any copy', () => {
    const half = new ArrayBuffer(2 ** 30)
    const other = new ArrayBuffer(2 ** 30)
    expect(() => codec.encode([half, new Uint8Array(other)], 'value')).toThrow(
      expect.objectContaining({
        code: 'ERR_OBJECT_TOO_LARGE',
        data: { sizeBytes: expect.any(Number) as unknown, maxBytes: 2 ** 31 },
      }),
    )
    expect(
      codec.encode([half, new Uint8Array(other, 1000)], 'value').sizeBytes,
    ).toBeLessThanOrEqual(2 ** 31)
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
