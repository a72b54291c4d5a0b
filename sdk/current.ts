// The core-worker of this process: of the running task in inline mode, else the one of init().
import { UsageError } from '../runtime/common/errors.ts'
import { whereText, type Where } from '../runtime/common/option-checks.ts'
import type { CoreWorker } from '../runtime/core-worker/core-worker.ts'
import { registry } from '../runtime/core-worker/registry-system.ts'

export function findWorker(): CoreWorker | undefined {
  const worker = registry().currentCoreWorker as CoreWorker | undefined
  return worker?.deps.context.current()?.parts.coreWorker ?? worker
}

/**
 * @param call  what was called, for the error: `get()`.
 * @throws UsageError before init().
 */
export function currentWorker(call: Where): CoreWorker {
  const worker = findWorker()
  if (worker === undefined) {
    throw new UsageError(
      `${whereText(call)} was called before init(): write \`await init()\` above it`,
    )
  }
  const imports = worker.options.mode === 'worker' && worker.deps.context.current() === undefined
  if (imports) {
    throw new UsageError(
      `${whereText(call)} was called outside of any task while a worker imports the module: what only the ` +
        'driver should do belongs below `await init()`',
    )
  }
  return worker
}
