// Assertions find bugs; they are no errors of the family.
import { expect, test } from 'vitest'
import { AssertionError, assert, unreachable } from '../../../runtime/common/assert.ts'
import { VirgaError } from '../../../runtime/common/errors.ts'

test('assert passes what is true and throws with its message otherwise', () => {
  assert(1, 'never shown')
  expect(() => assert(0, 'one lease per worker')).toThrow(AssertionError)
  expect(() => assert(0, 'one lease per worker')).toThrow('one lease per worker (a bug of Virga')
})

test('unreachable names the case that nobody handled', () => {
  expect(() => unreachable('REVOKED' as never)).toThrow('unhandled case REVOKED')
})

test('a bug is no VirgaError, so that nothing takes it for something expected', () => {
  expect(new AssertionError('x')).not.toBeInstanceOf(VirgaError)
})
