// How a failure travels: as the result of its task, on the same road as a value.
// What the user threw is carried by the value codec; what Virga reports goes by its code.
import { fromWire, toWire, type WireError } from '../common/error-wire.ts'
import { SerializationError, TaskTimeoutError, VirgaError } from '../common/errors.ts'
import { taskErrorOf } from '../common/task-error.ts'
import { toHex, type ObjectId } from '../common/ids.ts'
import { portableError, type ValueCodec } from '../protocol/value-codec.ts'
import type { TaskRecord } from './task-record.ts'

interface Where {
  readonly nodeId: string
  readonly pid: number
  readonly workerId: string
}

export type Failure =
  | {
      readonly kind: 'user'
      readonly cause: unknown
      /** Names of the thrown value's class and its ancestors, for retryExceptions. */
      readonly classes: readonly string[]
      readonly where: Where
    }
  | { readonly kind: 'system'; readonly error: WireError }
  | ArgumentFailure

/** The task did not begin: a stored argument could not be read. */
export interface ArgumentFailure {
  readonly kind: 'argument'
  readonly objectId: ObjectId
  readonly error: WireError
}

/** Thrown in place of what the store said of a stored argument. */
export class ArgumentLost extends Error {
  readonly objectId: ObjectId
  readonly error: VirgaError

  constructor(objectId: ObjectId, error: VirgaError) {
    super(error.message, { cause: error })
    this.objectId = objectId
    this.error = error
  }
}

/** Encodes what a task threw; of an error with a socket or a function in it, what can travel. */
export function encodeFailure(
  codec: ValueCodec,
  thrown: unknown,
  where: Where,
): { readonly blob: Uint8Array; readonly handles: readonly object[] } {
  const classes = classesOf(thrown)
  return send(thrown, (cause) => withHandles(codec, failureOf(cause, classes, where)))
}

/** What a constructor threw, or what of it can travel. */
export function sendableOf(codec: ValueCodec, thrown: unknown): unknown {
  return send(thrown, (cause) => {
    codec.encode(cause, 'error')
    return cause
  })
}

/** Sends what was thrown, or what stands in for it where that cannot travel. */
function send<T>(thrown: unknown, by: (cause: unknown) => T): T {
  try {
    return by(thrown)
  } catch (refusal) {
    try {
      return by(thrown instanceof Error ? portableError(thrown) : refusal)
    } catch {
      return by(new Error(UNREADABLE))
    }
  }
}

const UNREADABLE = 'what was thrown throws itself when it is read: throw an Error of plain values'

function failureOf(thrown: unknown, classes: readonly string[], where: Where): Failure {
  if (isThrown(thrown, ArgumentLost)) {
    const { objectId, error } = thrown
    return { kind: 'argument', objectId, error: toWire(error) }
  }
  return thrown instanceof VirgaError && thrown.code !== 'ERR_TASK' && systemFailures.has(thrown)
    ? { kind: 'system', error: toWire(thrown) }
    : { kind: 'user', cause: thrown, classes, where }
}

/** Whether it is one of `Class`: a Proxy that throws when it is asked is none. */
export function isThrown<T>(
  thrown: unknown,
  Class: abstract new (...args: never[]) => T,
): thrown is T {
  try {
    return thrown instanceof Class
  } catch {
    return false
  }
}

/** What a reply says; a failure that cannot be decoded here is a failure too. */
export function decodeFailure(codec: ValueCodec, blob: Uint8Array): Failure {
  try {
    return codec.decode(blob) as Failure
  } catch (cause) {
    const error = new SerializationError(
      'what the task threw cannot be decoded here, see the cause: throw an Error of plain values',
      { cause },
    )
    return { kind: 'system', error: toWire(error) }
  }
}

/** Errors made by the worker itself on behalf of a task, as opposed to thrown by user code. */
const systemFailures = new WeakSet<VirgaError>()

export function asSystemFailure<E extends VirgaError>(error: E): E {
  systemFailures.add(error)
  return error
}

/** The error that `get` throws for this failure of this task. */
export function errorOf(failure: Failure, record: TaskRecord): Error {
  if (failure.kind !== 'user') return fromWire(failure.error)
  const { actorId } = record.kind
  return taskErrorOf(failure.cause, {
    name: record.kind.name,
    taskId: toHex(record.scope.childTaskId(record.index)),
    ...(actorId === undefined ? {} : { actorId: toHex(actorId) }),
    ...failure.where,
    attempts: record.attempt + 1,
  })
}

/** What kept an argument from being read passes: a bucket that is away, a full disk or store. */
const PASSING = new Set(['ERR_CAPACITY', 'ERR_GCS_UNAVAILABLE', 'ERR_OBJECT_STORE_FULL'])

/** Whether a failed task may run again: by its retryExceptions, or as it had not begun. */
export function mayRetryFailure(failure: Failure, record: TaskRecord): boolean {
  if (failure.kind === 'user') return mayRetry(failure.classes, record)
  if (failure.kind === 'argument') return PASSING.has(failure.error.code)
  return failure.error.code === 'ERR_TASK_TIMEOUT' && mayRetryTimeout(record)
}

export function timeoutError(name: string, timeoutMs: number): TaskTimeoutError {
  const text = `${name} ran longer than its timeoutMs of ${String(timeoutMs)}`
  return new TaskTimeoutError(text, { data: { name, timeoutMs } })
}

/** Whether a task that ran longer than its timeoutMs may run again. */
export function mayRetryTimeout(record: TaskRecord): boolean {
  return mayRetry(classesOf(TaskTimeoutError.prototype), record)
}

function mayRetry(classes: readonly string[], { kind: { retryExceptions } }: TaskRecord): boolean {
  if (typeof retryExceptions === 'boolean') return retryExceptions
  return retryExceptions.some((name) => classes.includes(name))
}

export const blobOf = (codec: ValueCodec, value: unknown): Uint8Array =>
  withHandles(codec, value).blob

function withHandles(
  codec: ValueCodec,
  value: unknown,
): { readonly blob: Uint8Array; readonly handles: readonly object[] } {
  const encoded = codec.encode(value, 'error')
  return { blob: encoded.toBytes(), handles: encoded.handles }
}

/** What throws when it is read has no further names. */
function classesOf(thrown: unknown): readonly string[] {
  const names: string[] = []
  try {
    let proto: unknown =
      typeof thrown === 'object' && thrown !== null ? Object.getPrototypeOf(thrown) : null
    while (typeof proto === 'object' && proto !== null && names.length < 16) {
      const made = (proto as { constructor?: unknown }).constructor
      if (typeof made === 'function') names.push(made.name)
      proto = Object.getPrototypeOf(proto)
    }
    if (thrown instanceof Error && !names.includes(thrown.name)) names.push(thrown.name)
  } catch {
    return names
  }
  return names
}
