// The running task, carried by Node's AsyncLocalStorage. One for the process: in inline mode it
// tells the workers of one process apart.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ContextStorage } from './context.ts'
import type { Scope } from './scope.ts'

const storage = new AsyncLocalStorage<Scope>()

export const systemContext: ContextStorage = {
  run: (scope, run) => storage.run(scope, run),
  current: () => storage.getStore(),
}
