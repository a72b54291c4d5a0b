// The port through which a raylet starts workers: processes of its machine (launcher-process.ts),
// or core-workers in this process, for inline mode and simulation.
// Invariants every launcher keeps:
//   WL1. `exited` is called exactly once for every start, also when starting failed.
//   WL2. No output is told after `exited`.
//   WL3. After signal('SIGKILL') the worker exits soon, whatever its code does.
import type { WorkerStart } from './turn.ts'

export interface WorkerEvents {
  /** Bytes the worker wrote. While the output is paused, none are told. */
  output(stream: 'stdout' | 'stderr', chunk: Uint8Array): void
  exited(exit: ProcessExit): void
}

export interface ProcessExit {
  readonly code: number | null
  readonly signal: string | null
  /** It could not be started, as the folder it was to work in is not there. */
  readonly missingDir?: string
}

export interface WorkerHandle {
  /** 0 when it could not be started. */
  readonly pid: number
  signal(signal: 'SIGTERM' | 'SIGKILL'): void
  pauseOutput(): void
  resumeOutput(): void
}

export interface WorkerLauncher {
  start(worker: WorkerStart, events: WorkerEvents): WorkerHandle
}
