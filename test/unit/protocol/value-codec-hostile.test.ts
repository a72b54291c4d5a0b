// The decoder against bytes that nobody vouches for: rows B06 to B11 of the bad-input catalogue.
import { describe, expect, test } from 'vitest'
import { SerializationError } from '../../../runtime/common/errors.ts'
import { ByteReader, DecodeError } from '../../../runtime/protocol/byte-reader.ts'
import { ValueCodec, handlesOf } from '../../../runtime/protocol/value-codec.ts'
import { scaled } from '../../support/scale.ts'
import { blobOf, mapped } from './value-codec-support.ts'

class Point {
  readonly x: unknown

  constructor(x: unknown) {
    this.x = x
  }
}

class Ref {}

const codec = new ValueCodec([
  {
    tag: 1,
    matches: (value) => value instanceof Ref,
    encode: () => new Uint8Array([1, 2, 3]),
    decode: (bytes) => {
      new ByteReader(bytes).view(3)
      return new Ref()
    },
  },
])
codec.registerType(Point, { name: 'Point', encode: ({ x }) => x, decode: (x) => new Point(x) })

function corpus(): readonly Buffer[] {
  const memory = new ArrayBuffer(3000)
  const ring: unknown[] = [new Date(1), /a+/g, new URL('http://a/b')]
  ring.push(ring, ring[0])
  const values: readonly unknown[] = [
    7,
    -70_000,
    2.5,
    2n ** 70n,
    'a short text',
    'ä longer text '.repeat(30),
    'lone \ud800',
    undefined,
    null,
    [1, 2, [3, [4, [true, false]]]],
    { a: 1, b: { c: 'x', __proto__: null }, '\udc00': 2 },
    new Map<unknown, unknown>([
      [1, new Set(['a', 2])],
      ['k', new Map()],
    ]),
    ring,
    [
      new Float64Array([1, 2]),
      Buffer.from('pooled'),
      new Uint8Array(5),
      new DataView(new ArrayBuffer(9)),
    ],
    [memory, new Float64Array(memory, 8, 100), new Uint8Array(memory, 3, 5)],
    { big: new Float64Array(10_000).fill(1.5), other: new BigInt64Array(300) },
    new ArrayBuffer(2000, { maxByteLength: 4000 }),
    new AggregateError([new TypeError('t', { cause: { n: 1 } })], 'many'),
    new SerializationError('no', { data: { path: 'a.b' } }),
    new DOMException('m', 'AbortError'),
    [new Point(1), new Point({ y: new Point(2) })],
    { ref: new Ref(), more: [new Ref(), new Uint8Array(2000)] },
    Array.from({ length: 50 }, (_, i) => ({ id: i, name: `n${i}` })),
    Array.from({ length: 60 }, (_, i) => i * 5000 - 100),
    [...Array.from({ length: 40 }, (_, i) => i / 2), 'between', ...new Array<number>(40).fill(7)],
  ]
  return values.map((value) => blobOf(value, codec))
}

/** A small generator of its own, so that a failure is found again by its number. */
class Xorshift {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 1
  }

  next(below: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return (x >>> 0) % below
  }
}

const NASTY = [
  0x00, 0x7f, 0x80, 0x8f, 0x9f, 0xbf, 0xc1, 0xc7, 0xc9, 0xd6, 0xdb, 0xdd, 0xdf, 0xff, 1, 8, 9, 11,
]

type Mutation = (bytes: Buffer, at: number, random: Xorshift, other: Buffer) => Buffer

function overwrite(bytes: Buffer, at: number, byte: number): Buffer {
  bytes[at] = byte
  return bytes
}

const MUTATIONS: readonly Mutation[] = [
  (bytes, at, random) => overwrite(bytes, at, (bytes[at] ?? 0) ^ (1 << random.next(8))),
  (bytes, at, random) => overwrite(bytes, at, random.next(256)),
  (bytes, at, random) => overwrite(bytes, at, NASTY[random.next(NASTY.length)] ?? 0),
  (bytes, at) => bytes.fill(0xff, at, Math.min(at + 4, bytes.length)),
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at, random) =>
    Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.next(8))]),
  (bytes, at, random, other) =>
    Buffer.concat([bytes.subarray(0, at), other.subarray(random.next(other.length))]),
]

function mutate(blob: Buffer, random: Xorshift, blobs: readonly Buffer[]): Buffer {
  let bytes: Buffer = Buffer.from(blob)
  const changes = 1 + random.next(4)
  for (let i = 0; i < changes && bytes.length > 0; i++) {
    // Mostly near the start, where flags, tables and heads are; buffers are only content.
    const at = random.next(random.next(4) === 0 ? bytes.length : Math.min(bytes.length, 96))
    const other = blobs[random.next(blobs.length)] ?? blob
    bytes = MUTATIONS[random.next(MUTATIONS.length)]?.(bytes, at, random, other) ?? bytes
  }
  return bytes
}

/** Decode and accept only what the contract allows. */
function attempt(blob: Uint8Array, name: string): boolean {
  try {
    codec.decode(blob, { view: true })
    return true
  } catch (error) {
    if (error instanceof DecodeError || error instanceof SerializationError) return false
    throw new Error(`${name} of ${Buffer.from(blob).toString('hex').slice(0, 400)}`, {
      cause: error,
    })
  }
}

describe('B06: fuzzed frames', () => {
  test(
    '1 M mutated blobs end in a value or a typed error, without a hang or large memory',
    { timeout: 600_000 },
    () => {
      const blobs = corpus()
      const total = scaled(1_000_000)
      const before = process.memoryUsage().rss
      let decoded = 0
      for (let i = 0; i < total; i++) {
        const random = new Xorshift(0x9e37_79b9 ^ Math.imul(i + 1, 0x85eb_ca6b))
        const blob = mutate(blobs[i % blobs.length] ?? Buffer.alloc(0), random, blobs)
        if (attempt(blob, `mutation ${i}`)) decoded++
      }
      // Both ends must have been reached, or the mutations prove nothing.
      expect(decoded).toBeGreaterThan(total / 100)
      expect(decoded).toBeLessThan(total * 0.9)
      expect(process.memoryUsage().rss - before).toBeLessThan(1024 ** 3)
      expect(attempt(blobOf([1]), 'a good blob')).toBe(true)
      expect(Reflect.get({}, 'polluted')).toBe(undefined)
    },
  )

  test('random bytes behind every flags byte end likewise', () => {
    const random = new Xorshift(7)
    for (let i = 0; i < scaled(100_000); i++) {
      const blob = Buffer.alloc(random.next(60))
      for (let at = 0; at < blob.length; at++)
        blob[at] = random.next(3) === 0 ? random.next(20) : random.next(256)
      if (blob.length > 0) blob[0] = random.next(20)
      attempt(blob, `random ${i}`)
    }
  })

  test('every truncation of every kind is a DecodeError', () => {
    for (const blob of corpus()) {
      const step = Math.max(1, Math.floor(blob.length / 300))
      for (let length = 0; length < blob.length; length += step) {
        expect(() => codec.decode(blob.subarray(0, length)), `${length} of ${blob.length}`).toThrow(
          DecodeError,
        )
      }
    }
  })

  test('bytes after the end are a DecodeError, also in shared memory', () => {
    for (const blob of corpus()) {
      const longer = Buffer.concat([blob, Buffer.alloc(1)])
      expect(() => codec.decode(longer)).toThrow(DecodeError)
      expect(() => codec.decode(mapped(longer), { view: true })).toThrow(DecodeError)
    }
  })

  test('the handles of any bytes end in a list or a DecodeError', () => {
    const random = new Xorshift(11)
    const blobs = corpus()
    for (let i = 0; i < scaled(50_000); i++) {
      const blob = mutate(blobs[i % blobs.length] ?? Buffer.alloc(0), random, blobs)
      try {
        for (const { bytes } of handlesOf(blob)) expect(bytes.length).toBeLessThan(blob.length)
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError)
      }
    }
  })
})

describe('bombs', () => {
  // A buffer starts at a multiple of 64, also one without bytes.
  const padded = (...list: number[]): number[] => [
    ...list,
    ...new Array<number>(64 - list.length).fill(0),
  ]
  const bytes = (...list: number[]): Uint8Array => new Uint8Array(list)
  const ext = (type: number, ...payload: number[]): number[] => [
    0xc7,
    payload.length,
    type,
    ...payload,
  ]

  const run = (code: number, ...elements: number[]): number[] => [
    0xc8,
    0,
    elements.length + 1,
    16,
    code,
    ...elements,
  ]
  const longArray = (...items: number[]): number[] => [0xdc, 0, 40, ...items]

  test.each<[string, number[]]>([
    ['an array of 4 G items', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a map of 4 G entries', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['a text of 4 GiB', [0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['an extension of 4 GiB', [0xc9, 0xff, 0xff, 0xff, 0xff, 2]],
    ['a Map of 4 G entries', ext(7, 0xdf, 0xff, 0xff, 0xff, 0xff)],
    ['a Set of 4 G items', ext(8, 0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a null-prototype object of 4 G fields', ext(9, 0xdf, 0xff, 0xff, 0xff, 0xff)],
    ['an empty bigint', ext(2)],
    ['half a UTF-16 unit', ext(3, 1)],
    ['a date of 3 bytes', ext(4, 1, 2, 3)],
    ['a bad RegExp', ext(5, 0xa1, 0x28, 0xa0)],
    ['bad RegExp flags', ext(5, 0xa1, 0x61, 0xa2, 0x67, 0x67)],
    ['a bad URL', ext(6, 0xa1, 0x61)],
    ['an error of unknown class', ext(10, 40, 0, 0x80)],
    ['an error with an unknown hidden property', ext(10, 0, 1, 9, 1, 0x80)],
    ['an extension that says too little', ext(6, 0xa4, 0x61)],
    ['an item hidden in an extension', [0x92, ...ext(6, 0xa8, ...Buffer.from('http://a'), 1)]],
    ['an extension that says too much', ext(4, 0, 0, 0, 0, 0, 0, 0, 0, 1)],
    ['an unknown extension', ext(99, 1)],
    ['a view without memory', ext(15, 4, 0, 0, 1)],
    ['a view of a class from the future', [...ext(13, 200, 1)]],
    ['half an element', ext(13, 12, 1, 2, 3)],
    ['a buffer that is not there', ext(14, 3)],
    ['a handle that is not there', [0xd6, 12, 0, 0, 0, 0]],
    ['a reference to nothing', [0xd6, 1, 0, 0, 0, 0]],
    ['the byte that MessagePack never uses', [0xc1]],
    ['bin, which we never write', [0xc4, 1, 0]],
    ['a number as a key', [0x81, 1, 1]],
    ['a run of numbers outside of an array', run(0, 1, 2)],
    ['a run of numbers in a short array', [0x92, ...run(0, 1, 2)]],
    ['a run of numbers of an unknown code', longArray(...run(9, ...new Array<number>(40).fill(1)))],
    [
      'more numbers than the array has items',
      longArray(...run(0, ...new Array<number>(41).fill(1))),
    ],
    ['half a number', longArray(...run(1, ...new Array<number>(41).fill(1)))],
    ['a run of no numbers', longArray(...run(0), ...new Array<number>(40).fill(1))],
    ['a run without a code', longArray(0xc8, 0, 0, 16, ...new Array<number>(40).fill(1))],
    ['a run beyond the end', longArray(0xc8, 1, 0, 16, 0, ...new Array<number>(40).fill(1))],
  ])('B09: %s is a DecodeError', (_, body) => {
    for (const flags of [0, 4, 8, 12]) {
      expect(() => codec.decode(bytes(flags, ...body))).toThrow(DecodeError)
    }
  })

  test.each<[string, number[]]>([
    ['no byte at all', []],
    ['unknown flags', [16, 1]],
    ['2 ** 53 handles', [2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]],
    ['2 ** 53 buffers', [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]],
    ['a handle beyond the end', [2, 1, 100, 1, 0]],
    ['a buffer beyond the end', [1, 1, 0, 0, 100, 1, 1]],
    ['unknown flags of a buffer', [1, 1, 8, 0, 1, 1, 1]],
    [
      'a resizable buffer of 2 ** 40 bytes',
      padded(1, 1, 4, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 1, 1),
    ],
    ['a resizable buffer below its size', [1, 1, 4, 0, 2, 1, 1, 1]],
    ['a head beyond the end', [1, 0, 100, 1]],
  ])('B03: %s is a DecodeError', (_, blob) => {
    expect(() => codec.decode(bytes(...blob))).toThrow(DecodeError)
  })

  test('B08: 200,000 levels are a DecodeLimitError, in every kind of container', () => {
    for (const level of [[0x91], [0x81, 0xa1, 0x61]]) {
      const blob = Buffer.alloc(1 + level.length * 200_000 + 1)
      for (let i = 0; i < 200_000; i++) blob.set(level, 1 + i * level.length)
      expect(() => codec.decode(blob)).toThrow(
        expect.objectContaining({ code: 'ERR_DECODE_LIMIT' }),
      )
    }
    let nested = [1]
    for (let i = 0; i < 1100; i++) {
      const length = nested.length + 2
      nested = [0xc9, 0, 0, length >> 8, length & 255, 8, 0x91, ...nested].slice(
        0,
        8 + nested.length,
      )
      nested[3] = (nested.length - 6) >> 8
      nested[4] = (nested.length - 6) & 255
    }
    expect(() => codec.decode(bytes(0, ...nested))).toThrow(
      expect.objectContaining({ code: 'ERR_DECODE_LIMIT' }),
    )
  })

  test('B07: counts at every level of a deep value do not add up to memory', () => {
    const levels = 990
    const size = 1_000_000
    const blob = Buffer.alloc(size, 1)
    blob[0] = 0
    for (let i = 0; i < levels; i++) {
      blob[1 + i * 5] = 0xdd
      blob.writeUInt32BE(size - 6000, 2 + i * 5)
    }
    const before = process.memoryUsage().heapTotal
    expect(() => codec.decode(blob)).toThrow(DecodeError)
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(100 * 1024 ** 2)
  })

  test('B11: a blob cannot set a prototype, whatever its keys', () => {
    const name = [...Buffer.from('__proto__')]
    const evil = [0x81, 0xa9, ...name, 0x81, 0xa8, ...Buffer.from('polluted'), 1]
    const plain = codec.decode(bytes(0, ...evil)) as object
    expect(Object.getPrototypeOf(plain)).toBe(Object.prototype)
    const long = codec.decode(bytes(0, 0x81, 0xd9, 9, ...evil.slice(2))) as object
    expect(Object.getPrototypeOf(long)).toBe(Object.prototype)
    expect(Reflect.get(plain, 'polluted')).toBe(undefined)
    expect(Reflect.get({}, 'polluted')).toBe(undefined)
  })

  test('an ArrayBuffer of which only a part was sent cannot be asked for', () => {
    const view = new Uint8Array(new ArrayBuffer(5000), 8, 2000)
    const blob = blobOf([view, view])
    // The array is object 0, the view 1 and its ArrayBuffer 2.
    const reference = blob.indexOf(Buffer.from([0xd6, 1, 0, 0, 0, 1]))
    blob[reference + 5] = 2
    expect(() => codec.decode(blob)).toThrow('only parts')
  })
})

test('B07 counts forged one inside the other take no more memory than their bytes stand for', () => {
  const depth = 900
  const blob = Buffer.alloc(8 * 1024 * 1024, 0xc1) // 0xc1 starts no value
  blob[0] = 0
  for (let i = 0; i < depth; i += 1) {
    blob[1 + 5 * i] = 0xdd
    blob.writeUInt32BE(blob.length - 1 - 5 * (i + 1), 2 + 5 * i) // as many items as bytes are left
  }
  const before = process.memoryUsage().heapUsed
  expect(() => codec.decode(blob)).toThrow(DecodeError)
  // 64 MiB for the budget; all at full length would be 900 times that.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(256 * 1024 * 1024)
})

test('long arrays of all kinds of items are read back, beyond any budget for making them', () => {
  const numbers = Array.from({ length: 5000 }, (_, i) => (i % 7 === 0 ? -i : i * 1.5))
  const texts = Array.from({ length: 3000 }, (_, i) => `text ${i}`)
  const value = [numbers, texts, [numbers, new Array(2000).fill(null)], numbers.slice(0, 1025)]
  expect(codec.decode(blobOf(value, codec))).toEqual(value)
})
