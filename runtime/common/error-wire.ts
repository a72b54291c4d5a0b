// Errors of Virga on the wire: a closed set, rebuilt by code and never by prototype. The cause may
// be any value: the value codec carries it, and other errors, itself.
// Invariants:
//   EW1. fromWire(toWire(e)) has the class, code, message, data, stack and cause of e.
//   EW2. A code that this version does not know becomes a RemoteError that keeps all of it, and
//       goes on under its own code: a newer version that gets it back sees the error whole.
//   EW3. Only what stands in the wire form is read; nothing of it is called or used as a prototype.
// Source: Temporal packages/common/src/converter/failure-converter.ts (a closed failure set).
import { DecodeError } from './protocol-errors.ts'
import { RemoteError, findErrorClass } from './virga-error.ts'
import type { ErrorData, VirgaError } from './virga-error.ts'

export interface WireError {
  readonly code: string
  readonly message: string
  readonly data: ErrorData
  readonly stack: string
  /** Present exactly when the error has a cause, which may be undefined (`throw undefined`). */
  readonly cause?: unknown
}

/** The wire form of an error of the family: a plain object for the value codec. */
export function toWire(error: VirgaError): WireError {
  const known = error instanceof RemoteError ? (error.data as Partial<UnknownData>) : undefined
  const wire = {
    code: known?.remoteCode ?? error.code,
    message: error.message,
    data: known?.remoteData ?? error.data,
    stack: error.stack ?? '',
  }
  return Object.hasOwn(error, 'cause') ? { ...wire, cause: error.cause } : wire
}

/** What a RemoteError has as `data`. */
interface UnknownData {
  readonly remoteCode: string
  readonly remoteData: ErrorData
}

/**
 * The error of a wire form.
 * @throws DecodeError when it is none.
 */
export function fromWire(value: unknown): VirgaError {
  const { code, message, data, stack, cause } = checked(value)
  const given = { data, ...(cause === undefined ? {} : { cause: cause.value }) }
  const type = findErrorClass(code)
  const error =
    type === undefined
      ? new RemoteError(message, { ...given, data: { remoteCode: code, remoteData: data } })
      : new type(message, given)
  const text = stack === '' ? `${error.name}: ${message}` : stack
  Object.defineProperty(error, 'stack', { value: text, configurable: true, writable: true })
  return error
}

interface Checked extends Omit<WireError, 'cause'> {
  readonly cause: { readonly value: unknown } | undefined
}

function checked(value: unknown): Checked {
  const wire = isRecord(value) ? value : {}
  const own = (key: string): unknown => (Object.hasOwn(wire, key) ? wire[key] : undefined)
  const code = own('code')
  const message = own('message')
  const data = own('data')
  if (typeof code !== 'string' || typeof message !== 'string' || !isRecord(data)) {
    throw new DecodeError('an error on the wire lacks its code, message or data')
  }
  const stack = own('stack')
  const cause = Object.hasOwn(wire, 'cause') ? { value: wire['cause'] } : undefined
  return { code, message, data, stack: typeof stack === 'string' ? stack : '', cause }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
