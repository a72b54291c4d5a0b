// Messages about TypeScript come back as they were, or are refused.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DecodeError, FrameTooLargeError } from '../../../runtime/common/errors.ts'
import {
  answerLength,
  decodeStripAnswer,
  decodeStripRequest,
  encodeStripAnswer,
  encodeStripRequest,
  requestLength,
} from '../../../runtime/protocol/strip-message.ts'
import type { StripAnswer } from '../../../runtime/protocol/strip-message.ts'

describe('messages about TypeScript', () => {
  test('a request comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.boolean(), (url, wantsFormat) => {
        const bytes = encodeStripRequest({ url, wantsFormat })
        expect(requestLength(bytes)).toBe(bytes.length - 4)
        expect(decodeStripRequest(bytes.subarray(4))).toEqual({ url, wantsFormat })
      }),
    )
  })

  test('an answer comes back as it was', () => {
    const stripped = fc.record({
      kind: fc.constant('stripped' as const),
      format: fc.constantFrom('module' as const, 'commonjs' as const),
      sha256: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
      text: fc.string({ unit: 'grapheme' }),
    })
    const failed = fc.record({
      kind: fc.constant('failed' as const),
      code: fc.option(fc.string(), { nil: undefined }),
      message: fc.string(),
      isSyntaxError: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.oneof(stripped, failed), (answer: StripAnswer) => {
        const bytes = encodeStripAnswer(answer)
        expect(answerLength(bytes)).toBe(bytes.length - 4)
        expect(decodeStripAnswer(bytes.subarray(4))).toEqual(answer)
      }),
    )
  })

  test('a length beyond the limit is refused before anything is allocated', () => {
    const head = Buffer.from([255, 255, 255, 255])
    expect(() => requestLength(head)).toThrow(FrameTooLargeError)
    expect(() => answerLength(head)).toThrow(FrameTooLargeError)
  })

  test('what is cut short is refused', () => {
    expect(() => decodeStripRequest(Buffer.alloc(1))).toThrow(DecodeError)
    expect(() => decodeStripAnswer(Buffer.alloc(32))).toThrow(DecodeError)
  })
})
