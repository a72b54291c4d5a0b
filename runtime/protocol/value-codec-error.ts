// Errors: built-in ones arrive as their class, those of Virga as the class of their code, all
// others as their nearest built-in ancestor under their own name. Message, stack, cause, errors
// and own fields are kept, and which of them were enumerable.
// A payload is [u8 class] [texts for its constructor] [u8 count of hidden properties]
// [u8 which, value]... [map of enumerable fields].
// Source: the bad-input catalogue, row B17; virga-error.ts E1 (known by code, not by prototype).
import { types } from 'node:util'
import { toWire } from '../common/error-wire.ts'
import { RemoteError, VirgaError, findErrorClass } from '../common/errors.ts'
import { DecodeError } from './byte-reader.ts'
import * as kinds from './value-codec-kinds.ts'
import type { KindReader, KindWriter, ValueSink, ValueSource } from './value-codec-kinds.ts'
import { locate } from './value-codec-refusal.ts'
import { readCount, writeText } from './value-codec-scalars.ts'

interface BuiltInError {
  readonly prototype: Error
  make(): Error
}

const builtIn = (Class: new () => Error): BuiltInError => ({
  prototype: Class.prototype as Error,
  make: () => new Class(),
})

// The index is the code on the wire.
const BUILT_IN_ERRORS: readonly BuiltInError[] = [
  builtIn(Error),
  builtIn(EvalError),
  builtIn(RangeError),
  builtIn(ReferenceError),
  builtIn(SyntaxError),
  builtIn(TypeError),
  builtIn(URIError),
  { prototype: AggregateError.prototype, make: () => new AggregateError([]) },
]
const DOM_EXCEPTION = 64
const VIRGA_ERROR = 65

// What errors usually have without showing it in Object.keys; the index is the code on the wire.
const HIDDEN_NAMES = ['name', 'message', 'stack', 'cause', 'errors', 'code'] as const
const PROTOTYPES_MAX = 100
const PORTABLE_DEPTH_MAX = 8

export const ERROR_WRITERS: readonly KindWriter[] = BUILT_IN_ERRORS.map(({ prototype }) => [
  prototype,
  writeError,
])

export const ERROR_READERS: readonly KindReader[] = [[kinds.EXT_ERROR, readError]]

/** Whether writeError can write it: also instances of subclasses and of other realms. */
export function isError(value: object): boolean {
  return types.isNativeError(value) || value instanceof Error
}

/** Write any error; `value` must pass isError. */
export function writeError(sink: ValueSink, value: object): void {
  const error = value as Error
  const { writer } = sink
  const at = sink.beginExt(kinds.EXT_ERROR)
  if (error instanceof VirgaError) {
    writer.u8(VIRGA_ERROR)
    writeText(writer, toWire(error).code)
    writeText(writer, String(error.message))
    writeHidden(sink, error, virgaPrototype(error.code) ?? error, 'message')
    const isOwn = (key: string): boolean => key !== 'code' && key !== 'retryable'
    sink.fields(error, Object.keys(error).filter(isOwn))
  } else if (error instanceof DOMException) {
    writer.u8(DOM_EXCEPTION)
    writeText(writer, error.name)
    writeText(writer, error.message)
    writeHidden(sink, error, error)
    sink.fields(error, Object.keys(error))
  } else {
    const code = builtInCode(error)
    writer.u8(code)
    writeHidden(sink, error, BUILT_IN_ERRORS[code]?.prototype ?? error)
    sink.fields(error, Object.keys(error))
  }
  sink.endExt(at)
}

/**
 * @param like    what the rebuilt error has without our help.
 * @param except  what its constructor is given already.
 */
function writeHidden(sink: ValueSink, error: Error, like: Error, except?: 'message'): void {
  const { writer } = sink
  const countAt = writer.reserve(1)
  let count = 0
  for (const [which, name] of HIDDEN_NAMES.entries()) {
    if (name === except) continue
    try {
      const own = Object.getOwnPropertyDescriptor(error, name)
      if (own === undefined ? which > 1 : own.enumerable) continue
      const value: unknown = Reflect.get(error, name)
      // What stands on the prototype of a class of the user's becomes a property of the error.
      if (own === undefined && value === (like === undefined ? '' : Reflect.get(like, name)))
        continue
      // A formatter of the user's (Error.prepareStackTrace) may give anything.
      if (name === 'stack' && typeof value !== 'string') continue
      writer.u8(which)
      sink.value(value)
      count++
    } catch (thrown) {
      throw locate(thrown, `.${name}`)
    }
  }
  writer.buffer[countAt] = count
}

/** The code of the nearest built-in ancestor, by identity or, from another realm, by name. */
function builtInCode(error: Error): number {
  let prototype: unknown = Object.getPrototypeOf(error)
  for (let i = 0; i < PROTOTYPES_MAX && prototype !== null; i++) {
    const found = BUILT_IN_ERRORS.findIndex((each) => each.prototype === prototype)
    if (found >= 0) return found
    const name: unknown = Object.getOwnPropertyDescriptor(prototype, 'name')?.value
    const foreign = BUILT_IN_ERRORS.findIndex((each) => each.prototype.name === name)
    if (foreign >= 0) return foreign
    prototype = Object.getPrototypeOf(prototype)
  }
  return 0
}

function readError(source: ValueSource): Error {
  const { reader } = source
  const kind = reader.u8()
  if (kind !== VIRGA_ERROR) return readProperties(source, source.keep(makeError(source, kind)))
  const code = source.text()
  const Class = findErrorClass(code) ?? RemoteError
  const error = source.keep(new Class(source.text()))
  readProperties(source, error)
  restoreData(error, code)
  return error
}

/** The data of a RemoteError tells the code and data that are not known here: error-wire EW2. */
function restoreData(error: VirgaError, code: string): void {
  const data: unknown = error.data
  const wrapped =
    typeof data === 'object' && data !== null && Reflect.get(data, 'remoteCode') === code
  const isUnknown = error instanceof RemoteError && findErrorClass(code) === undefined
  if (isUnknown && !wrapped) {
    kinds.defineOwn(error, 'data', { remoteCode: code, remoteData: data })
  } else if (!isUnknown && wrapped) {
    kinds.defineOwn(error, 'data', Reflect.get(data, 'remoteData'))
  }
}

function readProperties(source: ValueSource, error: Error): Error {
  const { reader } = source
  const hidden = source.count(reader.u8(), 2)
  let hasStack = false
  for (let i = 0; i < hidden; i++) {
    const name = HIDDEN_NAMES[reader.u8()]
    if (name === undefined) throw new DecodeError('an error has an unknown hidden property')
    kinds.defineOwn(error, name, source.value(), false)
    hasStack ||= name === 'stack'
  }
  const count = source.count(readCount(reader, 0x80, 0xde), 2)
  for (let i = 0; i < count; i++) {
    const key = source.text()
    kinds.defineOwn(error, key, source.value())
    hasStack ||= key === 'stack'
  }
  // Else it would show where it was decoded, which explains nothing.
  if (!hasStack) kinds.defineOwn(error, 'stack', `${error.name}: ${error.message}`, false)
  return error
}

function makeError(source: ValueSource, code: number): Error {
  if (code === DOM_EXCEPTION) {
    const name = source.text()
    return new DOMException(source.text(), name)
  }
  const kind = BUILT_IN_ERRORS[code]
  if (kind === undefined) throw new DecodeError(`an error of unknown class ${code}`)
  return kind.make()
}

function virgaPrototype(code: string): Error | undefined {
  return findErrorClass(code)?.prototype as Error | undefined
}

/**
 * A copy of what was thrown that can always be encoded: for a worker whose task threw an error
 * with a socket or a function in it, so that the error itself is not lost.
 * Keeps class, name, message, stack and fields that are primitive, and cause and errors likewise.
 */
export function portableError(thrown: unknown, depth = 0): unknown {
  if (typeof thrown === 'function' || typeof thrown === 'symbol') return String(thrown)
  if (typeof thrown !== 'object' || thrown === null) return thrown
  if (!isError(thrown)) return new Error(`an object that cannot be sent was thrown`)
  const error = thrown as Error & { readonly errors?: unknown }
  const copy = (BUILT_IN_ERRORS[builtInCode(error)] ?? builtIn(Error)).make()
  for (const key of new Set([...HIDDEN_NAMES, ...Object.keys(error)])) {
    copyPortable(copy, error, key, depth)
  }
  return copy
}

function copyPortable(copy: Error, error: Error, key: string, depth: number): void {
  const value = readable(error, key)
  if (value === undefined) return
  const enumerable = Object.getOwnPropertyDescriptor(error, key)?.enumerable === true
  if (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol') {
    kinds.defineOwn(copy, key, value, enumerable)
  } else if (depth >= PORTABLE_DEPTH_MAX) {
    return
  } else if (key === 'cause') {
    kinds.defineOwn(copy, key, portableError(value, depth + 1), enumerable)
  } else if (key === 'errors' && Array.isArray(value)) {
    const errors = value.map((each: unknown) => portableError(each, depth + 1))
    kinds.defineOwn(copy, key, errors, enumerable)
  }
}

function readable(error: Error, key: string): unknown {
  try {
    return Reflect.get(error, key)
  } catch {
    // A getter of the user's that throws: the rest of the error matters more.
    return undefined
  }
}
