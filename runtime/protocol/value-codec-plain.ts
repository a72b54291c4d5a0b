// The built-in objects without memory of their own: Date, RegExp, URL, Map, Set.
// Only direct instances: a subclass has a prototype of its own and needs registerType.
// Source: HTML standard, structured clone (what of each kind is kept).
import { DecodeError } from './byte-reader.ts'
import * as kinds from './value-codec-kinds.ts'
import type {
  KindReader,
  KindWriter,
  ValueSink,
  ValueSource,
  WriteKind,
} from './value-codec-kinds.ts'
import { checkBare } from './value-codec-own.ts'
import { EncodeFailure, callSegment, locate } from './value-codec-refusal.ts'
import { readCount, writeCount, writeText } from './value-codec-scalars.ts'

const FIXEXT8 = 0xd7
// oxlint-disable-next-line no-restricted-globals -- dates are made from their value, never read
const DateOfValue = Date

export const PLAIN_WRITERS: readonly KindWriter[] = [
  [DateOfValue.prototype, bare(writeDate)],
  [RegExp.prototype, bare(writeRegExp)],
  [URL.prototype, bare(writeUrl)],
  [Map.prototype, bare(writeMap)],
  [Set.prototype, bare(writeSet)],
]

export const PLAIN_READERS: readonly KindReader[] = [
  [kinds.EXT_DATE, readDate],
  [kinds.EXT_REGEXP, readRegExp],
  [kinds.EXT_URL, readUrl],
  [kinds.EXT_MAP, readMap],
  [kinds.EXT_SET, readSet],
]

/** The kind has room for its content only. */
function bare(write: WriteKind): WriteKind {
  return (sink, value) => {
    checkBare(value)
    write(sink, value)
  }
}

/** The milliseconds as a double; NaN for an invalid date. */
function writeDate({ writer }: ValueSink, value: object): void {
  writer.u8(FIXEXT8)
  writer.u8(kinds.EXT_DATE)
  writer.f64be((value as Date).getTime())
}

function readDate(source: ValueSource, length: number): Date {
  if (length !== 8) throw new DecodeError(`a date of ${length} bytes`)
  return source.keep(new DateOfValue(source.reader.f64be()))
}

/** Source and flags; lastIndex starts at 0, as after a structured clone. */
function writeRegExp(sink: ValueSink, value: object): void {
  const { source, flags } = value as RegExp
  const at = sink.beginExt(kinds.EXT_REGEXP)
  writeText(sink.writer, source)
  writeText(sink.writer, flags)
  sink.endExt(at)
}

function readRegExp(source: ValueSource): RegExp {
  const pattern = source.text()
  const flags = source.text()
  return source.keep(built('RegExp', () => new RegExp(pattern, flags)))
}

function writeUrl(sink: ValueSink, value: object): void {
  const at = sink.beginExt(kinds.EXT_URL)
  writeText(sink.writer, (value as URL).href)
  sink.endExt(at)
}

function readUrl(source: ValueSource): URL {
  const href = source.text()
  return source.keep(built('URL', () => new URL(href)))
}

function writeMap(sink: ValueSink, value: object): void {
  const entries = value as Map<unknown, unknown>
  const { size } = entries
  const at = sink.beginExt(kinds.EXT_MAP)
  writeCount(sink.writer, 0x80, 0xde, size)
  let index = 0
  let where: unknown
  try {
    for (const [key, item] of entries) {
      where = undefined
      sink.value(key)
      where = key
      sink.value(item)
      index++
    }
  } catch (error) {
    throw locate(error, mapSegment(where, index))
  }
  checkSize(size, index)
  sink.endExt(at)
}

function mapSegment(key: unknown, index: number): string {
  if (key === undefined) return `.keys()[${index}]`
  return typeof key === 'string' ? callSegment('get', key) : `.values()[${index}]`
}

function readMap(source: ValueSource): Map<unknown, unknown> {
  const entries = source.keep(new Map<unknown, unknown>())
  const size = source.count(readCount(source.reader, 0x80, 0xde), 2)
  for (let i = 0; i < size; i++) {
    const key = source.value()
    entries.set(key, source.value())
  }
  return entries
}

function writeSet(sink: ValueSink, value: object): void {
  const items = value as Set<unknown>
  const { size } = items
  const at = sink.beginExt(kinds.EXT_SET)
  writeCount(sink.writer, 0x90, 0xdc, size)
  let index = 0
  try {
    for (const item of items) {
      sink.value(item)
      index++
    }
  } catch (error) {
    throw locate(error, `.values()[${index}]`)
  }
  checkSize(size, index)
  sink.endExt(at)
}

function readSet(source: ValueSource): Set<unknown> {
  const items = source.keep(new Set<unknown>())
  const size = source.count(readCount(source.reader, 0x90, 0xdc), 1)
  for (let i = 0; i < size; i++) items.add(source.value())
  return items
}

function checkSize(expected: number, got: number): void {
  if (got === expected) return
  throw new EncodeFailure(
    'it changed while it was encoded',
    'A getter or an encode function adds to it or removes from it: read it before.',
  )
}

function built<T>(what: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new DecodeError(`the ${what} cannot be built`, { cause: error })
  }
}
