// How a worker process lives and ends: until its raylet tells it to leave, or is gone.
import type { CoreWorker } from '../core-worker/core-worker.ts'
import type { ExtraNotices } from '../core-worker/start.ts'
import type { WorkerSide } from '../core-worker/worker-side.ts'

/**
 * Keeps the worker alive from now on.
 * @param end  ends its process with that exit code.
 * @returns what it does with the notices of its raylet.
 */
export function liveUntilTold(
  worker: CoreWorker,
  side: WorkerSide,
  end: (code: number) => void,
): ExtraNotices {
  const { raylet } = worker.deps
  let leaving = false
  const { onClosed } = raylet
  raylet.onClosed = (error) => {
    if (leaving) end(0)
    onClosed?.(error)
    end(1) // without a raylet nobody accounts for this process
  }
  raylet.hold(1) // a worker lives until it is told to end
  return {
    startActor: (message) => void side.startActor(message),
    exit: ({ reason }) => {
      if (reason === 'DRAINED') {
        side.drain()
        return
      }
      // Merely idle: it stays for the sake of what it owns, and serves again.
      if (reason === 'IDLE' && worker.references.isNeeded) return
      leaving = true
      side.flush()
      // Ends when all is sent, above: the last events may be more than a socket takes at once.
      raylet.close()
    },
    output: () => undefined,
  }
}
