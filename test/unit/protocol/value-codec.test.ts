// The value codec, kind by kind: what the SDK promises to carry.
import { types } from 'node:util'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { fewOrAll } from '../../support/scale.ts'
import { blobOf, isSameGraph, roundTrip } from './value-codec-support.ts'

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

  test('a long text takes the shorter of UTF-8 and UTF-16', () => {
    const sizes = ['a', 'é', 'é ', 'ü€', '中', '😀', 'a中'].map((text) => {
      const value = text.repeat(20_000)
      expect(roundTrip(value)).toBe(value)
      return (blobOf(value).length / 20_000).toFixed(2)
    })
    expect(sizes).toEqual(['1.00', '2.00', '3.00', '4.00', '2.00', '4.00', '4.00'])
  })

  test('a text comes back whose UTF-8 has more bytes than a string may have characters', () => {
    const value = 'é'.repeat(fewOrAll(300_000, 300_000_000))
    expect(roundTrip(value) === value).toBe(true)
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

  test('properties that are not enumerable are left out', () => {
    const value = Object.defineProperty({ a: 1 }, 'hidden', { value: 3 })
    Object.defineProperty(value, Symbol('hidden'), { value: 4 })
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
    const ringCopy = roundTrip(ring)
    expect(ringCopy[0]).toBe(ringCopy)
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
