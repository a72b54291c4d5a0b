// What a task, or a constructor, threw travels as it is, or else as the nearest thing that can.
import { describe, expect, it } from 'vitest'
import {
  CapacityError,
  ObjectLostError,
  ObjectStoreFullError,
  SerializationError,
} from '../../../runtime/common/errors.ts'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import {
  ArgumentLost,
  decodeFailure,
  encodeFailure,
  mayRetryFailure,
  sendableOf,
} from '../../../runtime/core-worker/failure.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'

const codec = new ValueCodec()
const where = { nodeId: '0a', pid: 7, workerId: '0b' }

class AppError extends Error {}
class HoldingError extends AppError {
  readonly code = 'E_HOLDING'
  readonly socket = () => 1
}
const mute = new Proxy(new Error('mute'), {
  getPrototypeOf: () => {
    throw new Error('trap')
  },
})

function sent(thrown: unknown) {
  const failure = decodeFailure(codec, encodeFailure(codec, thrown, where).blob)
  if (failure.kind !== 'user') throw new Error('told as a failure of the system')
  return failure
}

describe('what was thrown', () => {
  it('keeps the names of all its classes, also where a plainer error stands in for it', () => {
    const { cause, classes } = sent(new HoldingError('of the app'))
    expect(cause).toMatchObject({ message: 'of the app', code: 'E_HOLDING' })
    expect(classes).toEqual(['HoldingError', 'AppError', 'Error', 'Object'])
  })

  it('of an object that cannot travel, says what of it cannot', () => {
    const held = { callback: () => 1 }
    for (const told of [sent(held).cause, sendableOf(codec, held)]) {
      expect(told).toBeInstanceOf(SerializationError)
      expect((told as SerializationError).message).toContain('.callback cannot be sent')
    }
  })

  it('that throws when it is read is an error that says so, of no class', () => {
    const { cause, classes } = sent(mute)
    expect((cause as Error).message).toContain('throws itself when it is read')
    expect(classes).toEqual([])
  })

  it.each([new RangeError('as it is'), new HoldingError('h'), mute, 'text'])(
    'by a constructor travels as what a task threw does (%#)',
    (thrown) => {
      const sendable = codec.decode(codec.encode(sendableOf(codec, thrown), 'error').toBytes())
      const { cause } = sent(thrown)
      expect(String(sendable)).toBe(String(cause))
      expect(sendable).toStrictEqual(cause)
    },
  )
})

it.each([
  [new CapacityError('the bucket is away'), true],
  [new ObjectStoreFullError('the disk here is full'), true],
  [new ObjectLostError('no copy is left'), false],
])(
  'an argument that cannot be read: %s: its task, which had not begun, may run again: %s',
  (error, may) => {
    const lost = new ArgumentLost('an object'.padEnd(20, '.') as ObjectId, error)
    const failure = decodeFailure(codec, encodeFailure(codec, lost, where).blob)
    expect(mayRetryFailure(failure, {} as TaskRecord)).toBe(may)
  },
)
