// Which task is running here: carried along asynchronous calls. The port; context-system.ts is
// Node's AsyncLocalStorage.
import type { Scope } from './scope.ts'

export interface ContextStorage {
  run<T>(scope: Scope, run: () => T): T
  current(): Scope | undefined
}
