// process.exit() inside a task of inline mode: ends the worker that runs it, as it would end a
// worker process, and not the program under test.
import { systemContext } from '../../runtime/core-worker/context-system.ts'
import type { CoreWorker } from '../../runtime/core-worker/core-worker.ts'

/**
 * @param end  ends that worker of this process with that exit code.
 * @returns puts process.exit back as it was.
 */
export function endWorkersThatExit(end: (worker: CoreWorker, code: number) => void): () => void {
  const before = Object.getOwnPropertyDescriptor(process, 'exit') ?? {}
  const exit = process.exit.bind(process)
  process.exit = (code) => {
    const scope = systemContext.current()
    if (scope?.parts.mode !== 'worker') return exit(code)
    const { coreWorker, name } = scope.parts
    end(coreWorker, Number(code ?? process.exitCode ?? 0))
    // Ends the call; its worker is gone, so nobody hears of this error.
    throw new Error(`${name} called process.exit(), which ended its worker`)
  }
  return () => {
    Object.defineProperty(process, 'exit', before)
  }
}
