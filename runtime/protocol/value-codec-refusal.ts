// Why a value cannot be sent: what it is, where it lies, and what to do instead.
// The path is collected while the failure unwinds, so that an encoding that succeeds pays nothing.
// Source: the bad-input catalogue, rows B15, B16; Ray inspect_serializability (the path).
import { types } from 'node:util'
import {
  ForeignRefError,
  ObjectFreedError,
  SerializationError,
  VirgaError,
} from '../common/errors.ts'
import { refusalOfRemote } from '../common/remote-target.ts'
import { ByteLimitError } from './byte-writer.ts'

const PATH_CHARS_MAX = 200
const NAME_CHARS_MAX = 60
const PROTOTYPES_MAX = 10

const HANDLES_OF_THE_SYSTEM = new Set([
  'EventEmitter',
  'Stream',
  'ReadableStream',
  'WritableStream',
  'TransformStream',
  'FileHandle',
  'MessagePort',
  'EventTarget',
  'ChildProcess',
])

/** Thrown inside of the encoder; becomes a SerializationError once the whole path is known. */
export class EncodeFailure extends Error {
  /** From the culprit up to the root. */
  readonly segments: string[] = []
  readonly hint: string

  constructor(what: string, hint: string, options?: ErrorOptions) {
    super(what, options)
    this.hint = hint
  }
}

/**
 * Add a step to the path of what was thrown while a part was encoded.
 * Anything but a failure of ours came from the user's code: a getter, a Proxy, an `encode`.
 */
export function locate(thrown: unknown, segment: string): unknown {
  if (thrown instanceof ByteLimitError || isOfHandle(thrown)) return thrown
  const failure = thrown instanceof EncodeFailure ? thrown : threw(thrown)
  failure.segments.push(segment)
  return failure
}

/** A ref that was freed, or is of another job: what is wrong is the ref, not the value. */
const isOfHandle = (thrown: unknown): boolean =>
  thrown instanceof ForeignRefError || thrown instanceof ObjectFreedError

function threw(thrown: unknown): EncodeFailure {
  const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : typeof thrown
  return new EncodeFailure(
    `reading it threw (${shorten(text, PATH_CHARS_MAX)})`,
    'See the cause; a getter, a Proxy or the encode of a registered class threw it.',
    { cause: thrown },
  )
}

/** `.name`, or `["a name"]` for keys that are no identifiers. */
export function keySegment(key: string): string {
  const name = shorten(key, NAME_CHARS_MAX)
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)
    ? `.${name}`
    : `[${JSON.stringify(name)}]`
}

/** `.get("a key")`, for what lies behind a method. */
export function callSegment(method: string, key: string): string {
  return `.${method}(${JSON.stringify(shorten(key, NAME_CHARS_MAX))})`
}

/** The error for the caller. What is no failure of ours is given back as it is. */
export function serializationError(thrown: unknown, root: string): unknown {
  if (thrown instanceof VirgaError || thrown instanceof ByteLimitError) return thrown
  const failure = thrown instanceof EncodeFailure ? thrown : threw(thrown)
  const path = shortenMiddle(root + failure.segments.reverse().join(''))
  const data = { path, hint: failure.hint }
  const options = failure.cause === undefined ? { data } : { data, cause: failure.cause }
  return new SerializationError(
    `${path} cannot be sent to another process: ${failure.message}. ${failure.hint}`,
    options,
  )
}

/** The failure for a value that is of no kind that the codec knows. */
export function refuse(value: unknown): EncodeFailure {
  if (typeof value === 'symbol') {
    return new EncodeFailure(`it is ${shorten(String(value), NAME_CHARS_MAX)}`, 'Send a string.')
  }
  if (typeof value === 'function') return refuseFunction(value)
  const object = value as object
  if (types.isProxy(object)) {
    return new EncodeFailure(
      'it is a Proxy over something else than a plain object or an array',
      'Send a plain copy of what it shows.',
    )
  }
  return refuseBuiltIn(object) ?? refuseInstance(object)
}

function refuseFunction(value: object): EncodeFailure {
  const remote = refusalOfRemote(value)
  if (remote !== undefined) return new EncodeFailure(remote.what, remote.hint)
  const name = 'name' in value && typeof value.name === 'string' ? value.name : ''
  return new EncodeFailure(
    `it is a function${name === '' ? '' : ` (${shorten(name, NAME_CHARS_MAX)})`}`,
    'Code is not sent with data: import the function in the task, or wrap it in remote().',
  )
}

/** What the iterators of arrays, Maps, Sets and strings inherit. */
const ITERATOR = Object.getPrototypeOf(Object.getPrototypeOf([].values())) as object

function refuseBuiltIn(object: object): EncodeFailure | undefined {
  if (types.isPromise(object)) {
    return new EncodeFailure('it is a Promise', 'Await it first, or pass the ObjectRef itself.')
  }
  if (types.isWeakMap(object) || types.isWeakSet(object) || object instanceof WeakRef) {
    return new EncodeFailure('it holds its content weakly', 'Send a Map or a Set.')
  }
  if (types.isBoxedPrimitive(object)) {
    return new EncodeFailure(
      'it is a boxed primitive (such as new Number(1))',
      'Send the primitive: value.valueOf().',
    )
  }
  if (types.isGeneratorObject(object)) {
    return new EncodeFailure(
      'it is a generator',
      'Send an array ([...generator]), or make a remote function* and pass its ObjectRefs.',
    )
  }
  if (Object.prototype.isPrototypeOf.call(ITERATOR, object)) {
    return new EncodeFailure('it is an iterator', 'Send an array: [...iterator].')
  }
  return undefined
}

function refuseInstance(object: object): EncodeFailure {
  const names = classNames(object)
  const name = names[0] ?? 'an unnamed class'
  if (names.some((each) => HANDLES_OF_THE_SYSTEM.has(each))) {
    return new EncodeFailure(
      `it is a ${name}, which belongs to this process`,
      'Send its content, or open it inside of the task or an actor.',
    )
  }
  if (name === 'Object') {
    return new EncodeFailure(
      'it is an object with a prototype of its own, which would be lost',
      'Send a plain copy: { ...value }.',
    )
  }
  return new EncodeFailure(
    `it is an instance of ${name}, whose prototype would be lost`,
    `Call registerType(${name}, { name, encode, decode }) in a module that both sides import, ` +
      'or send a plain object.',
  )
}

/** The names of the classes of an object, its own first; never throws. */
function classNames(object: object): readonly string[] {
  const names: string[] = []
  try {
    let prototype: unknown = Object.getPrototypeOf(object)
    for (let i = 0; i < PROTOTYPES_MAX && prototype !== null; i++) {
      const owner = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value as unknown
      if (typeof owner === 'function' && owner.name !== '') {
        names.push(shorten(owner.name, NAME_CHARS_MAX))
      }
      prototype = Object.getPrototypeOf(prototype)
    }
  } catch {
    // A Proxy in the chain may throw. The names found so far only make the message better.
  }
  return names
}

function shorten(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax)}…`
}

function shortenMiddle(path: string): string {
  if (path.length <= PATH_CHARS_MAX) return path
  const half = PATH_CHARS_MAX / 2
  return `${path.slice(0, half)}…${path.slice(-half)}`
}
