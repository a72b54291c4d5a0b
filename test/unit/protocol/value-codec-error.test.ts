// B17: errors keep their class as far as it is built in or Virga's, and all that they carry.
import { describe, expect, test } from 'vitest'
import {
  ObjectLostError,
  RemoteError,
  SerializationError,
  TaskError,
  UsageError,
  VirgaError,
  errorCodes,
  findErrorClass,
} from '../../../runtime/common/errors.ts'
import { ValueCodec, portableError } from '../../../runtime/protocol/value-codec.ts'
import { blobOf, roundTrip } from './value-codec-support.ts'
import { thrownBy } from '../../support/thrown-by.ts'

class HttpError extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

class NamedError extends RangeError {
  override get name(): string {
    return 'NamedError'
  }
}

class LazyError extends Error {
  override get message(): string {
    return 'computed'
  }
}

describe('B17: built-in errors', () => {
  test.each([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError])(
    '%o comes back as its class',
    (Class) => {
      const error = new Class('what happened')
      const copy = roundTrip(error)
      expect(Object.getPrototypeOf(copy)).toBe(Class.prototype)
      expect([copy.name, copy.message, copy.stack]).toEqual([
        Class.name,
        'what happened',
        error.stack,
      ])
      expect(Object.keys(copy)).toEqual([])
      expect(copy).toEqual(error)
    },
  )

  test('cause and errors stay, of any kind, and cycles through them', () => {
    const inner = new TypeError('inner')
    const error = new AggregateError([inner, 'text', { a: 1 }], 'outer', { cause: inner })
    Object.assign(inner, { parent: error })
    const copy = roundTrip(error)
    expect(copy).toBeInstanceOf(AggregateError)
    expect(copy.errors[0]).toBe(copy.cause)
    expect(copy.errors.slice(1)).toEqual(['text', { a: 1 }])
    expect((copy.cause as { parent: unknown }).parent).toBe(copy)
    expect(Object.keys(copy)).toEqual([])
    expect('cause' in roundTrip(new Error('none'))).toBe(false)
    expect('cause' in roundTrip(new Error('none', { cause: undefined }))).toBe(true)
  })

  test('errors of Node.js keep code and fields', () => {
    const fromUrl = roundTrip(thrownBy(() => new URL('no url'), TypeError))
    expect(fromUrl).toBeInstanceOf(TypeError)
    expect(fromUrl).toMatchObject({ code: 'ERR_INVALID_URL', input: 'no url' })
    const fromBuffer = roundTrip(thrownBy(() => Buffer.alloc(-1), RangeError))
    expect(fromBuffer).toBeInstanceOf(RangeError)
    expect(fromBuffer).toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  })

  test('a DOMException stays one', () => {
    const copy = roundTrip(AbortSignal.abort().reason as DOMException)
    expect(copy).toBeInstanceOf(DOMException)
    expect([copy.name, copy.code]).toEqual(['AbortError', 20])
  })
})

describe('B17: errors of the user', () => {
  test('a subclass arrives as its built-in ancestor, with name and own fields', () => {
    const error = Object.assign(new HttpError('gone', 410), { headers: new Map([['a', 'b']]) })
    const copy = roundTrip(error)
    expect(Object.getPrototypeOf(copy)).toBe(Error.prototype)
    expect(copy.stack).toBe(error.stack)
    expect(Object.assign({}, copy)).toEqual({ status: 410, headers: new Map([['a', 'b']]) })
    const named = roundTrip(new NamedError('x'))
    expect(named).toBeInstanceOf(RangeError)
    expect(named.name).toBe('NamedError')
    expect(Object.keys(named)).toEqual([])
    expect(roundTrip(new LazyError()).message).toBe('computed')
  })

  test('a name that was assigned stays as visible as it was', () => {
    const shown = Object.assign(new Error('x'), { name: 'Shown' })
    expect(Object.keys(roundTrip(shown))).toEqual(['name'])
    expect(roundTrip(shown).name).toBe('Shown')
    const hidden = Object.defineProperty(new Error('x'), 'name', {
      value: 'Hidden',
      enumerable: false,
    })
    expect(Object.keys(roundTrip(hidden))).toEqual([])
    expect(roundTrip(hidden).name).toBe('Hidden')
  })

  test('odd errors stay odd: no message, no stack, __proto__ as a field', () => {
    expect(Object.hasOwn(roundTrip(new Error()), 'message')).toBe(false)
    const bare = new Error('bare')
    Object.defineProperty(bare, 'stack', { value: undefined })
    expect(roundTrip(bare).stack).toBe('Error: bare')
    const hostile = Object.defineProperty(new Error('h'), '__proto__', {
      value: { polluted: 1 },
      enumerable: true,
    })
    const copy = roundTrip(hostile)
    expect(Object.getPrototypeOf(copy)).toBe(Error.prototype)
    expect(Object.keys(copy)).toEqual(['__proto__'])
  })

  test('a copy can be sent on', () => {
    const once = roundTrip(new NamedError('x', { cause: new HttpError('y', 500) }))
    const twice = roundTrip(once)
    expect(twice).toEqual(once)
    expect(twice.stack).toBe(once.stack)
  })
})

describe('errors of Virga', () => {
  test('every one of them is rebuilt by its code', () => {
    expect(errorCodes().length).toBeGreaterThan(30)
    for (const code of errorCodes()) {
      const Class = findErrorClass(code) ?? VirgaError
      const error = new Class('it is gone; do this', {
        cause: new RangeError('why'),
        data: { id: 'a1', n: 3 },
      })
      const copy = roundTrip(error)
      expect(Object.getPrototypeOf(copy)).toBe(Class.prototype)
      expect([copy.code, copy.retryable, copy.message, copy.stack]).toEqual([
        code,
        error.retryable,
        error.message,
        error.stack,
      ])
      expect(copy.data).toEqual({ id: 'a1', n: 3 })
      expect(copy.cause).toEqual(new RangeError('why'))
    }
  })

  test('they nest, as in a TaskError that tells of an unserialisable result', () => {
    const cause = new SerializationError('no', { data: { path: 'result.cb' } })
    const copy = roundTrip(new TaskError('task f failed', { cause, data: { name: 'f' } }))
    expect(copy.cause).toBeInstanceOf(SerializationError)
    expect((copy.cause as SerializationError).data).toEqual({ path: 'result.cb' })
  })

  test("a user's subclass arrives as the class of its code, under its own name", () => {
    class QuotaError extends UsageError {
      override readonly name = 'QuotaError'
    }
    const copy = roundTrip(new QuotaError('no'))
    expect(Object.getPrototypeOf(copy)).toBe(UsageError.prototype)
    expect(copy.name).toBe('QuotaError')
  })

  test('an unknown code becomes a RemoteError that keeps its text and goes on under its code', () => {
    const codec = new ValueCodec()
    const blob = blobOf(new ObjectLostError('object a1 is lost', { data: { objectId: 'a1' } }))
    blob.write('ERR_OBJECT_LOSS', blob.indexOf('ERR_OBJECT_LOST'))
    const remote = codec.decode(blob)
    expect(remote).toBeInstanceOf(RemoteError)
    expect(remote).toMatchObject({
      message: 'object a1 is lost',
      data: { remoteCode: 'ERR_OBJECT_LOSS', remoteData: { objectId: 'a1' } },
    })
    const again = blobOf(remote)
    expect(codec.decode(again)).toEqual(remote)
    again.write('ERR_OBJECT_LOST', again.indexOf('ERR_OBJECT_LOSS'))
    const data = again.indexOf('ERR_OBJECT_LOSS')
    again.write('ERR_OBJECT_LOST', data)
    const home = codec.decode(again)
    expect(home).toBeInstanceOf(ObjectLostError)
    expect(home).toMatchObject({ data: { objectId: 'a1' } })
  })
})

describe('portableError', () => {
  test('makes an error that can be sent of one that cannot', () => {
    const socket = { write: () => 0 }
    const cause = Object.assign(new TypeError('inner'), { socket })
    const error = Object.assign(new NamedError('outer', { cause }), {
      socket,
      status: 500,
      code: 'E_X',
    })
    const codec = new ValueCodec()
    expect(() => codec.encode(error, 'error')).toThrow('error.cause.socket')
    const copy = roundTrip(portableError(error)) as NamedError
    expect(copy).toBeInstanceOf(RangeError)
    expect([copy.name, copy.message, copy.stack]).toEqual(['NamedError', 'outer', error.stack])
    expect(Object.assign({}, copy)).toEqual({ status: 500, code: 'E_X' })
    expect(copy.cause).toBeInstanceOf(TypeError)
    expect((copy.cause as Error).message).toBe('inner')
  })

  test('survives getters that throw, cycles, and what is no error', () => {
    const error = new Error('x')
    Object.assign(error, { cause: error, errors: [error] })
    const refuse = (): never => {
      throw new Error('not readable')
    }
    Object.defineProperty(error, 'bad', { enumerable: true, get: refuse })
    expect(roundTrip(portableError(error))).toBeInstanceOf(Error)
    expect(portableError('text')).toBe('text')
    expect(roundTrip(portableError(() => 0))).toContain('=>')
    expect(roundTrip(portableError({ cb: () => 0 }))).toBeInstanceOf(Error)
  })
})
