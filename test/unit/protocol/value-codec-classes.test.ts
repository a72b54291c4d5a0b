// What the upper layers and the user add to the codec: registered classes, and handles.
import { describe, expect, test } from 'vitest'
import { SerializationError, UsageError } from '../../../runtime/common/errors.ts'
import { DecodeError } from '../../../runtime/protocol/byte-reader.ts'
import { ValueCodec, handlesOf } from '../../../runtime/protocol/value-codec.ts'
import type { HandleCodec } from '../../../runtime/protocol/value-codec.ts'
import { Ref, blobOf, refCodec, roundTrip } from './value-codec-support.ts'

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

const callable = Object.assign(() => 0, { handle: 'fn' })
const callableCodec: HandleCodec = {
  tag: 2,
  matches: (value) => value === callable,
  encode: () => new Uint8Array([9]),
  decode: () => callable,
}

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

  test('what is no class or no codec is refused', () => {
    const own = new ValueCodec()
    const arrow = (() => undefined) as never
    for (const Class of [5, undefined, arrow]) {
      expect(() => own.registerType(Class as never, pointCodec)).toThrow('takes a class, got')
    }
    for (const codec of [undefined, 5, { ...pointCodec, decode: 'x' }]) {
      expect(() => own.registerType(Point, codec as never)).toThrow('registerType(Point, …)')
    }
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
    const stored = handlesOf(blob).map(({ tag, bytes }) => [tag, Buffer.from(bytes).toString()])
    expect(stored).toEqual([
      [1, 'a'],
      [1, 'b'],
      [2, '\t'],
    ])
    const copy = roundTrip(value, codec)
    expect(copy).toEqual(value)
    expect(copy.list[2]).toBe(copy.list[0])
    expect(copy.list[0]).toBeInstanceOf(Ref)
  })

  test('what a caller knows of all of them is taken in their order, else what the bytes say', () => {
    const knowing = new ValueCodec([{ ...refCodec, handleOf: (known) => ({ known }) }])
    const refs = [new Ref('a'), new Ref('b')]
    const blob = blobOf([refs[1], refs[0], refs[1]], knowing)
    const known = [{ of: 'b' }, { of: 'a' }]
    const [b, a, again] = knowing.decode(blob, { known }) as unknown[]
    expect([b, a]).toEqual([{ known: known[0] }, { known: known[1] }])
    expect(again).toBe(b)
    for (const fewer of [undefined, [], known.slice(1), [...known, {}]]) {
      expect(knowing.decode(blob, { known: fewer })).toEqual([refs[1], refs[0], refs[1]])
    }
    expect(knowing.decode(blobOf([refs[0]], knowing))).toEqual([refs[0]]) // nothing stays known
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
    expect(handlesOf(blobOf([1, 'a', new Uint8Array(5000)]))).toEqual([])
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
