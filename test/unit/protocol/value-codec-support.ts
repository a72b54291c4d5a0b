// What the tests of the value codec share: both ways of encoding at once, a comparison that sees
// identity (cycles, shared references, shared memory), and arbitrary values of every kind.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { ByteWriter } from '../../../runtime/protocol/byte-writer.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import type { DecodeOptions, HandleCodec } from '../../../runtime/protocol/value-codec.ts'

/** The blob of a value; fails when encode and encodeInto, at an odd place, do not agree. */
export function blobOf(value: unknown, codec = new ValueCodec()): Buffer {
  const encoded = codec.encode(value, 'value')
  // Old content must not shine through: every byte is to be written.
  const blob = Buffer.alloc(encoded.sizeBytes, 0xaa)
  encoded.writeTo(blob)
  const writer = new ByteWriter({ initialBytes: 8 })
  writer.bytes(new Uint8Array(3))
  codec.encodeInto(writer, value, 'value')
  if (!writer.written().subarray(3).equals(blob)) throw new Error('encode and encodeInto differ')
  return blob
}

export function roundTrip<T>(value: T, codec = new ValueCodec(), options?: DecodeOptions): T {
  return codec.decode(blobOf(value, codec), options) as T
}

/** A handle that travels by its id. */
export class Ref {
  readonly id: string

  constructor(id: string) {
    this.id = id
  }
}

export const refCodec: HandleCodec = {
  tag: 1,
  matches: (value) => value instanceof Ref,
  encode: (value) => Buffer.from((value as Ref).id),
  decode: (bytes) => new Ref(Buffer.from(bytes).toString()),
}

/** A copy of a blob in shared memory, as a mapped object is; `shift` bytes off its alignment. */
export function mapped(blob: Uint8Array, shift = 0): Uint8Array {
  const length = blob.length + shift
  const memory = new SharedArrayBuffer(length, { maxByteLength: length })
  const bytes = new Uint8Array(memory, shift, blob.length)
  bytes.set(blob)
  return bytes
}

/** Whether two values are equal and have the same sharing inside. */
export function isSameGraph(left: unknown, right: unknown): boolean {
  return new GraphComparison().isSame(left, right)
}

class GraphComparison {
  readonly #pairs = new Map<object, object>()
  readonly #taken = new Set<object>()

  isSame(left: unknown, right: unknown): boolean {
    if (typeof left !== 'object' || left === null) return Object.is(left, right)
    if (typeof right !== 'object' || right === null) return false
    const known = this.#pairs.get(left)
    if (known !== undefined) return known === right
    if (this.#taken.has(right)) return false
    this.#pairs.set(left, right)
    this.#taken.add(right)
    if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false
    return this.#isSameContent(left, right)
  }

  #isSameContent(left: object, right: object): boolean {
    if (left instanceof Map && right instanceof Map) {
      return this.#areSame([...left].flat(), [...right].flat())
    }
    if (left instanceof Set && right instanceof Set) return this.#areSame([...left], [...right])
    if (left instanceof Error && right instanceof Error) return this.#isSameError(left, right)
    if (Array.isArray(left) || isPlain(left)) return this.#haveSameKeys(left, right)
    if (ArrayBuffer.isView(left) && ArrayBuffer.isView(right)) return isSameView(left, right)
    return isDeepStrictEqual(left, right)
  }

  #isSameError(left: Error, right: Error): boolean {
    const names = ['name', 'message', 'stack', 'cause', 'errors']
    const values = (error: Error): unknown[] =>
      names.map((name) => Reflect.get(error, name) as unknown)
    return this.#areSame(values(left), values(right)) && this.#haveSameKeys(left, right)
  }

  #haveSameKeys(left: object, right: object): boolean {
    const keys = Object.keys(left)
    if (!isDeepStrictEqual(keys, Object.keys(right))) return false
    if (Array.isArray(left) && left.length !== (right as unknown[]).length) return false
    return keys.every((key) => this.isSame(Reflect.get(left, key), ownValue(right, key)))
  }

  #areSame(left: readonly unknown[], right: readonly unknown[]): boolean {
    return left.length === right.length && left.every((each, i) => this.isSame(each, right[i]))
  }
}

function ownValue(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value
}

function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object)
  return prototype === Object.prototype || prototype === null
}

function isSameView(left: ArrayBufferView, right: ArrayBufferView): boolean {
  const bytes = (view: ArrayBufferView): Buffer =>
    Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  return bytes(left).equals(bytes(right))
}

/** Any text, lone surrogates included. */
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc
    .array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 40 })
    .map((units) => String.fromCharCode(...units)),
)

const number = fc.oneof(
  fc.integer({ min: -40, max: 300 }),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.constantFrom(-0, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 31) - 1),
)

const bytes = fc.uint8Array({ maxLength: 64 })
const elements = fc.integer({ min: 0, max: 300 })

const views: fc.Arbitrary<object> = fc.oneof(
  elements.map((n) => new Int8Array(n).fill(-3)),
  bytes.map((b) => Uint8Array.from(b)),
  bytes.map((b) => Uint8ClampedArray.from(b)),
  elements.map((n) => new Int16Array(n).fill(-300)),
  elements.map((n) => new Uint16Array(n).fill(65_000)),
  elements.map((n) => new Int32Array(n).fill(-70_000)),
  elements.map((n) => new Uint32Array(n).fill(4e9)),
  fc.float32Array({ maxLength: 300 }),
  fc.float64Array({ maxLength: 300 }),
  elements.map((n) => new BigInt64Array(n).fill(-5n)),
  elements.map((n) => new BigUint64Array(n).fill(2n ** 63n)),
  bytes.map((b) => Buffer.from(b)),
  elements.map((n) => Buffer.alloc(n * 8, 7)),
  bytes.map((b) => new DataView(Uint8Array.from(b).buffer)),
  elements.map((n) => new ArrayBuffer(n * 8)),
  fc
    .tuple(elements, fc.nat(7))
    .map(([n, skip]) => new Uint8Array(new ArrayBuffer(n + 20), skip, n)),
  fc
    .tuple(elements, fc.nat(7))
    .map(([n, skip]) => new Float64Array(new ArrayBuffer(n * 8 + 64), skip * 8, n)),
)

const leaf: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.oneof(number, text) },
  fc.constantFrom(null, undefined, true, false),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }),
  fc.date({ noInvalidDate: false }),
  fc.constantFrom(/a(b)+/gi, /[\]/]/u, /(?<year>\d{4})/dy, new RegExp('')),
  fc.webUrl().map((url) => new URL(url)),
  views,
)

const key = fc.oneof(
  text,
  fc.constantFrom('__proto__', 'constructor', 'toString', '0', '-1', 'length'),
)

/** Any value of the codec, as a tree. */
export const anyValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: false }),
    fc
      .array(fc.tuple(tie('value'), tie('value')), { maxLength: 8 })
      .map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 8 }).map((items) => new Set(items)),
    fc.tuple(text, tie('value')).map(([message, cause]) => new RangeError(message, { cause })),
    fc
      .tuple(text, fc.array(tie('value'), { maxLength: 3 }))
      .map(([message, errors]) => new AggregateError(errors, message)),
    fc
      .tuple(text, tie('value'))
      .map(([name, extra]) => Object.assign(new Error('own'), { name, extra })),
  ),
})).value

type Node = unknown[] | Record<string, unknown> | Map<unknown, unknown> | Set<unknown> | Error

function emptyNode(kind: number): Node {
  if (kind === 0) return []
  if (kind === 1) return {}
  if (kind === 2) return new Map()
  return kind === 3 ? new Set() : new Error('node')
}

function link(node: Node, step: number, target: unknown): void {
  if (Array.isArray(node)) node.push(target)
  else if (node instanceof Map)
    node.set(step % 2 === 0 ? target : step, step % 2 === 0 ? step : target)
  else if (node instanceof Set) node.add(target)
  else Object.assign(node, { [`to${step}`]: target })
}

/** Any graph of containers and leaves: cycles, shared parts, self references. */
export const anyGraph: fc.Arbitrary<unknown> = fc
  .record({
    kinds: fc.array(fc.nat(4), { minLength: 1, maxLength: 30 }),
    leaves: fc.array(leaf, { minLength: 1, maxLength: 6 }),
    edges: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.boolean()), { maxLength: 80 }),
  })
  .map(({ kinds, leaves, edges }) => {
    const nodes = kinds.map(emptyNode)
    for (const [step, [from, to, toLeaf]] of edges.entries()) {
      const node = nodes[from % nodes.length]
      const targets: readonly unknown[] = toLeaf ? leaves : nodes
      if (node !== undefined) link(node, step, targets[to % targets.length])
    }
    return nodes[0]
  })
