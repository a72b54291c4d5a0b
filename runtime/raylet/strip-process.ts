// The raylet's side of TypeScript stripping, as it touches the world.
//   makeStripService()                    the service over Node's stripper and the file system
//   serveStrip(stream, service, onError)  answer a worker's requests on its stdio[STRIP_FD]
// The stripper (17 MB, 30 ms) is loaded at the first request, in the raylet alone.
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { compileFunction } from 'node:vm'
import { systemHash } from '../common/random-system.ts'
import { requestLength } from '../protocol/strip-message.ts'
import { StripService } from './strip-service.ts'

export function makeStripService(): StripService {
  return new StripService({
    read: (url) => readFileSync(fileURLToPath(url)),
    strip: stripQuietly,
    isModule,
    hash: systemHash,
  })
}

/**
 * Answer requests until the worker is gone.
 * @param onError  told once when the worker sends what is no request; its stream is closed then.
 */
export function serveStrip(
  stream: Duplex,
  service: StripService,
  onError: (error: unknown) => void,
): void {
  let pending = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    try {
      while (pending.length >= 4) {
        const end = 4 + requestLength(pending)
        if (pending.length < end) return
        stream.write(service.answer(pending.subarray(4, end)))
        pending = pending.subarray(end)
      }
    } catch (error) {
      stream.destroy()
      onError(error)
    }
  })
  // A worker that dies while its answer is on the way: its exit is told elsewhere.
  stream.on('error', () => stream.destroy())
}

let isAnnounced = false

/** Node announces its stripper as experimental, once, in the log of whoever runs it. */
function stripQuietly(text: string): string {
  if (isAnnounced) return stripTypeScriptTypes(text, { mode: 'strip' })
  isAnnounced = true
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(text, { mode: 'strip' })
  } finally {
    process.emitWarning = emitWarning
  }
}

/** Node's own rule: what does not compile as CommonJS is tried as a module. */
function isModule(text: string): boolean {
  try {
    compileFunction(text, ['exports', 'require', 'module', '__filename', '__dirname'])
    return false
  } catch {
    return true // if it is neither, the worker's import says what is wrong
  }
}
