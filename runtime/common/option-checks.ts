// The checks that options are made of. Each takes a label (what the user calls the option) and a
// value, gives the value back with its type, or throws a UsageError that says what it must be.
// Written by hand rather than with a schema library: the messages are the product here, and a
// library would cost more of the import time of `virga` than all of this.
// Invariants:
//   OC1. `undefined` is the same as not given, everywhere.
//   OC2. An unknown option is never ignored.
import { UsageError } from './errors.ts'
import { didYouMean } from './nearest-name.ts'
import { clip, showValue } from './show-value.ts'

/** The longest delay that a timer of Node takes; a longer one would fire at once. */
const TIMEOUT_MS_MAX = 2_147_483_647
/** Longest name of a task, actor, group, job or namespace. */
const NAME_CHARS_MAX = 256
/** Largest count of anything in options: retries, calls, restarts. */
export const COUNT_MAX = 2_147_483_647

/** What was called, for messages: `remote()`, `init()`; made only when something is wrong. */
export type Where = string | (() => string)

export type Check<T> = (label: string, value: unknown) => T

/** Options as given, known to have no unknown names. */
export type Given<N extends string> = Readonly<Partial<Record<N, unknown>>>

/** @throws UsageError: `label must be MUST, got VALUE`. */
export function refuse(label: string, must: string, value: unknown): never {
  throw new UsageError(`${label} must be ${must}, got ${showValue(value)}`, {
    data: { option: label },
  })
}

/**
 * Take options apart (OC1, OC2).
 * @param names  a property for each option there is.
 */
export function readOptions<N extends string>(
  options: unknown,
  where: Where,
  names: Readonly<Record<N, unknown>>,
): Given<N> {
  const given: Partial<Record<N, unknown>> = {}
  if (options === undefined) return given
  for (const [name, value] of Object.entries(
    plainObject(() => `the options of ${whereText(where)}`, options),
  )) {
    if (!Object.hasOwn(names, name)) refuseUnknown(name, whereText(where), Object.keys(names))
    if (value !== undefined) given[name as N] = value
  }
  return given
}

function refuseUnknown(name: string, where: string, names: readonly string[]): never {
  const hint = didYouMean(name, names) || `. Its options are ${names.join(', ')}`
  const shown = clip(name, NAME_CHARS_MAX)
  throw new UsageError(`${where} has no option ${shown}${hint}`, { data: { option: shown } })
}

export const whereText = (where: Where): string => (typeof where === 'string' ? where : where())

/** The value of one option, checked, or undefined when it is not given. */
export function option<N extends string, T>(
  given: Given<N>,
  name: NoInfer<N>,
  check: Check<T>,
): T | undefined {
  const value = given[name]
  return value === undefined ? undefined : check(name, value)
}

/** An object that is no array, Map or instance of another class. */
export function plainObject(label: Where, value: unknown): Readonly<Record<string, unknown>> {
  const refused = (): never => refuse(whereText(label), 'an object', value)
  if (typeof value !== 'object' || value === null) return refused()
  const prototype: unknown = Object.getPrototypeOf(value)
  // A plain object of another realm (node:vm, a test runner) has a prototype without a prototype.
  const plain =
    prototype === null ||
    (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null)
  if (!plain || Array.isArray(value)) return refused()
  return value as Readonly<Record<string, unknown>>
}

/** Options and more of them, which win. @throws UsageError for what is no object */
export function withMore(options: object, more: unknown, where: Where): object {
  if (more === undefined) return options
  return { ...options, ...plainObject(() => `the options of ${whereText(where)}`, more) }
}

export const flag: Check<boolean> = (label, value) =>
  typeof value === 'boolean' ? value : refuse(label, 'true or false', value)

/** A name: 1 to 256 characters, none of them a control character. */
export const nameText: Check<string> = (label, value) => {
  const good =
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= NAME_CHARS_MAX &&
    !/\p{Cc}/u.test(value)
  return good ? value : refuse(label, `1 to ${NAME_CHARS_MAX} printable characters`, value)
}

export function oneOf<const T extends string>(...choices: readonly T[]): Check<T> {
  const must = choices.map((choice) => `'${choice}'`).join(' or ')
  return (label, value) => {
    const found = choices.find((choice) => choice === value)
    if (found !== undefined) return found
    const hint = typeof value === 'string' ? didYouMean(value, choices) : ''
    const text = `${label} must be ${must}, got ${showValue(value)}${hint}`
    throw new UsageError(text, { data: { option: label } })
  }
}

/** A whole number from `min` to `max`, both allowed. */
export function wholeNumber(min: number, max: number = COUNT_MAX): Check<number> {
  return (label, value) => {
    const good = Number.isInteger(value) && (value as number) >= min && (value as number) <= max
    return good
      ? (value as number) + 0
      : refuse(label, `a whole number from ${min} to ${max}`, value)
  }
}

/** A count, or -1 for `meaning`. */
export function countOrForEver(min: number, meaning: string): Check<number> {
  const inner = wholeNumber(min)
  return (label, value) => {
    if (value === -1) return -1
    if (typeof value === 'number' && value >= min && value <= COUNT_MAX) return inner(label, value)
    return refuse(label, `a whole number from ${min} to ${COUNT_MAX}, or -1 ${meaning}`, value)
  }
}

/** A limit on how long work may run; 0 would be no work at all. */
export const limitMs: Check<number> = (label, value) => {
  if (isMs(value) && value > 0) return value
  const hint = value === 0 ? ', because nothing can run in 0 ms; leave it out for no limit' : ''
  return refuse(label, `milliseconds above 0 and up to ${TIMEOUT_MS_MAX}${hint}`, value)
}

/** How long to wait; 0 looks once and does not wait. */
export const waitMs: Check<number> = (label, value) =>
  isMs(value)
    ? value
    : refuse(label, `milliseconds from 0, which polls, to ${TIMEOUT_MS_MAX}`, value)

const isMs = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= TIMEOUT_MS_MAX

/** By shape rather than class: a polyfill's or another realm's signal does as well. */
export const abortSignal: Check<AbortSignal> = (label, value) => {
  const signal = value as Partial<AbortSignal> | null
  const good =
    typeof value === 'object' &&
    typeof signal?.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function'
  if (good) return value as AbortSignal
  return refuse(label, 'an AbortSignal (of an AbortController: its .signal)', value)
}

export function listOf<T>(check: Check<T>, lengthMax: number): Check<readonly T[]> {
  return (label, value) => {
    if (!Array.isArray(value)) return refuse(label, 'an array', value)
    if (value.length > lengthMax) return refuse(label, `at most ${lengthMax} items`, value.length)
    return value.map((item, i) => check(`${label}[${i}]`, item))
  }
}

/** An object of name: value. Made without a prototype, so any name is only a name. */
export function recordOf<T>(check: Check<T>, sizeMax: number): Check<Readonly<Record<string, T>>> {
  return (label, value) => {
    const entries = Object.entries(plainObject(label, value)).filter(
      ([, item]) => item !== undefined,
    )
    if (entries.length > sizeMax) return refuse(label, `at most ${sizeMax} names`, entries.length)
    const record = Object.create(null) as Record<string, T>
    for (const [name, item] of entries) record[name] = check(`${label}.${name}`, item)
    return record
  }
}
