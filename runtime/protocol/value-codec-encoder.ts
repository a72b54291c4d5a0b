// Writes one value as MessagePack, in one pass, into a ByteWriter.
// Invariants:
//   VE1. Every property is read once: a getter runs once, a Proxy is asked once.
//   VE2. After a failure the encoder is cleared and the writer's content is the caller's to drop.
//   VE3. No state is left between values; an encoder is used by one encoding at a time.
// Source: MessagePack specification; design section 5.
import type { KnowsIntegers } from '../common/integer-arrays.ts'
import type { ByteWriter } from './byte-writer.ts'
import { BufferTable } from './value-codec-buffers.ts'
import type { BufferEntry } from './value-codec-buffers.ts'
import {
  findForeignWriter,
  findWriter,
  isForeignArrayPrototype,
  isForeignObjectPrototype,
} from './value-codec-classes.ts'
import type { ClassTable, HandleCodec, RegisteredType } from './value-codec-classes.ts'
import * as kinds from './value-codec-kinds.ts'
import type { ValueSink } from './value-codec-kinds.ts'
import type { StoredHandle } from './value-codec-layout.ts'
import { writeIntegers } from './value-codec-integers.ts'
import { RUN_ITEMS_MIN, RunWriter, itemsAhead, kindOfRun } from './value-codec-numbers.ts'
import { MetObjects } from './value-codec-objects.ts'
import { checkArray, checkObject } from './value-codec-own.ts'
import { EncodeFailure, keySegment, locate, refuse } from './value-codec-refusal.ts'
import {
  patchU32be,
  writeBigint,
  writeCount,
  writeNumber,
  writeText,
} from './value-codec-scalars.ts'

const NIL = 0xc0
const FALSE = 0xc2
const TRUE = 0xc3
const EXT32 = 0xc9
const FIXEXT1 = 0xd4
const FIXEXT4 = 0xd6
const EXT32_HEAD_BYTES = 6

/** What an encoding found beside the head it wrote. */
export interface EncodedTables {
  readonly hasReferences: boolean
  /** The handles themselves, and what stands for them; in the same order. */
  readonly handles: readonly object[]
  readonly storedHandles: readonly StoredHandle[]
  readonly buffers: readonly BufferEntry[]
}

const NO_TABLES: EncodedTables = {
  hasReferences: false,
  handles: [],
  storedHandles: [],
  buffers: [],
}

export class Encoder implements ValueSink {
  /** Where to write; set before value() and left alone until finish() or clear(). */
  writer: ByteWriter
  readonly buffers = new BufferTable()
  readonly #classes: ClassTable
  readonly #knowsIntegers: KnowsIntegers | undefined
  readonly #met = new MetObjects()
  /** Indexes of registered instances that are being encoded: nothing may refer to them. */
  readonly #open = new Set<number>()
  /** Made for the first long array. */
  #runs: RunWriter | undefined
  #handles: object[] = []
  #storedHandles: StoredHandle[] = []
  #depth = 0
  #hasReferences = false

  constructor(classes: ClassTable, writer: ByteWriter, knowsIntegers?: KnowsIntegers) {
    this.#classes = classes
    this.writer = writer
    this.#knowsIntegers = knowsIntegers
  }

  value(value: unknown): void {
    switch (typeof value) {
      case 'number':
        writeNumber(this.writer, value)
        return
      case 'string':
        writeText(this.writer, value)
        return
      case 'boolean':
        this.writer.u8(value ? TRUE : FALSE)
        return
      case 'undefined':
        this.writer.u8(FIXEXT1)
        this.writer.u16(kinds.EXT_UNDEFINED)
        return
      case 'object':
        if (value === null) this.writer.u8(NIL)
        else this.#object(value)
        return
      case 'bigint':
        writeBigint(this.writer, value)
        return
      case 'function':
        this.#function(value)
        return
      default:
        throw refuse(value)
    }
  }

  /** What was found beside the head; the value is forgotten. */
  finish(): EncodedTables {
    const hasReferences = this.#hasReferences
    const buffers = this.buffers.take()
    const handles = this.#handles
    const storedHandles = this.#storedHandles
    this.clear()
    if (!hasReferences && buffers.length + handles.length === 0) return NO_TABLES
    return { hasReferences, handles, storedHandles, buffers }
  }

  /** Forget the value, also one that failed half-way. */
  clear(): void {
    this.#met.clear()
    this.#depth = 0
    this.#hasReferences = false
    if (this.buffers.entries.length > 0) this.buffers.clear()
    if (this.#open.size > 0) this.#open.clear()
    if (this.#handles.length > 0) {
      this.#handles = []
      this.#storedHandles = []
    }
  }

  fields(object: object, keys: readonly string[]): void {
    const { writer } = this
    const properties = object as Readonly<Record<string, unknown>>
    const count = keys.length
    writeCount(writer, 0x80, 0xde, count)
    let key = ''
    try {
      for (let i = 0; i < count; i++) {
        key = keys[i] ?? ''
        writeText(writer, key)
        this.value(properties[key])
      }
    } catch (error) {
      throw locate(error, keySegment(key))
    }
  }

  beginExt(type: number): number {
    const at = this.writer.reserve(EXT32_HEAD_BYTES)
    const { buffer } = this.writer
    buffer[at] = EXT32
    buffer[at + EXT32_HEAD_BYTES - 1] = type
    return at
  }

  endExt(at: number): void {
    patchU32be(this.writer, at + 1, this.writer.position - at - EXT32_HEAD_BYTES)
  }

  find(object: object): number {
    return this.#met.find(object)
  }

  take(object: object): void {
    this.#met.take(object)
  }

  skipIndex(): void {
    this.#met.take(undefined)
  }

  reference(index: number): void {
    if (this.#open.has(index)) {
      throw new EncodeFailure(
        'it is a cycle through an instance of a registered class',
        'The instance cannot be made before what it consists of: leave the way back out of encode.',
      )
    }
    this.#hasReferences = true
    this.#fixext4(kinds.EXT_REFERENCE, index)
  }

  #object(value: object): void {
    const known = this.#met.find(value)
    if (known >= 0) {
      this.#refer(value, known)
      return
    }
    const index = this.#met.take(value)
    if (++this.#depth > kinds.DEPTH_MAX) {
      throw new EncodeFailure(
        `it lies more than ${kinds.DEPTH_MAX} levels deep`,
        'Send long chains as arrays.',
      )
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (Array.isArray(value)) this.#array(value, prototype as object, index)
    else if (prototype === Object.prototype) this.#plain(value)
    else if (prototype === null) this.#nullObject(value)
    else this.#instance(value, prototype as object, index)
    this.#depth--
  }

  #refer(value: object, index: number): void {
    // The ArrayBuffer of a view is now a value itself, so that all of it must travel.
    if (this.buffers.entries.length > 0) this.buffers.find(value)?.coverAll()
    this.reference(index)
  }

  #array(items: readonly unknown[], prototype: object | null, index: number): void {
    if (prototype !== Array.prototype) {
      const type = prototype === null ? undefined : this.#classes.findByPrototype(prototype)
      if (type !== undefined) {
        this.#registered(items, type, index)
        return
      }
      if (prototype === null || !isForeignArrayPrototype(prototype)) throw refuse(items)
    }
    const count = checkItems(items.length)
    if (count >= RUN_ITEMS_MIN && this.#knowsIntegers?.(items) === true) {
      writeCount(this.writer, 0x90, 0xdc, count)
      const behind = writeIntegers(this.writer, items)
      this.#items(items.slice(behind), count - behind, behind)
      return
    }
    checkArray(items)
    writeCount(this.writer, 0x90, 0xdc, count)
    if (count < RUN_ITEMS_MIN) this.#items(items, count, 0)
    else this.#longArray(items, count)
  }

  /** @param from  the index of the first in its array. */
  #items(items: readonly unknown[], count: number, from: number): void {
    let i = 0
    try {
      for (; i < count; i++) this.value(items[i])
    } catch (error) {
      throw locate(error, `[${from + i}]`)
    }
  }

  /** A few items at a time; or a run of numbers, where they begin one. */
  #longArray(items: readonly unknown[], count: number): void {
    this.#runs ??= new RunWriter()
    for (let i = 0; i < count;) {
      const ahead = itemsAhead(items, i, Math.min(i + RUN_ITEMS_MIN, count))
      const kind = kindOfRun(ahead)
      if (kind === undefined) {
        this.#items(ahead, ahead.length, i)
        i += ahead.length
        continue
      }
      i = this.#runs.write(this.writer, kind, ahead, { items, from: i, count })
      const { next } = this.#runs
      if (next !== undefined) this.#items([next.item], 1, i++)
    }
  }

  #plain(value: object): void {
    checkObject(value)
    this.fields(value, Object.keys(value))
  }

  #nullObject(value: object): void {
    checkObject(value)
    const at = this.beginExt(kinds.EXT_NULL_OBJECT)
    this.fields(value, Object.keys(value))
    this.endExt(at)
  }

  #instance(value: object, prototype: object, index: number): void {
    const write = findWriter(prototype)
    if (write !== undefined) {
      write(this, value)
      return
    }
    const type = this.#classes.findByPrototype(prototype)
    if (type !== undefined) {
      this.#registered(value, type, index)
      return
    }
    const handle = this.#classes.findHandle(value)
    if (handle !== undefined) this.#handle(value, handle)
    else this.#foreign(value, prototype)
  }

  #foreign(value: object, prototype: object): void {
    const write = findForeignWriter(value, prototype)
    if (write !== undefined) write(this, value)
    else if (isForeignObjectPrototype(prototype)) this.#plain(value)
    else throw refuse(value)
  }

  #function(value: object): void {
    const handle = this.#classes.findHandle(value)
    if (handle === undefined) throw refuse(value)
    const known = this.#met.find(value)
    if (known >= 0) {
      this.reference(known)
      return
    }
    this.#met.take(value)
    this.#handle(value, handle)
  }

  #handle(value: object, codec: HandleCodec): void {
    const index = this.#handles.push(value) - 1
    this.#storedHandles.push({ tag: codec.tag, bytes: codec.encode(value) })
    this.#fixext4(kinds.EXT_HANDLE, index)
  }

  #registered(value: object, type: RegisteredType, index: number): void {
    const at = this.beginExt(kinds.EXT_REGISTERED)
    writeText(this.writer, type.name)
    this.#open.add(index)
    const encoded = type.encode(value)
    try {
      this.value(encoded)
    } catch (error) {
      throw locate(error, '.encode()')
    }
    this.#open.delete(index)
    this.endExt(at)
  }

  #fixext4(type: number, index: number): void {
    const at = this.writer.reserve(6)
    const { buffer } = this.writer
    buffer[at] = FIXEXT4
    buffer[at + 1] = type
    patchU32be(this.writer, at + 2, index)
  }
}

/** A Proxy may say anything, and an array may be nothing but its length. */
function checkItems(count: unknown): number {
  if (Number.isSafeInteger(count) && (count as number) <= kinds.ARRAY_ITEMS_MAX) {
    return count as number
  }
  throw new EncodeFailure(
    `it is an array of ${String(count)} items, more than ${kinds.ARRAY_ITEMS_MAX}`,
    'Send a typed array, or a Map of the items that are there.',
  )
}
