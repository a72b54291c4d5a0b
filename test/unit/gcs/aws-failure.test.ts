// What an error of AWS means: three kinds, and for what is final, what to do about it.
import { describe, expect, test } from 'vitest'
import { ObjectCorruptedError, UsageError } from '../../../runtime/common/errors.ts'
import {
  BrokenAnswerError,
  UnprocessedError,
  explainAws,
} from '../../../runtime/gcs/aws-failure.ts'

const named = (name: string, fields: object = {}): Error =>
  Object.assign(new Error('said so'), { name, ...fields })
const answered = (name: string, httpStatusCode: number): Error =>
  named(name, { $metadata: { httpStatusCode } })

describe('explainAws', () => {
  test.each([
    answered('ProvisionedThroughputExceededException', 400),
    answered('ThrottlingException', 400),
    answered('SlowDown', 503),
    answered('TransactionConflictException', 400),
    named('TransactionCanceledException', {
      $metadata: { httpStatusCode: 400 },
      CancellationReasons: [{ Code: 'TransactionConflict' }],
    }),
    named('Error', { code: 'ECONNREFUSED' }),
    named('Error', { code: 'ENOTFOUND' }),
  ])('F23, F28, F32: nothing was done: $name', (error) => {
    expect(explainAws(error).kind).toBe('NOT_DONE')
  })

  test.each([
    answered('InternalServerError', 500),
    named('TimeoutError', { code: 'ETIMEDOUT' }),
    named('Error', { code: 'ECONNRESET' }),
    named('SyntaxError', { $metadata: { httpStatusCode: 200 } }),
    new BrokenAnswerError('half'),
    new UnprocessedError('3 rows'),
  ])('F29, F30: it may have been done: $name', (error) => {
    expect(explainAws(error).kind).toBe('MAYBE_DONE')
  })

  test.each([
    ['B37', answered('CredentialsProviderError', 0), /set a profile or a role/],
    ['B38', answered('ExpiredTokenException', 400), /have expired: renew them/],
    ['B41', answered('AccessDeniedException', 400), /lacks a right/],
    ['B42', answered('ResourceNotFoundException', 400), /deployed in this region/],
    ['F25', answered('InvalidSignatureException', 403), /this node's clock/],
    ['a bug', answered('ValidationException', 400), /bug of Virga/],
  ])('%s: final, with what to do next', (_, error, advice) => {
    const failure = explainAws(error)
    expect(failure.kind).toBe('FINAL')
    expect(failure.error).toBeInstanceOf(UsageError)
    expect(failure.error.message).toMatch(advice)
  })

  test.each([
    ['20261126T194000Z', '20261126T204000Z', '3600 s slow'],
    ['20240301T000010Z', '20240229T235959Z', '11 s fast'],
    ['20270101T000000Z', '20261231T235500Z', '300 s fast'],
  ])('F25: by how much the clock is off: %s, where it is %s', (ours, theirs, told) => {
    const message = `Signature expired: ${ours} is now earlier than X (${theirs} - 5 min.)`
    const error = Object.assign(answered('InvalidSignatureException', 403), { message })
    expect(explainAws(error).error.message).toContain(`the clock of this node is ${told}`)
  })

  test('errors of Virga pass as they are', () => {
    const error = new ObjectCorruptedError('other bytes')
    expect(explainAws(error)).toEqual({ kind: 'FINAL', error })
  })
})
