// The base of every error of Virga, and the six kinds, sorted by what the caller must do.
//   UsageError           fix the call
//   TaskError            read the cause: user code threw
//   LostError            the system retried up to maxRetries; the thing is gone
//   CapacityError        wait, scale or shed
//   UnknownOutcomeError  retry only with the same idempotency key
//   StoppedError         stop
// Invariants:
//   E1. A class is known by its code, on the wire and by instanceof: the brand of a code is a
//       symbol of the global registry, so that two copies of the package agree.
//   E2. `retryable` follows from the kind and is set in one place, here.
//   E3. Every class is built as (message, { cause, data }), so that it can be rebuilt by its code.
// A bug is none of these kinds: see assert.ts.
// Source: Temporal packages/common/src/failure.ts (symbol instanceof); FoundationDB
// error_definitions.h (errors of an unknown outcome); Ray python/ray/exceptions.py (names).

/** What an error is about, as plain values of the value codec: ids, sizes, names. */
export type ErrorData = Readonly<Record<string, unknown>>

/** What an error of Virga is made with, beside its message. */
export interface VirgaErrorOptions<D extends ErrorData = ErrorData> {
  readonly cause?: unknown
  readonly data?: D
}

/** A class of the family: everything that `rebuild by code` can make. */
export type VirgaErrorClass = new (message: string, options?: VirgaErrorOptions) => VirgaError

const byCode = new Map<string, VirgaErrorClass>()

const brandOf = (code: string): symbol => Symbol.for(`virga.error.${code}`)

/**
 * The base of all errors of Virga.
 * `code` is stable and made for programs (`ERR_OBJECT_LOST`); `message` says what happened, to
 * what, and what to do next; `retryable` says whether the same call may be made again as it is.
 * `data` has the ids and figures of the message as plain values.
 */
export class VirgaError extends Error {
  readonly code: string
  readonly retryable: boolean
  readonly data: ErrorData

  static {
    define(this, 'VirgaError', 'ERR_VIRGA', false)
  }

  constructor(message: string, options: VirgaErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = new.target.prototype.code
    this.retryable = new.target.prototype.retryable
    this.data = options.data ?? {}
  }

  /** E1. A subclass of the user's has no brand of its own and falls back to its prototype. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return false
    if (Object.hasOwn(this.prototype, 'code')) return brandOf(this.prototype.code) in value
    return Function.prototype[Symbol.hasInstance].call(this, value)
  }
}

/**
 * Give a class its name and code; called once, in a static block of the class.
 * @param retryable  only for a kind; its members inherit it.
 */
export function define(
  type: VirgaErrorClass,
  name: string,
  code: string,
  retryable?: boolean,
): void {
  const put = (key: PropertyKey, value: unknown): void => {
    Object.defineProperty(type.prototype, key, { value, configurable: true, writable: true })
  }
  put('name', name)
  put('code', code)
  put(brandOf(code), true)
  if (retryable !== undefined) put('retryable', retryable)
  byCode.set(code, type)
}

/** The class of a code, or undefined for a code that this version does not know. */
export function findErrorClass(code: string): VirgaErrorClass | undefined {
  return byCode.get(code)
}

/** Every code of the closed set. */
export function errorCodes(): readonly string[] {
  return [...byCode.keys()]
}

/** The call is wrong and stays wrong: fix it. */
export class UsageError extends VirgaError {
  static {
    define(this, 'UsageError', 'ERR_USAGE', false)
  }
}

/** Which task threw, and where: what `TaskError.task` tells. */
export interface TaskInfo {
  /** The name shown for the function or `Class.method`. */
  readonly name: string
  readonly taskId: string
  readonly actorId?: string
  readonly nodeId: string
  readonly pid: number
  readonly workerId: string
  /** How many attempts were made, the failed one included; that one's number is one less. */
  readonly attempts: number
}

/**
 * User code threw. `cause` is the very value that it threw, rebuilt; `task` says which task it
 * was and where it ran. Retried only under `retryExceptions`.
 */
export class TaskError extends VirgaError {
  static {
    define(this, 'TaskError', 'ERR_TASK', false)
  }

  get task(): TaskInfo {
    return this.data as unknown as TaskInfo
  }
}

/** A process, node or object is gone, and the retries allowed are used up. */
export class LostError extends VirgaError {
  static {
    define(this, 'LostError', 'ERR_LOST', true)
  }
}

/** There is no room now: wait, scale or shed load. */
export class CapacityError extends VirgaError {
  static {
    define(this, 'CapacityError', 'ERR_CAPACITY', true)
  }
}

/** The request may or may not have been applied: repeat it only with the same idempotency key. */
export class UnknownOutcomeError extends VirgaError {
  static {
    define(this, 'UnknownOutcomeError', 'ERR_UNKNOWN_OUTCOME', false)
  }
}

/** The work was stopped on purpose or by its time limit. */
export class StoppedError extends VirgaError {
  static {
    define(this, 'StoppedError', 'ERR_STOPPED', false)
  }
}

/** An error whose code this version does not know, from another version: it keeps its text. */
export class RemoteError extends VirgaError {
  static {
    define(this, 'RemoteError', 'ERR_REMOTE', false)
  }
}
