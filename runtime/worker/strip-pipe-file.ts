// The worker's side of TypeScript stripping: ask the raylet and wait, without yielding. Loading a
// module is synchronous, and the pipe is a blocking one in the child.
// Invariants:
//   PG1. A raylet that goes meanwhile is no error of the module: its worker ends as it does when
//        nothing is loaded, and what it ran is retried. Nothing else could see it go until then.
import { readSync, writeSync } from 'node:fs'
import { answerLength, decodeStripAnswer, encodeStripRequest } from '../protocol/strip-message.ts'
import type { StripAnswer, StripRequest } from '../protocol/strip-message.ts'

export type AskStrip = (request: StripRequest) => StripAnswer

/** As which it shows here that the other end is closed, beside an end of what is read. */
const CLOSED = new Set(['ECONNRESET', 'EPIPE'])

/**
 * @param fd    the worker's end of the pipe: STRIP_FD.
 * @param gone  the raylet is: ends this process.
 */
export function stripOverPipe(fd: number, gone: () => never): AskStrip {
  return (request) => {
    try {
      const message = encodeStripRequest(request)
      for (let sent = 0; sent < message.length;) sent += writeSync(fd, message, sent)
      const length = answerLength(readExactly(fd, 4, gone))
      return decodeStripAnswer(readExactly(fd, length, gone))
    } catch (error) {
      if (CLOSED.has((error as NodeJS.ErrnoException).code ?? '')) gone()
      throw error
    }
  }
}

function readExactly(fd: number, sizeBytes: number, gone: () => never): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  for (let got = 0; got < sizeBytes;) {
    const count = readSync(fd, bytes, got, sizeBytes - got, null)
    if (count === 0) gone()
    got += count
  }
  return bytes
}
