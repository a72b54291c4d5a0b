// How a worker lives and ends, in a process of its own or not: until its raylet tells it to leave,
// or is gone.
import type { CoreWorker } from '../core-worker/core-worker.ts'
import type { ExtraNotices } from '../core-worker/start.ts'
import type { WorkerSide } from '../core-worker/worker-side.ts'

/**
 * @param end  ends the worker with that exit code.
 * @returns what it does with the notices of its raylet.
 */
export function liveUntilTold(
  worker: CoreWorker,
  side: WorkerSide,
  end: (code: number) => void,
): ExtraNotices {
  const { references } = worker
  const { raylet } = worker.deps
  let leaving = false
  const { onClosed } = raylet
  raylet.onClosed = (error) => {
    if (leaving) {
      end(0)
      return
    }
    onClosed?.(error)
    end(1) // without a raylet nobody accounts for this process
  }
  references.onOwning = (isOwner) => {
    raylet.notify('owning', { isOwner })
  }
  const leave = (): void => {
    leaving = true
    side.flush()
    // Ends when all is sent, above: the last events may be more than a socket takes at once.
    raylet.close()
  }
  const stays = (): void => {
    raylet.notify('staying', {})
  }
  return {
    startActor: (message) => {
      references.onOwning = undefined // it is told for the choice of an actor's worker alone
      void side.startActor(message)
    },
    exit: ({ reason }) => {
      if (reason === 'DRAINED') {
        side.drain()
        return
      }
      // Merely idle: it stays for the sake of what it owns, and serves again.
      if (reason === 'IDLE' && references.isNeeded) {
        stays()
        return
      }
      // It runs nothing more; what it has put may be needed until its job ends, which says OVER.
      if (reason === 'SPENT') side.spent(leave)
      else if (reason === 'ORPHANED') side.orphaned(leave, stays)
      else leave()
    },
    output: () => undefined,
  }
}
