// A reason for which work is refused, told of one piece of it.
import { expect, test } from 'vitest'
import { InfeasibleError } from '../../../runtime/common/errors.ts'
import { reasonFor } from '../../../runtime/common/reason.ts'

test('puts the name in front, in the message and in the stack, and keeps the rest', () => {
  const reason = new InfeasibleError('can never run here: $& of GPU', { data: { nearest: 'GPU' } })
  const error = reasonFor('train', reason)
  expect(error).toBeInstanceOf(InfeasibleError)
  expect(error.message).toBe('train can never run here: $& of GPU')
  expect(error.stack).toMatch(/^InfeasibleError: train can never run here: \$& of GPU\n +at /)
  expect(error.data).toEqual({ nearest: 'GPU' })
  expect(reason.message).toBe('can never run here: $& of GPU')
})
