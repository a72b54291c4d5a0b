// Makes a worker's standard output wait for its reader. Node buffers what a pipe does not take at
// once, without any limit: a task that prints a gigabyte would hold it all, and what is printed
// last would be lost when the worker ends. A blocking pipe makes the task wait instead, and by the
// time its result is sent, all it printed is on its way.
// The streams are made at first use, as Node does: most workers never print.

interface PipeStream {
  readonly _handle?: { setBlocking?(blocking: boolean): void }
}

/** To be called before anything is printed. */
export function blockOutput(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const original = Object.getOwnPropertyDescriptor(process, name)
    if (original?.get === undefined) continue
    Object.defineProperty(process, name, {
      ...original,
      get() {
        const stream = original.get?.call(process) as PipeStream
        stream._handle?.setBlocking?.(true)
        Object.defineProperty(process, name, original)
        return stream
      },
    })
  }
}
