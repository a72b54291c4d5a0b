// What a row may hold, and how large it is: one check for every implementation of Storage, so that
// what the memory takes the cloud takes too.
// Source: DynamoDB "Constraints" and "Item sizes and formats".
import { UsageError } from '../common/errors.ts'
import type { RowKey, RowValue } from './storage.ts'

const PK_BYTES_MAX = 2048
const SK_BYTES_MAX = 1024
const DEPTH_MAX = 30
/** Numbers of DynamoDB: 38 digits, so every double within these bounds. */
const NUMBER_MIN = 1e-130
const NUMBER_MAX = 9.9e125

/** A row holds strings, numbers, booleans, null, Uint8Arrays, and lists and plain objects of them. */
export type Field =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly Field[]
  | { readonly [name: string]: Field }

/** @throws UsageError for a key that DynamoDB cannot have. */
export function checkKey({ table, pk, sk }: RowKey): void {
  for (const [name, text, max] of [
    ['pk', pk, PK_BYTES_MAX],
    ['sk', sk, SK_BYTES_MAX],
  ] as const) {
    const bytes = Buffer.byteLength(text)
    if (bytes > 0 && bytes <= max) continue
    const wanted = `needs 1 to ${String(max)} bytes, got ${String(bytes)}`
    throw new UsageError(`the ${name} of a row of '${table}' ${wanted}: use a shorter name`)
  }
}

/**
 * A copy of a row's value that shares nothing with it. Fields that are undefined are left out.
 * @throws UsageError for what a row cannot hold, with its path.
 */
export function copyValue(value: RowValue): Record<string, Field> {
  return copyObject(value, '', 0)
}

function copyObject(value: object, path: string, depth: number): Record<string, Field> {
  const copied: Record<string, Field> = {}
  for (const [name, item] of Object.entries(value) as [string, unknown][]) {
    if (item === undefined) continue
    const field = copyField(item, path === '' ? name : `${path}.${name}`, depth + 1)
    // defineProperty: a field called __proto__ is a field.
    Object.defineProperty(copied, name, {
      value: field,
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return copied
}

function copyField(value: unknown, path: string, depth: number): Field {
  if (depth > DEPTH_MAX) throw refused(path, `more than ${String(DEPTH_MAX)} levels`)
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return checkedNumber(value, path)
  if (typeof value !== 'object') throw refused(path, `a ${typeof value}`)
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (Array.isArray(value)) {
    return value.map((item, index) => copyField(item, `${path}[${String(index)}]`, depth + 1))
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw refused(path, 'a class instance')
  return copyObject(value, path, depth)
}

function checkedNumber(value: number, path: string): number {
  const size = Math.abs(value)
  if (size === 0) return 0
  if (size >= NUMBER_MIN && size <= NUMBER_MAX) return value
  throw refused(path, String(value))
}

function refused(path: string, what: string): UsageError {
  return new UsageError(`a row of the GCS cannot hold ${what} (at ${path})`, { data: { path } })
}

/** Size of a field as DynamoDB counts it, in bytes. */
export function fieldBytes(field: Field): number {
  if (field === null || typeof field === 'boolean') return 1
  if (typeof field === 'string') return Buffer.byteLength(field)
  if (typeof field === 'number') return 1 + Math.ceil(String(field).length / 2)
  if (field instanceof Uint8Array) return field.byteLength
  if (Array.isArray(field)) {
    return (field as readonly Field[]).reduce((sum: number, item) => sum + 1 + fieldBytes(item), 3)
  }
  return 3 + valueBytes(field as Record<string, Field>)
}

/** Size of all fields of a value, in bytes. */
export function valueBytes(value: Readonly<Record<string, Field>>): number {
  return Object.entries(value).reduce(
    (sum, [name, field]) => sum + 1 + Buffer.byteLength(name) + fieldBytes(field),
    0,
  )
}
