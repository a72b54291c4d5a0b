// Starts simulated workers: the real core-worker and worker side, in a process of the simulation.
// A worker takes a while to come up, may die before it says hello, and its end is told to the
// raylet a moment after it happened, as a parent hears of its child.
import { systemHash } from '../../runtime/common/random-system.ts'
import { toHex } from '../../runtime/common/ids.ts'
import type { Runnable } from '../../runtime/core-worker/run-task.ts'
import { lookup } from '../../runtime/core-worker/functions.ts'
import { readHomeFile } from '../../runtime/core-worker/function-source-file.ts'
import { Sources } from '../../runtime/core-worker/function-sources.ts'
import { startCoreWorker, type StartDeps } from '../../runtime/core-worker/start.ts'
import { WorkerSide } from '../../runtime/core-worker/worker-side.ts'
import type { WorkerStart } from '../../runtime/raylet/turn.ts'
import type {
  WorkerEvents,
  WorkerHandle,
  WorkerLauncher,
} from '../../runtime/raylet/worker-launcher.ts'
import { liveUntilTold } from '../../runtime/worker/life.ts'
import type { CoreWorker } from '../../runtime/core-worker/core-worker.ts'
import type { SimProcess } from './process.ts'

export interface LaunchHost {
  readonly rayletAddress: string
  readonly raylet: SimProcess
  newProcess(name: string): SimProcess
  depsOf(process: SimProcess): StartDeps
  /** Between the fork and its first line, and between its end and the word of it. */
  startMs(): number
  noticeMs(): number
  /** Whether it dies before it is up. */
  isStillborn(): boolean
  started(worker: SimWorker): void
}

/** A worker of the simulation, for faults to choose and invariants to look into. */
export interface SimWorker {
  readonly process: SimProcess
  core: CoreWorker | undefined
}

export const sources = new Sources({ read: readHomeFile, hash: systemHash })

export function simLauncher(host: LaunchHost): WorkerLauncher {
  return { start: (start, events) => startWorker(host, start, events) }
}

function startWorker(host: LaunchHost, start: WorkerStart, events: WorkerEvents): WorkerHandle {
  const process = host.newProcess(`worker-${toHex(start.workerId).slice(0, 8)}`)
  const worker: SimWorker = { process, core: undefined }
  process.whenEnded((end) => {
    host.raylet.later(host.noticeMs(), `hears that ${process.name} has ended`, () => {
      events.exited(end)
    })
  })
  process.later(host.startMs(), 'is up', () => {
    if (host.isStillborn()) process.end({ code: 1, signal: null })
    else connect(host, start, worker)
  })
  host.started(worker)
  return {
    pid: process.pid,
    signal: (signal) => {
      host.raylet.later(0, `${signal} ${process.name}`, () => {
        process.end({ code: null, signal })
      })
    },
    pauseOutput: () => undefined,
    resumeOutput: () => undefined,
  }
}

function connect(host: LaunchHost, start: WorkerStart, worker: SimWorker): void {
  const { process } = worker
  const end = (code: number): void => {
    process.end({ code, signal: null })
  }
  startCoreWorker(
    host.depsOf(process),
    {
      role: 'worker',
      rayletAddress: host.rayletAddress,
      workerId: start.workerId,
      address: process.name,
      pid: process.pid,
    },
    (made) => {
      worker.core = made
      const side = new WorkerSide(made, {
        load: (identity) => lookup(identity, sources).fn as unknown as Runnable,
        setGpus: () => undefined,
        collectsWhenIdle: true,
        exit: end,
      })
      return liveUntilTold(made, side, end)
    },
  ).catch(() => {
    end(1) // refused, or its raylet is gone
  })
}
