// How a worker ended whose node cannot be reached any more.
import type { WorkerId } from '../common/ids.ts'
import type { WorkerExit } from '../protocol/messages.ts'

/** Nobody saw how it ended, or whether. */
export const lostWorker = (workerId: WorkerId): WorkerExit => ({
  ...{ workerId, pid: 0, code: null, signal: null, peakRssBytes: 0, stderrTail: [] },
  cause: 'NODE_LOST',
})
