// What a function is, seen from outside: plain, async, generator or class, and a class's methods.
//   kindOf(fn), isClass(fn), arityOf(fn), methodsOf(class) -> Map<name, 'value' | 'stream'>
// Told by brand and property attributes, never by source text: those survive every transformer and
// functions of another realm (vitest's vm contexts), where instanceof fails.

export type FunctionShape = 'function' | 'async' | 'generator' | 'asyncGenerator' | 'class'

/** A call gives one value, or a stream of them (`function*`, `async function*`). */
export interface MethodKind {
  readonly kind: 'value' | 'stream'
}

const SHAPES: ReadonlyMap<string, FunctionShape> = new Map([
  ['[object AsyncFunction]', 'async'],
  ['[object GeneratorFunction]', 'generator'],
  ['[object AsyncGeneratorFunction]', 'asyncGenerator'],
])

// eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- any function at all
type AnyFunction = Function

export function kindOf(fn: AnyFunction): FunctionShape {
  const shape = SHAPES.get(Object.prototype.toString.call(fn))
  if (shape !== undefined) return shape
  return isClass(fn) ? 'class' : 'function'
}

/** The `prototype` of a class cannot be written; the one of a function can, arrows have none. */
export function isClass(fn: unknown): boolean {
  if (typeof fn !== 'function') return false
  return Object.getOwnPropertyDescriptor(fn, 'prototype')?.writable === false
}

export function arityOf(fn: AnyFunction): number {
  return typeof fn.length === 'number' ? fn.length : 0
}

/** Names that are no methods of an actor, whoever defines them. */
const NEVER_METHODS = new Set(['constructor', 'then'])

/**
 * The public methods of a class, its base classes' included, the most derived first.
 * Left out: `_x`, `constructor`, `then`, accessors, symbols, what Object has.
 * Functions that a constructor assigns to fields are not seen from the class.
 */
export function methodsOf(type: AnyFunction): Map<string, MethodKind> {
  const methods = new Map<string, MethodKind>()
  const hidden = new Set<string>()
  for (const prototype of prototypesOf(type)) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (methods.has(name) || hidden.has(name) || !isPublic(name)) continue
      const value: unknown = property.value
      if (typeof value === 'function') methods.set(name, methodKind(value))
      else hidden.add(name)
    }
  }
  return methods
}

function methodKind(method: AnyFunction): MethodKind {
  const shape = kindOf(method)
  return { kind: shape === 'generator' || shape === 'asyncGenerator' ? 'stream' : 'value' }
}

function* prototypesOf(type: AnyFunction): Generator<object> {
  let prototype: unknown = (type as { prototype?: unknown }).prototype
  while (isObject(prototype)) {
    const parent: unknown = Object.getPrototypeOf(prototype)
    // The root prototype is Object's, of whatever realm: its methods are inherited, not offered.
    if (parent === null && Object.hasOwn(prototype, 'isPrototypeOf')) return
    yield prototype
    prototype = parent
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isPublic(name: string): boolean {
  return !name.startsWith('_') && !NEVER_METHODS.has(name) && !Object.hasOwn(Object.prototype, name)
}
