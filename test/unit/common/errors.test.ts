// Every error of the family: its class, code and kind, and its way over the wire.
import { describe, expect, test } from 'vitest'
import * as errors from '../../../runtime/common/errors.ts'
import { fromWire, toWire } from '../../../runtime/common/error-wire.ts'
import type { VirgaErrorClass } from '../../../runtime/common/errors.ts'
import type * as virgaError from '../../../runtime/common/virga-error.ts'

const KINDS = {
  UsageError: false,
  TaskError: false,
  LostError: true,
  CapacityError: true,
  UnknownOutcomeError: false,
  StoppedError: false,
} as const

/** The promise of the public surface, name by name. */
const MEMBERS: Readonly<Record<keyof typeof KINDS, readonly string[]>> = {
  UsageError: [
    'SerializationError',
    'FunctionNotFoundError',
    'MethodNotFoundError',
    'ActorAlreadyExistsError',
    'ActorNotFoundError',
    'ForeignRefError',
    'ObjectFreedError',
    'ObjectNotFoundError',
    'ObjectTooLargeError',
    'InvalidEnvError',
    'DeadlockError',
    'ProtocolError',
    'PeerRefusedError',
    'FrameCorruptError',
    'FrameTooLargeError',
    'DecodeError',
    'DecodeLimitError',
    'DecompressLimitError',
    'UnsupportedMessageError',
  ],
  TaskError: [],
  LostError: [
    'WorkerCrashedError',
    'NodeDiedError',
    'ActorDiedError',
    'ObjectLostError',
    'ObjectCorruptedError',
    'OwnerDiedError',
  ],
  CapacityError: [
    'InfeasibleError',
    'TaskUnschedulableError',
    'ActorUnschedulableError',
    'ObjectStoreFullError',
    'OutOfMemoryError',
    'PendingCallsLimitError',
    'QueueFullError',
    'QueueEmptyError',
    'GcsUnavailableError',
  ],
  UnknownOutcomeError: ['ActorUnavailableError', 'GcsWriteUnknownError'],
  StoppedError: [
    'TaskCancelledError',
    'GetTimeoutError',
    'TaskTimeoutError',
    'PlacementGroupRemovedError',
  ],
}

const classes = new Map<string, VirgaErrorClass>()
for (const [name, value] of Object.entries(errors)) {
  if (name.endsWith('Error')) classes.set(name, value as VirgaErrorClass)
}

const classOf = (name: string): VirgaErrorClass => {
  const type = classes.get(name)
  if (type === undefined) throw new Error(`no class ${name} in errors.ts`)
  return type
}

const rows = Object.entries(MEMBERS).flatMap(([kind, members]) =>
  [kind, ...members].map((name) => ({ name, kind: kind as keyof typeof KINDS })),
)

test('the table of this test names every class there is', () => {
  const named = new Set([...rows.map((row) => row.name), 'VirgaError', 'RemoteError'])
  expect(new Set(classes.keys())).toEqual(named)
  expect(errors.errorCodes().length).toBe(named.size)
})

describe.each(rows)('$name', ({ name, kind }) => {
  const type = classOf(name)
  const data = { nodeId: 'abc', sizeBytes: 7, list: [1, undefined, null] }
  const cause = new RangeError('why')
  const error = new type('what happened, what to do', { cause, data })

  test('has the code of its name, and is retryable as its kind is', () => {
    const code = `ERR_${name
      .slice(0, -'Error'.length)
      .replaceAll(/(?<!^)([A-Z])/g, '_$1')
      .toUpperCase()}`
    expect(error.code).toBe(code)
    expect(error.name).toBe(name)
    expect(error.retryable).toBe(KINDS[kind])
    expect(error.stack).toContain(`${name}: what happened, what to do`)
  })

  test('is an instance of its kind, of the base and of no other kind', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(errors.VirgaError)
    for (const other of Object.keys(KINDS)) {
      expect(error instanceof classOf(other)).toBe(other === kind)
    }
  })

  test('goes over the wire with class, code, message, data, stack and cause', () => {
    const back = fromWire(toWire(error))
    expect(Object.getPrototypeOf(back)).toBe(type.prototype)
    expect(back.code).toBe(error.code)
    expect(back.retryable).toBe(error.retryable)
    expect(back.message).toBe(error.message)
    expect(back.data).toEqual(data)
    expect(back.stack).toBe(error.stack)
    expect(back.cause).toBe(cause)
  })
})

test.each([undefined, null, 'text', 0, { code: 'mine' }])(
  'a cause may be any value, such as %o, and is told from no cause at all',
  (cause) => {
    const back = fromWire(toWire(new errors.TaskError('x', { cause })))
    expect(Object.hasOwn(back, 'cause')).toBe(true)
    expect(back.cause).toBe(cause)
    expect(Object.hasOwn(fromWire(toWire(new errors.LostError('x'))), 'cause')).toBe(false)
  },
)

test('an unknown code becomes a RemoteError that keeps its text and goes on under its own code', () => {
  const wire = { code: 'ERR_OF_TOMORROW', message: 'new', data: { a: 1 }, stack: 's', cause: 'c' }
  const error = fromWire(wire)
  expect(error).toBeInstanceOf(errors.RemoteError)
  expect(error.message).toBe('new')
  expect(error.data).toEqual({ remoteCode: 'ERR_OF_TOMORROW', remoteData: { a: 1 } })
  expect(toWire(error)).toEqual(wire)
})

test.each([null, 7, [], {}, { code: 'ERR_LOST' }, { code: 1, message: 'x', data: {} }])(
  'what is no wire form is refused: %o',
  (value) => {
    expect(() => fromWire(value)).toThrow(errors.DecodeError)
  },
)

test('codes of Object.prototype are unknown codes like any other', () => {
  for (const code of ['__proto__', 'constructor', 'toString']) {
    expect(fromWire({ code, message: 'x', data: {}, stack: '' })).toBeInstanceOf(errors.RemoteError)
  }
})

test('two copies of the package agree on instanceof', async () => {
  // The query makes another module, as a second installed copy would be.
  const path: string = '../../../runtime/common/virga-error.ts?copy'
  const copy = (await import(path)) as typeof virgaError
  expect(copy.LostError).not.toBe(errors.LostError)
  expect(new copy.LostError('x')).toBeInstanceOf(errors.LostError)
  expect(new errors.WorkerCrashedError('x')).toBeInstanceOf(copy.LostError)
  expect(new copy.LostError('x')).not.toBeInstanceOf(errors.StoppedError)
})

test('a subclass of the user is an instance of itself and of ours, and ours not of it', () => {
  class Mine extends errors.LostError {}
  expect(new Mine('x')).toBeInstanceOf(Mine)
  expect(new Mine('x')).toBeInstanceOf(errors.LostError)
  expect(new errors.LostError('x')).not.toBeInstanceOf(Mine)
  expect(new Mine('x').code).toBe('ERR_LOST')
})

test('nothing but an error is an instance', () => {
  for (const value of [null, undefined, 'x', 7, {}, new Error('x')]) {
    expect(value instanceof errors.VirgaError).toBe(false)
  }
})
