// What worker and raylet say to each other about TypeScript, over a pair of bytes streams of its
// own (fd STRIP_FD of the worker), because the worker must wait for the answer without yielding.
//   request  u32 length, then: u8 1 = tell the module format too, then the file URL as UTF-8
//   answer   u32 length, then: u8 status, 32 bytes SHA-256 of the file, then UTF-8: the text, or of
//            an error a JSON object { code?, message }
// Invariants:
//   SM1. Lengths come first and are checked before anything is allocated.
import { DecodeError, FrameTooLargeError } from '../common/errors.ts'

/** The worker's end: after stdin, stdout and stderr. */
export const STRIP_FD = 3
/** A source file of more is generated data, and would stop the raylet for seconds. */
export const SOURCE_BYTES_MAX = 32 * 1024 * 1024
const URL_BYTES_MAX = 64 * 1024
const HASH_BYTES = 32
const ANSWER_HEAD_BYTES = 1 + HASH_BYTES

export interface StripRequest {
  /** A file URL, with its query if it has one. */
  readonly url: string
  /** The worker cannot tell whether the file is a module: no "type" in its package.json. */
  readonly wantsFormat: boolean
}

export type ModuleFormat = 'module' | 'commonjs'

export type StripAnswer =
  | {
      readonly kind: 'stripped'
      /** 'module' where the request did not want to know. */
      readonly format: ModuleFormat
      readonly sha256: Uint8Array
      readonly text: string
    }
  | {
      readonly kind: 'failed'
      readonly code: string | undefined
      readonly message: string
      readonly isSyntaxError: boolean
    }

const STATUS = { module: 0, commonjs: 1, failed: 2 } as const

/** The whole message, its length first. */
export function encodeStripRequest(request: StripRequest): Buffer {
  return withLength([Buffer.of(request.wantsFormat ? 1 : 0), Buffer.from(request.url)])
}

/** @param body  the message without its length. */
export function decodeStripRequest(body: Buffer): StripRequest {
  if (body.length < 2) throw new DecodeError('A strip request is empty.')
  return { wantsFormat: body[0] === 1, url: body.toString('utf8', 1) }
}

/** The whole message, its length first. */
export function encodeStripAnswer(answer: StripAnswer): Buffer {
  if (answer.kind === 'stripped') {
    const head = Buffer.of(STATUS[answer.format])
    return withLength([head, answer.sha256, Buffer.from(answer.text)])
  }
  const { code, message, isSyntaxError } = answer
  const json = JSON.stringify({ code, message, isSyntaxError })
  return withLength([Buffer.of(STATUS.failed), Buffer.alloc(HASH_BYTES), Buffer.from(json)])
}

/** @param body  the message without its length. */
export function decodeStripAnswer(body: Buffer): StripAnswer {
  if (body.length < ANSWER_HEAD_BYTES) throw new DecodeError('A strip answer is cut short.')
  const text = body.toString('utf8', ANSWER_HEAD_BYTES)
  if (body[0] === STATUS.failed) return decodeFailure(text)
  const format = body[0] === STATUS.commonjs ? 'commonjs' : 'module'
  return { kind: 'stripped', format, sha256: body.subarray(1, ANSWER_HEAD_BYTES), text }
}

/** @returns how many bytes follow a length. @throws FrameTooLargeError (SM1). */
export function requestLength(head: Buffer): number {
  return checkedLength(head, URL_BYTES_MAX)
}

export function answerLength(head: Buffer): number {
  return checkedLength(head, SOURCE_BYTES_MAX + ANSWER_HEAD_BYTES)
}

function decodeFailure(text: string): StripAnswer {
  const failure = JSON.parse(text) as { code?: string; message: string; isSyntaxError: boolean }
  return { kind: 'failed', ...failure, code: failure.code }
}

function checkedLength(head: Buffer, maxBytes: number): number {
  const sizeBytes = head.readUInt32LE(0)
  if (sizeBytes <= maxBytes) return sizeBytes
  throw new FrameTooLargeError(
    `A message about TypeScript has ${sizeBytes} bytes, at most ${maxBytes} are taken.`,
    { data: { sizeBytes, maxBytes } },
  )
}

function withLength(parts: readonly Uint8Array[]): Buffer {
  const sizeBytes = parts.reduce((sum, part) => sum + part.length, 0)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(sizeBytes)
  return Buffer.concat([head, ...parts])
}
