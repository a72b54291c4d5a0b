// runtimeContext(): where this code runs.
import { toHex } from '../runtime/common/ids.ts'
import { toResources } from '../runtime/common/resources.ts'
import type { RuntimeContext } from '../runtime/common/surface.ts'
import { currentWorker } from './current.ts'

/**
 * What is known of the running task or actor, or of the driver. @throws UsageError before init()
 */
export function runtimeContext(): RuntimeContext {
  const worker = currentWorker('runtimeContext()')
  const scope = worker.scope()
  const { parts } = scope
  const { welcome, workerId } = worker.options
  const inTask = parts.mode === 'worker'
  return {
    mode: parts.mode,
    jobId: toHex(worker.jobId),
    nodeId: toHex(welcome.nodeId),
    workerId: toHex(workerId),
    namespace: worker.namespace,
    attempt: parts.attempt,
    wasRestarted: parts.wasRestarted ?? false,
    resources: toResources(parts.resources),
    gpuIds: parts.gpuIds,
    idempotencyKey: toHex(scope.taskId),
    signal: scope.abort.signal,
    ...(inTask ? { taskId: toHex(scope.taskId) } : {}),
    ...(parts.actorId === undefined ? {} : { actorId: toHex(parts.actorId) }),
  }
}
