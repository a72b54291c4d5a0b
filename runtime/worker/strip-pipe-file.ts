// The worker's side of TypeScript stripping: ask the raylet and wait, without yielding. Loading a
// module is synchronous, and the pipe is a blocking one in the child.
import { readSync, writeSync } from 'node:fs'
import { answerLength, decodeStripAnswer, encodeStripRequest } from '../protocol/strip-message.ts'
import type { StripAnswer, StripRequest } from '../protocol/strip-message.ts'

export type AskStrip = (request: StripRequest) => StripAnswer

/** @param fd  the worker's end of the pipe: STRIP_FD. */
export function stripOverPipe(fd: number): AskStrip {
  return (request) => {
    const message = encodeStripRequest(request)
    for (let sent = 0; sent < message.length;) sent += writeSync(fd, message, sent)
    const length = answerLength(readExactly(fd, 4))
    return decodeStripAnswer(readExactly(fd, length))
  }
}

function readExactly(fd: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  for (let got = 0; got < sizeBytes;) {
    const count = readSync(fd, bytes, got, sizeBytes - got, null)
    if (count === 0) throw new Error('The raylet is gone, so no module can be loaded any more.')
    got += count
  }
  return bytes
}
