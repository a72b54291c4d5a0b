// Which writer belongs to an object: by its prototype, for built-in and registered classes, and
// by what it does for handles, errors and objects of another realm (node:vm, Jest).
// Invariants:
//   C1. Only direct instances are recognised: an instance of a subclass would lose its class, so
//       it is refused unless the subclass itself is registered (B16). Errors are the exception.
//   C2. A name and a class registered once keep belonging to each other.
import { types } from 'node:util'
import { UsageError } from '../common/errors.ts'
import { object } from '../common/shape.ts'
import { showValue } from '../common/show-value.ts'
import { DecodeError } from './byte-reader.ts'
import { BINARY_READERS, BINARY_WRITERS } from './value-codec-binary.ts'
import { ERROR_READERS, ERROR_WRITERS, isError, writeError } from './value-codec-error.ts'
import * as kinds from './value-codec-kinds.ts'
import type { KindReader, ReadKind, WriteKind } from './value-codec-kinds.ts'
import { PLAIN_READERS, PLAIN_WRITERS } from './value-codec-plain.ts'

/** Turns one kind of handle (ObjectRef, ActorHandle, ...) into bytes and back. */
export interface HandleCodec {
  /** Tells the codecs apart in a blob: an integer from 0 to 127, never reused. */
  readonly tag: number
  /** Asked for every function and every object that is no plain one; must not throw. */
  matches(value: object): boolean
  encode(value: object): Uint8Array
  decode(bytes: Uint8Array): unknown
  /** A handle of what the process knows already, as `decode` would find it by the bytes. */
  handleOf?(known: object): unknown
}

/** How instances of a class travel: `encode` gives any value of the codec, `decode` takes it. */
export interface TypeCodec<T extends object, E = unknown> {
  /** Names the class on the wire: unique, and the same in driver and workers. */
  readonly name: string
  encode(instance: T): E
  decode(encoded: E): T
}

/** A class whose instances can be registered; `never` lets every constructor in. */
export type AnyClass<T extends object> = abstract new (...args: never[]) => T

export interface RegisteredType {
  readonly name: string
  readonly prototype: object
  encode(instance: object): unknown
  decode(encoded: unknown): unknown
}

const WRITERS: ReadonlyMap<object, WriteKind> = new Map([
  ...PLAIN_WRITERS,
  ...BINARY_WRITERS,
  ...ERROR_WRITERS,
])
const WRITERS_BY_NAME: ReadonlyMap<string, WriteKind> = new Map(
  [...WRITERS].map(([prototype, write]) => [nameOf(prototype) ?? '', write]),
)

const refuseToRead: ReadKind = () => {
  throw new DecodeError('an extension of an unknown type')
}

/** How to read each extension type that the engine does not read itself. */
export const READERS: readonly ReadKind[] = readerTable([
  ...PLAIN_READERS,
  ...BINARY_READERS,
  ...ERROR_READERS,
])

/** @throws UsageError, of what a program in JavaScript may give. */
export function checkType(Class: unknown, codec: unknown): void {
  if (typeof Class !== 'function' || !object(Class.prototype)) {
    throw new UsageError(`registerType() takes a class, got ${showValue(Class)}`)
  }
  const { name, encode, decode } = object(codec) ? codec : {}
  if (typeof encode !== 'function' || typeof decode !== 'function') {
    throw new UsageError(
      `registerType(${Class.name}, …) takes { name, encode, decode }, of which the last two are ` +
        `functions; got ${showValue(codec)}`,
    )
  }
  if (typeof name !== 'string' || name === '') {
    throw new UsageError(
      `registerType(${Class.name}, …): \`name\` must be a text that is not empty`,
    )
  }
}

/** The handles and classes that one ValueCodec knows. */
export class ClassTable {
  readonly handles: readonly HandleCodec[]
  readonly #byPrototype = new Map<object, RegisteredType>()
  readonly #byName = new Map<string, RegisteredType>()

  constructor(handles: readonly HandleCodec[]) {
    this.handles = handles
  }

  /**
   * Let instances of a class travel.
   * @throws UsageError when the class or the name is registered otherwise, or is built in.
   */
  register(type: RegisteredType): void {
    const { name, prototype } = type
    if (WRITERS.has(prototype) || prototype === Object.prototype || prototype === Array.prototype) {
      throw new UsageError(`registerType: ${name} is built in and travels already`)
    }
    const sameName = this.#byName.get(name)
    const sameClass = this.#byPrototype.get(prototype)
    if (sameName?.prototype !== sameClass?.prototype) {
      throw new UsageError(
        `registerType: the name or the class of ${JSON.stringify(name)} is registered otherwise; ` +
          'register every class once, under a name of its own',
        { data: { name } },
      )
    }
    this.#byName.set(name, type)
    this.#byPrototype.set(prototype, type)
  }

  findByPrototype(prototype: object): RegisteredType | undefined {
    return this.#byPrototype.get(prototype)
  }

  findByName(name: string): RegisteredType | undefined {
    return this.#byName.get(name)
  }

  findHandle(value: object): HandleCodec | undefined {
    for (const handle of this.handles) {
      if (handle.matches(value)) return handle
    }
    return undefined
  }

  /** @throws DecodeError when no handle has that tag. */
  handleOf(tag: number): HandleCodec {
    const handle = this.handles.find((each) => each.tag === tag)
    if (handle === undefined) throw new DecodeError(`a handle of unknown tag ${tag}`)
    return handle
  }
}

/** The writer of a built-in class of this realm. */
export function findWriter(prototype: object): WriteKind | undefined {
  return WRITERS.get(prototype)
}

/** The writer of an error of any class, or of a built-in class of another realm. */
export function findForeignWriter(value: object, prototype: object): WriteKind | undefined {
  if (isError(value)) return writeError
  if (!isNative(prototype) || !isBuiltIn(value)) return undefined
  return WRITERS_BY_NAME.get(nameOf(prototype) ?? '')
}

/** Whether a prototype is Object.prototype of another realm. */
export function isForeignObjectPrototype(prototype: object): boolean {
  return nameOf(prototype) === 'Object' && isNative(prototype) && isRoot(prototype)
}

/** Whether a prototype is Array.prototype of another realm. */
export function isForeignArrayPrototype(prototype: object): boolean {
  return nameOf(prototype) === 'Array' && isNative(prototype)
}

function isRoot(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null
}

function isBuiltIn(value: object): boolean {
  return (
    types.isMap(value) ||
    types.isSet(value) ||
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isArrayBufferView(value)
  )
}

function ownClass(prototype: object): { readonly name: string } | undefined {
  const owner: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  return typeof owner === 'function' ? owner : undefined
}

function nameOf(prototype: object): string | undefined {
  return ownClass(prototype)?.name
}

/** Whether the class of a prototype is the engine's: its source cannot be shown. */
function isNative(prototype: object): boolean {
  const owner = ownClass(prototype)
  return owner !== undefined && Function.prototype.toString.call(owner).includes('[native code]')
}

function readerTable(readers: readonly KindReader[]): readonly ReadKind[] {
  const table = new Array<ReadKind>(kinds.EXT_TYPES).fill(refuseToRead)
  for (const [ext, read] of readers) table[ext] = read
  return table
}
