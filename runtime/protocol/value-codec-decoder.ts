// Reads one value from the head of a blob that nobody vouches for.
// Invariants:
//   VD1. Whatever the bytes, it ends: with a value, or with a DecodeError (or SerializationError,
//       for a class that is not registered here, or what a HandleCodec throws).
//   VD2. Nothing is allocated for a count or length that the bytes left could not hold (B07, B09).
//   VD3. Extensions end exactly where they say, and nothing nested may read past that.
//   VD4. No key reaches a prototype (B11).
// Source: MessagePack specification; the bad-input catalogue, rows B06 to B11.
import { SerializationError } from '../common/errors.ts'
import { ByteReader, DecodeError, DecodeLimitError } from './byte-reader.ts'
import { keepable, Span, SpanTable, VIEW_BYTES_MIN, type MayView } from './value-codec-buffers.ts'
import { READERS } from './value-codec-classes.ts'
import type { ClassTable } from './value-codec-classes.ts'
import { readShortKey } from './value-codec-keys.ts'
import * as kinds from './value-codec-kinds.ts'
import type { ValueSource } from './value-codec-kinds.ts'
import { FLAG_ERROR, FLAG_REFERENCES, readParts } from './value-codec-layout.ts'
import type { BlobParts, StoredHandle } from './value-codec-layout.ts'
import { RUN_ITEMS_MIN, isRunNext, makeArray, readRun } from './value-codec-numbers.ts'
import { readBigint, readCount, readText16 } from './value-codec-scalars.ts'

// Arrays are made at full length up to this, whatever is claimed.
const PREALLOCATED_ITEMS_MAX = 1024
const FIXEXT1 = 0xd4
const NO_BYTES = Buffer.alloc(0)
const NO_SPANS = new SpanTable(NO_BYTES, [], false)
const NO_HANDLES: readonly StoredHandle[] = []

type HeadRange = Pick<BlobParts, 'headStart' | 'headEnd'>

export class Decoder implements ValueSource {
  readonly reader = new ByteReader(NO_BYTES)
  spans = NO_SPANS
  isKeeping = false
  /** Set while values are decoded that stay: value-codec-lasting.ts. */
  isLasting = false
  readonly #classes: ClassTable
  #handles = NO_HANDLES
  #known: readonly object[] | undefined
  #handleValues: unknown[] = []
  #kept: (object | undefined)[] = []
  #depth = 0
  /** Items that long arrays may still be made for at once: as many as the head has bytes, because
   *  that is what an honest blob needs at most. */
  #itemBudget = 0

  constructor(classes: ClassTable) {
    this.#classes = classes
  }

  /**
   * Begins with a blob; `whole` then decodes it.
   * @param mayView  whether large arrays may share memory with the blob.
   * @param known  what its handles stand for, in their order; ignored when there are more or fewer.
   * @returns the size of what is to be decoded: without the memory of its arrays.
   */
  begin(blob: Uint8Array, mayView: MayView, known?: readonly object[]): number {
    const flags = blob[0]
    if (flags !== 0 && flags !== FLAG_ERROR) this.#start(blob, mayView, known)
    else this.#readHead(blob, mayView, { headStart: 1, headEnd: blob.length })
    return this.reader.remaining
  }

  /** The head in bytes[start] to bytes[end - 1]: of a blob without tables, behind its flags. */
  decodeSimple(bytes: Uint8Array, start: number, end: number): unknown {
    this.reader.reset(bytes, start, end)
    return this.whole()
  }

  whole(): unknown {
    const { reader } = this
    this.#itemBudget = reader.remaining
    const value = this.value()
    if (reader.remaining !== 0) {
      throw new DecodeError(`${reader.remaining} bytes follow the value`)
    }
    return value
  }

  /** Forget the blob and the value, also after a failure. */
  clear(): void {
    this.reader.reset(NO_BYTES)
    this.#depth = 0
    if (this.spans === NO_SPANS) return
    this.spans = NO_SPANS
    this.#handles = NO_HANDLES
    this.#known = undefined
    this.#handleValues = []
    this.#kept = []
    this.isKeeping = false
  }

  value(): unknown {
    const head = this.reader.u8()
    if (head < 0x80) return head
    if (head < 0x90) return this.#map(head & 0x0f)
    if (head < 0xa0) return this.#array(head & 0x0f)
    if (head < 0xc0) return this.reader.utf8(head & 0x1f)
    if (head >= 0xe0) return head - 0x100
    if (head >= 0xd9) return this.#wide(head)
    if (head === FIXEXT1) return this.#undefined()
    const isExt = head >= FIXEXT1 || (head >= 0xc7 && head <= 0xc9)
    return isExt ? plainOf(this.#ext(head)) : this.#scalar(head)
  }

  text(): string {
    const value = this.value()
    if (typeof value === 'string') return value
    throw new DecodeError(`a ${typeof value} stands where a text was expected`)
  }

  count(items: number, bytesEach: number): number {
    const limit = Math.floor(this.reader.remaining / bytesEach)
    if (items <= limit) return items
    throw new DecodeLimitError(`${items} items in ${this.reader.remaining} bytes`, {
      data: { limit, got: items },
    })
  }

  keep<T extends object>(object: T): T {
    if (this.isKeeping) this.#kept.push(object)
    return object
  }

  reserveIndex(): number {
    return this.isKeeping ? this.#kept.push(undefined) - 1 : 0
  }

  fill(index: number, object: object): void {
    if (this.isKeeping) this.#kept[index] = object
  }

  span(): Span {
    const head = this.reader.u8()
    const memory = head === 0xc9 || head === 0xd6 ? this.#ext(head) : undefined
    if (memory instanceof Span) return memory
    throw new DecodeError('a view without memory')
  }

  #start(blob: Uint8Array, mayView: MayView, known: readonly object[] | undefined): void {
    const parts = readParts(blob)
    this.#readHead(blob, mayView, parts)
    this.spans = new SpanTable(blob, parts.buffers, mayView)
    this.#handles = parts.handles
    this.#known = known?.length === parts.handles.length ? known : undefined
    this.isKeeping = (parts.flags & FLAG_REFERENCES) !== 0
  }

  /** What others may write to meanwhile is copied first. */
  #readHead(blob: Uint8Array, mayView: MayView, { headStart, headEnd }: HeadRange): void {
    if (mayView === false) {
      this.reader.reset(blob, headStart, headEnd)
      return
    }
    const source = headEnd - headStart < VIEW_BYTES_MIN ? blob : keepable(blob, mayView)
    this.reader.reset(Buffer.from(source.subarray(headStart, headEnd)))
  }

  /** The only extension of one byte; by far the most frequent one. */
  #undefined(): undefined {
    const type = this.reader.u8()
    const payload = this.reader.u8()
    if ((type | payload) !== 0) throw new DecodeError(`extension ${type} of one byte`)
  }

  #scalar(head: number): unknown {
    const { reader } = this
    switch (head) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xcb:
        return reader.f64be()
      case 0xcc:
        return reader.u8()
      case 0xcd:
        return reader.u16be()
      case 0xce:
        return reader.u32be()
      case 0xd0:
        return (reader.u8() << 24) >> 24
      case 0xd1:
        return (reader.u16be() << 16) >> 16
      case 0xd2:
        return reader.u32be() | 0
      default:
        throw new DecodeError(`byte ${head} starts no value`)
    }
  }

  #wide(head: number): unknown {
    const { reader } = this
    switch (head) {
      case 0xd9:
        return reader.utf8(reader.u8())
      case 0xda:
        return reader.utf8(reader.u16be())
      case 0xdb:
        return reader.utf8(reader.u32be())
      case 0xdc:
        return this.#array(reader.u16be())
      case 0xdd:
        return this.#array(reader.u32be())
      case 0xde:
        return this.#map(reader.u16be())
      default:
        return this.#map(reader.u32be())
    }
  }

  #array(length: number): unknown[] {
    const count = this.count(length, 1)
    this.#enter()
    // Without references nothing can ask for an array before it is complete.
    if (count === 1 && !this.isKeeping) {
      const single = [this.value()]
      this.#depth--
      return single
    }
    if (count >= RUN_ITEMS_MIN) return this.#longArray(count)
    const items = this.keep(new Array<unknown>(count))
    for (let i = 0; i < count; i++) items[i] = this.value()
    this.#depth--
    return items
  }

  /** Growing one would copy it several times; but forged counts, one inside the other, must not
   *  cost more memory than their bytes: beyond the budget an array grows as it is read. */
  #longArray(count: number): unknown[] {
    const { reader } = this
    let items: unknown[]
    if (count <= PREALLOCATED_ITEMS_MAX) items = makeArray(reader, count, this.isLasting)
    else if (count > this.#itemBudget) items = []
    else {
      this.#itemBudget -= count
      items = makeArray(reader, count, this.isLasting)
    }
    this.keep(items)
    for (let i = 0; i < count;) {
      if (isRunNext(reader)) i += readRun(reader, items, i, count - i)
      else items[i++] = this.value()
    }
    this.#depth--
    return items
  }

  #map(count: number): object {
    this.#enter()
    const object = this.#properties({}, count)
    this.#depth--
    return object
  }

  #properties(target: Record<string, unknown>, count: number): object {
    this.keep(target)
    for (let i = 0; i < count; i++) {
      const key = readShortKey(this.reader) ?? this.text()
      const value = this.value()
      if (key === '__proto__') kinds.defineOwn(target, key, value)
      else target[key] = value
    }
    return target
  }

  #enter(): void {
    if (++this.#depth <= kinds.DEPTH_MAX) return
    throw new DecodeLimitError(`values nested more than ${kinds.DEPTH_MAX} deep`, {
      data: { limit: kinds.DEPTH_MAX, got: this.#depth },
    })
  }

  /** An extension whose head byte was read; memory is given as its Span. */
  #ext(head: number): unknown {
    const { reader } = this
    const length = this.#extLength(head)
    const type = reader.u8()
    const { end: outerEnd, position } = reader
    const end = position + this.count(length, 1)
    // Only these hold other values; the encoder counts depth in the same way.
    const isContainer = type >= kinds.EXT_MAP && type <= kinds.EXT_REGISTERED
    if (isContainer) this.#enter()
    reader.end = end
    const value = this.#extValue(type, length)
    if (reader.position !== end) throw new DecodeError(`extension ${type} is too long`)
    reader.end = outerEnd
    if (isContainer) this.#depth--
    return value
  }

  #extLength(head: number): number {
    if (head >= 0xd4) return 1 << (head - 0xd4)
    if (head === 0xc7) return this.reader.u8()
    return head === 0xc8 ? this.reader.u16be() : this.reader.u32be()
  }

  #extValue(type: number, length: number): unknown {
    const { reader } = this
    switch (type) {
      case kinds.EXT_REFERENCE:
        return this.#reference(reader.u32be())
      case kinds.EXT_BIGINT:
        return readBigint(reader, length)
      case kinds.EXT_TEXT16:
        return readText16(reader, length)
      case kinds.EXT_HANDLE:
        return this.#handle(reader.u32be())
      case kinds.EXT_NULL_OBJECT:
        return this.#nullObject()
      case kinds.EXT_REGISTERED:
        return this.#registered()
      default:
        return this.#kind(type, length)
    }
  }

  #kind(type: number, length: number): unknown {
    const read = READERS[type]
    if (read === undefined) throw new DecodeError(`an extension of unknown type ${type}`)
    return read(this, length)
  }

  #reference(index: number): object {
    const object = this.#kept[index]
    if (object === undefined) throw new DecodeError(`a reference to object ${index}, not yet made`)
    return object
  }

  #nullObject(): object {
    const count = readCount(this.reader, 0x80, 0xde)
    return this.#properties(Object.create(null) as Record<string, unknown>, count)
  }

  #handle(index: number): unknown {
    const stored = this.#handles[index]
    if (stored === undefined) throw new DecodeError(`no handle ${index} is in the blob`)
    const value = (this.#handleValues[index] ??= this.#makeHandle(stored, this.#known?.[index]))
    if (this.isKeeping) this.#kept.push(value as object)
    return value
  }

  #makeHandle(stored: StoredHandle, known: object | undefined): unknown {
    const codec = this.#classes.handleOf(stored.tag)
    if (known !== undefined && codec.handleOf !== undefined) return codec.handleOf(known)
    return codec.decode(stored.bytes)
  }

  #registered(): object {
    const index = this.reserveIndex()
    const name = this.text()
    const type = this.#classes.findByName(name)
    if (type === undefined) {
      throw new SerializationError(
        `no class is registered as ${JSON.stringify(name)} in this process; call registerType in a ` +
          'module that the module of the task imports',
        { data: { name } },
      )
    }
    const encoded = this.value()
    const instance = decodeInstance(() => type.decode(encoded) as object, name)
    this.fill(index, instance)
    return instance
  }
}

function decodeInstance(decode: () => object, name: string): object {
  try {
    return decode()
  } catch (error) {
    throw new SerializationError(`the decode of the registered class ${name} threw`, {
      cause: error,
      data: { name },
    })
  }
}

function plainOf(value: unknown): unknown {
  return value instanceof Span ? value.whole() : value
}
