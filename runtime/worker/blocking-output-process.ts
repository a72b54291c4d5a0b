// A worker's standard output: it waits for its reader, and says whose output it is.
// Node buffers what a pipe does not take at once, without any limit: a task that prints a gigabyte
// would hold it all, and what is printed last would be lost when the worker ends. A blocking pipe
// makes the task wait instead, and by the time its result is sent, all it printed is on its way.
// The streams are made at first use, as Node does: most workers never print.
import { outputMark } from '../common/output-mark.ts'

interface PipeStream {
  readonly _handle?: { setBlocking?(blocking: boolean): void }
  write(chunk: string | Uint8Array, ...rest: unknown[]): boolean
}

/**
 * To be called before anything is printed.
 * @param currentName  the function or class that runs, undefined outside of any.
 */
export function blockOutput(currentName: () => string | undefined): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const original = Object.getOwnPropertyDescriptor(process, name)
    if (original?.get === undefined) continue
    Object.defineProperty(process, name, {
      ...original,
      get() {
        const stream = original.get?.call(process) as PipeStream
        stream._handle?.setBlocking?.(true)
        markOutput(stream, currentName)
        Object.defineProperty(process, name, original)
        return stream
      },
    })
  }
}

/** Names go between lines, and only when they change. */
function markOutput(stream: PipeStream, currentName: () => string | undefined): void {
  const write = stream.write.bind(stream)
  let told: string | undefined
  let atLineStart = true
  stream.write = (chunk, ...rest) => {
    const name = atLineStart ? currentName() : undefined
    if (name !== undefined && name !== told) {
      told = name
      write(outputMark(name))
    }
    const last = chunk.at(-1)
    atLineStart = last === '\n' || last === LINE_FEED
    return write(chunk, ...rest)
  }
}

const LINE_FEED = 10
