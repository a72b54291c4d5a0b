// What happens when user code fails in a worker where nobody catches it: in a timer, an event, a
// promise that nobody waits for, or a side effect above init() that every worker repeats.
//   endByUncaught(tell): void      once, before user modules are imported
// What a running task started fails that task: its caller is told what was thrown, not that a
// worker ended (B47 of the tests). The worker ends all the same, as a program of its own would:
// what state it is in, nobody knows.
// A server above init() that nobody waits for fails in each worker, after its functions were
// registered: like an import that throws then, that is no failure (M3 of module-loader.ts), so the
// worker says what it means and goes on.
import { inspect } from 'node:util'
import { showErrors } from '../common/task-error.ts'
import { systemStackView } from '../core-worker/stack-view-loader.ts'
import { explainUncaught } from './module-loader.ts'

/** @param tell  is called before the worker ends, in the context of what threw. */
export function endByUncaught(tell: (error: unknown) => void): void {
  process.on('uncaughtException', (error) => {
    if (isListenClash(error)) {
      process.stderr.write(`${explainUncaught(error)}\n`)
      return
    }
    if (process.listenerCount('uncaughtException') > 1) return // the user's own handler decides
    tell(error)
    showErrors(error, systemStackView(), new WeakSet())
    // In the next turn: what is written to a TLS socket in the midst of reading from it, as a task
    // that fails at once is told, leaves when that has returned.
    process.stderr.write(`Uncaught ${inspect(error)}\n`, () => setImmediate(() => process.exit(1)))
  })
}

function isListenClash(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return false
  return error.code === 'EADDRINUSE' && error.syscall === 'listen'
}
