// What a value that came from elsewhere (a message, a row) must look like, checked before anything
// acts on it. Pure. Extra fields are let pass: a newer version may have some.

export type Shape = (value: unknown) => boolean
/** What the fields of an object must look like; others are let pass. */
export type Fields<Name extends string = string> = Readonly<Record<Name, Shape>>

export const text: Shape = (value) => typeof value === 'string'
export const flag: Shape = (value) => typeof value === 'boolean'
export const number: Shape = (value) => typeof value === 'number' && !Number.isNaN(value)
export const amount: Shape = (value) => number(value) && (value as number) >= 0
export const count: Shape = (value) => Number.isSafeInteger(value) && (value as number) >= 0
export const bytes: Shape = (value) => value instanceof Uint8Array
export const object = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

export const optional =
  (inner: Shape): Shape =>
  (value) =>
    value === undefined || inner(value)
export const nullOr =
  (inner: Shape): Shape =>
  (value) =>
    value === null || inner(value)
export const listOf =
  (inner: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.every(inner)
export const recordOf =
  (inner: Shape): Shape =>
  (value) =>
    object(value) && !Array.isArray(value) && Object.values(value).every(inner)
export const shape =
  (fields: Fields): Shape =>
  (value) =>
    object(value) && misfit(fields, value) === undefined
export const oneOf =
  (...values: readonly unknown[]): Shape =>
  (value) =>
    values.includes(value)

/** The name of the first field of `value` that is not what it must be. */
export function misfit<Name extends string>(fields: Fields<Name>, value: object): Name | undefined {
  const names = Object.keys(fields) as Name[]
  return names.find((name) => !fields[name]((value as Record<string, unknown>)[name]))
}
