// A value in the words of an error message: short, on one line, and never the cause of another
// error, whatever the value is. Runs no code of the user's: accessors, toString, toJSON.

/** Longest text of one value in a message. */
const SHOWN_CHARS_MAX = 200
const SHOWN_MEMBERS_MAX = 8

/** `text`, `'text'`, `[1, 2]`, `{ a: 1 }`, `Map(2)`, `function add`; cut at 200 characters. */
export function showValue(value: unknown): string {
  try {
    return clip(show(value, 2), SHOWN_CHARS_MAX)
  } catch {
    // A revoked Proxy refuses to be looked at at all.
    return '[object]'
  }
}

/** Cut `text` to `chars` characters and mark the cut. */
export function clip(text: string, chars: number): string {
  return text.length <= chars ? text : `${text.slice(0, chars - 1)}…`
}

function show(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quoted(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `${value}n`
    case 'function':
      return showFunction(value)
    case 'object':
      return value === null ? 'null' : showObject(value, depth)
    default:
      return String(value)
  }
}

function quoted(text: string): string {
  const inner = JSON.stringify(clip(text, SHOWN_CHARS_MAX)).slice(1, -1)
  return `'${inner.replaceAll('\\"', '"').replaceAll("'", String.raw`\'`)}'`
}

function showFunction(value: object): string {
  const made = classNameOf(value)
  if (made !== 'Object') return made // what remote() gave
  const name: unknown = Object.getOwnPropertyDescriptor(value, 'name')?.value
  return typeof name === 'string' && name !== '' ? `function ${name}` : 'a function'
}

function showObject(value: object, depth: number): string {
  if (Array.isArray(value)) {
    if (depth === 0) return `Array(${value.length})`
    return `[${members(value, depth, (_key, shown) => shown)}]`
  }
  const name = classNameOf(value)
  if (name !== 'Object')
    return value instanceof Map || value instanceof Set ? `${name}(${value.size})` : name
  if (depth === 0) return '{…}'
  const inner = members(value, depth, (key, shown) => `${key}: ${shown}`)
  return inner === '' ? '{}' : `{ ${inner} }`
}

function members(
  value: object,
  depth: number,
  join: (key: string, shown: string) => string,
): string {
  const keys = Object.keys(value)
  const parts = keys.slice(0, SHOWN_MEMBERS_MAX).map((key) => {
    const descriptor = Object.getOwnPropertyDescriptor(value, key)
    const known = descriptor !== undefined && 'value' in descriptor
    return join(key, known ? show(descriptor.value, depth - 1) : '…')
  })
  if (keys.length > SHOWN_MEMBERS_MAX) parts.push('…')
  return parts.join(', ')
}

/** The name of the class of a value: `Object` for plain ones, also with a null prototype. */
export function classNameOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === null || typeof prototype !== 'object') return 'Object'
  const made: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  if (typeof made !== 'function') return 'Object'
  const name: unknown = Object.getOwnPropertyDescriptor(made, 'name')?.value
  return typeof name === 'string' && name !== '' ? name : 'Object'
}
