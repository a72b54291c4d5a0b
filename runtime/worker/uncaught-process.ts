// What happens when user code fails in a worker outside of any task: in a timer, an event, or a
// side effect above init() that every worker repeats.
//   surviveListenClash(): void      once, before user modules are imported
// A server above init() that nobody waits for fails in each worker, after its functions were
// registered: like an import that throws then, that is no failure (M3 of module-loader.ts), so the
// worker says what it means and goes on. Everything else ends the worker, as it would any program.
import { inspect } from 'node:util'
import { showErrors } from '../common/task-error.ts'
import { systemStackView } from '../core-worker/stack-view-loader.ts'
import { explainUncaught } from './module-loader.ts'

export function surviveListenClash(): void {
  process.on('uncaughtException', (error) => {
    if (isListenClash(error)) {
      process.stderr.write(`${explainUncaught(error)}\n`)
      return
    }
    if (process.listenerCount('uncaughtException') > 1) return // the user's own handler decides
    showErrors(error, systemStackView(), new WeakSet())
    process.stderr.write(`Uncaught ${inspect(error)}\n`, () => process.exit(1))
  })
}

function isListenClash(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return false
  return error.code === 'EADDRINUSE' && error.syscall === 'listen'
}
