// process.exit() inside a task of inline mode: ends the task, as it would end a worker process, and
// not the program under test.
import { WorkerCrashedError } from '../../runtime/common/errors.ts'
import { systemContext } from '../../runtime/core-worker/context-system.ts'
import { asSystemFailure } from '../../runtime/core-worker/failure.ts'

/** @returns puts process.exit back as it was. */
export function failTasksThatExit(): () => void {
  const before = Object.getOwnPropertyDescriptor(process, 'exit') ?? {}
  const exit = process.exit.bind(process)
  process.exit = (code) => {
    const scope = systemContext.current()
    if (scope?.parts.mode !== 'worker') return exit(code)
    const { name, attempt } = scope.parts
    const exitCode = Number(code ?? process.exitCode ?? 0)
    throw asSystemFailure(
      new WorkerCrashedError(
        `${name} failed: it called process.exit(${String(exitCode)}), which ends its worker; ` +
          'return from it or throw instead',
        { data: { name, exitCode, signal: null, attempts: attempt + 1 } },
      ),
    )
  }
  return () => {
    Object.defineProperty(process, 'exit', before)
  }
}
