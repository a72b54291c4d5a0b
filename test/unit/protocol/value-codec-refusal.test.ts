// What cannot be sent is refused at the call, by a SerializationError that says where and what.
import { createServer } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { SerializationError } from '../../../runtime/common/errors.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { thrownBy } from '../../support/thrown-by.ts'

const codec = new ValueCodec()

function refusal(value: unknown, path = 'args[1]'): SerializationError {
  return thrownBy(() => codec.encode(value, path), SerializationError)
}

class Account {
  readonly balance = 1
}

function* numbers(): Generator<number> {
  yield 1
}

function argumentsOf(..._values: unknown[]): object {
  // oxlint-disable-next-line prefer-rest-params -- that is what is tested
  return arguments
}

describe('B15: what is no data', () => {
  test.each<[string, unknown, string, string]>([
    ['a function', () => 0, 'function', 'remote()'],
    ['a named function', function pay() {}, 'function (pay)', 'import'],
    ['a class', Account, 'function (Account)', 'import'],
    ['a symbol', Symbol('s'), 'Symbol(s)', 'string'],
    ['a promise', Promise.resolve(1), 'Promise', 'Await'],
    ['a WeakMap', new WeakMap(), 'weakly', 'Map'],
    ['a WeakSet', new WeakSet(), 'weakly', 'Set'],
    ['a WeakRef', new WeakRef({}), 'weakly', 'Map'],
    ['a boxed number', new Number(1), 'boxed', 'valueOf'],
    ['a boxed string', new String('a'), 'boxed', 'valueOf'],
    ['a generator', numbers(), 'generator', '[...generator]'],
    ['an iterator of an array', [1].values(), 'iterator', '[...iterator]'],
    ['an iterator of a Map', new Map().entries(), 'iterator', '[...iterator]'],
    ['a stream', new PassThrough(), 'PassThrough', 'inside of the task'],
    ['a server', createServer(), 'Server', 'inside of the task'],
    ['an AbortSignal', new AbortController().signal, 'AbortSignal', 'inside of the task'],
    ['a Proxy over a Map', new Proxy(new Map(), {}), 'TypeError', 'Proxy'],
    ['a Proxy over an instance', new Proxy(new Account(), {}), 'Proxy', 'plain copy'],
  ])('%s is refused with its path and a hint', (_, value, what, hint) => {
    const error = refusal({ opts: { cb: value } })
    expect(error.data['path']).toBe('args[1].opts.cb')
    expect(error.message).toContain('args[1].opts.cb')
    expect(error.message).toContain(what)
    expect(error.message).toContain(hint)
    expect(error.code).toBe('ERR_SERIALIZATION')
    expect(error.retryable).toBe(false)
  })

  const mark = Symbol('mark')
  const matched = /b/.exec('abc') ?? []
  test.each<[string, object, string, string]>([
    ['a property under a symbol', { [mark]: 1 }, 'Symbol(mark)', 'under a string'],
    ['a symbol beside null', Object.assign(Object.create(null), { [mark]: 1 }), 'mark', 'string'],
    ['a symbol on an array', Object.assign([1], { [mark]: 1 }), 'Symbol(mark)', 'under a string'],
    [
      'a symbol on a long array',
      Object.assign(Array(500).fill(1), { [mark]: 1 }),
      'mark',
      'string',
    ],
    ['a name on an array', Object.assign([1], { total: 1 }), '.total', '[...array]'],
    ['a name on a long array', Object.assign(Array(500).fill(1), { sum: 1 }), '.sum', '[...array]'],
    ['a name on holes', Object.assign(Array(3), { total: 1 }), '.total', '[...array]'],
    ['what exec() gives', matched, '.groups', '[...array]'],
    ['a Map with a property', Object.assign(new Map(), { size2: 1 }), '.size2', 'holds both'],
    ['a Date with a property', Object.assign(new Date(0), { zone: 1 }), '.zone', 'holds both'],
    ['arguments', argumentsOf(1, 2), 'arguments object', '[...arguments]'],
    ['an inherited property', Object.create({ a: 1 }) as object, 'prototype of its own', 'copy'],
    ['the environment', process.env, 'prototype of its own', '{ ...value }'],
  ])('%s would be lost, so it is refused', (_, value, what, hint) => {
    const error = refusal({ opts: { list: value } })
    expect(error.data['path']).toBe('args[1].opts.list')
    expect(error.message).toContain(what)
    expect(error.message).toContain(hint)
  })

  test.each<[string, object]>([
    ['an empty array', []],
    ['holes', [1, , 3]], // oxlint-disable-line no-sparse-arrays -- that is what is tested
    ['a long array', Array(500).fill(0)],
    ['a long array of holes', Array(500)],
    ['what exec() gives, copied', [...matched]],
    ['a hidden symbol', Object.defineProperty({}, mark, { value: 1 })],
  ])('%s loses nothing, so it is accepted', (_, value) => {
    expect(() => codec.encode(value, 'value')).not.toThrow()
  })

  test('a revoked Proxy is refused', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refusal([proxy]).data['path']).toBe('args[1][0]')
    expect(refusal(proxy).data['path']).toBe('args[1]')
  })
})

describe('B16: instances of classes', () => {
  class Tags extends Set<string> {}
  class Rows extends Array<number> {}
  class Day extends Date {}
  class Bytes extends Uint8Array {}

  test.each<[string, object]>([
    ['Account', new Account()],
    ['Tags', new Tags()],
    ['Rows', new Rows()],
    ['Day', new Day()],
    ['Bytes', new Bytes(3)],
  ])('an instance of %s is refused and told of registerType', (name, value) => {
    const error = refusal([value])
    expect(error.data['path']).toBe('args[1][0]')
    expect(error.message).toContain(name)
    expect(error.message).toContain('registerType')
  })

  test('what only looks like a built-in object is refused', () => {
    for (const fake of [
      Object.create(Map.prototype),
      Object.create(Date.prototype),
      Object.create(Array.prototype),
    ]) {
      expect(refusal({ fake: fake as object }).data['path']).toBe('args[1].fake')
    }
  })
})

describe('paths', () => {
  const bad = Symbol('bad')

  test.each<[string, unknown]>([
    ['args[1]', bad],
    ['args[1][2]', [0, 1, bad]],
    ['args[1]["a key"].b', { 'a key': { b: bad } }],
    ['args[1].größe', { größe: bad }],
    ['args[1][""]', { '': bad }],
    ['args[1].get("a")[0]', new Map([['a', [bad]]])],
    [
      'args[1].values()[1]',
      new Map<unknown, unknown>([
        [1, 1],
        [2, bad],
      ]),
    ],
    [
      'args[1].keys()[1].x',
      new Map<unknown, unknown>([
        [1, 1],
        [{ x: bad }, 2],
      ]),
    ],
    ['args[1].values()[1]', new Set([1, bad])],
    ['args[1].cause.x', new Error('e', { cause: { x: bad } })],
    ['args[1].errors[0]', new AggregateError([bad])],
    ['args[1].detail', Object.assign(new Error('e'), { detail: bad })],
    ['args[1].a', Object.assign(Object.create(null) as object, { a: bad })],
  ])('%s is told', (path, value) => {
    expect(refusal(value).data['path']).toBe(path)
  })

  test('what a getter throws is told with its path and as cause', () => {
    const boom = new TypeError('boom')
    const error = refusal({
      list: [
        {
          get x(): never {
            throw boom
          },
        },
      ],
    })
    expect(error.data['path']).toBe('args[1].list[0].x')
    expect(error.cause).toBe(boom)
    expect(error.message).toContain('TypeError: boom')
  })

  test('very long paths and names are shortened', () => {
    let value: unknown = bad
    for (let i = 0; i < 500; i++) value = { ['k'.repeat(1000)]: value }
    const error = refusal(value)
    expect(error.message.length).toBeLessThan(600)
    expect(error.message).toContain('…')
  })
})

describe('limits', () => {
  function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
    let value: unknown = 1
    for (let i = 0; i < levels; i++) value = wrap(value)
    return value
  }

  test.each<[string, (inner: unknown) => unknown]>([
    ['arrays', (inner) => [inner]],
    ['objects', (inner) => ({ inner })],
    ['null prototypes', (inner) => Object.assign(Object.create(null) as object, { inner })],
    ['maps', (inner) => new Map([[1, inner]])],
    ['sets', (inner) => new Set([inner])],
    ['errors', (inner) => new Error('e', { cause: inner })],
  ])('B08: 1,000 nested %s are sent, 1,001 refused', (_, wrap) => {
    const encoded = codec.encode(nested(1000, wrap), 'value')
    const blob = Buffer.alloc(encoded.sizeBytes)
    encoded.writeTo(blob)
    expect(() => codec.decode(blob)).not.toThrow()
    expect(refusal(nested(1001, wrap)).message).toContain('1000 levels')
    expect(refusal(nested(200_000, wrap)).message).toContain('1000 levels')
  })

  test('B08: the deepest array and the deepest view are read again', () => {
    for (const leaf of [new Uint8Array(2000), new Uint8Array(3), new Date(1), []]) {
      const value = nested(999, (inner) => [inner === 1 ? leaf : inner])
      const encoded = codec.encode(value, 'value')
      const blob = Buffer.alloc(encoded.sizeBytes)
      encoded.writeTo(blob)
      expect(() => codec.decode(blob)).not.toThrow()
    }
  })

  test('B07: an array of four billion holes is refused at once', () => {
    expect(refusal(new Array(2 ** 32 - 1)).message).toContain('4294967295 items')
    const liar = new Proxy([], {
      get: (list, key) => (key === 'length' ? Infinity : (Reflect.get(list, key) as unknown)),
    })
    expect(refusal(liar).message).toContain('Infinity items')
  })

  test('memory that was transferred away is refused', () => {
    const bytes = new Uint8Array(8)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    expect(refusal({ bytes }).message).toContain('detached')
    expect(refusal(bytes.buffer).message).toContain('detached')
  })

  test('a Map that changes while it is encoded is refused', () => {
    const map = new Map<unknown, unknown>()
    map.set(1, {
      get grow() {
        map.set(2, 2)
        return 1
      },
    })
    expect(refusal({ map }).data['path']).toBe('args[1].map')
  })
})
