// The workers' processes as the shell sees them: their handles, their output, their peak memory,
// and the full story of how each ended.
import type { Clock } from '../common/clock.ts'
import type { JobId, WorkerId } from '../common/ids.ts'
import { workerLogName } from '../common/worker-log.ts'
import type { OutputLine, WorkerExit } from '../protocol/messages.ts'
import { WorkerOutput, type LogSink } from './output.ts'
import type { WorkerStart } from './turn.ts'
import type { ProcessExit, WorkerHandle, WorkerLauncher } from './worker-launcher.ts'

/** Makes the log file of one worker. */
export type LogSinks = (name: string) => LogSink

export interface ProcessesDeps {
  readonly clock: Clock
  readonly launcher: WorkerLauncher
  readonly logSinks?: LogSinks
}

export interface ProcessesEvents {
  nameOf(workerId: WorkerId): string
  forward(jobId: JobId, lines: readonly OutputLine[], isLast: boolean): boolean
  /** @param missingDir  why it could not be started. */
  exited(exit: Omit<WorkerExit, 'cause' | 'memory'>, missingDir: string | undefined): void
}

interface Running {
  readonly jobId: JobId
  handle: WorkerHandle | undefined
  readonly output: WorkerOutput
  peakRssBytes: number
}

const nowhere = (): LogSink => ({
  path: undefined,
  write: () => undefined,
  isBusy: () => false,
  onDrained: undefined,
  close: () => undefined,
})

export class WorkerProcesses {
  readonly #deps: ProcessesDeps
  readonly #events: ProcessesEvents
  /** At most workersMax. */
  readonly #running = new Map<WorkerId, Running>()
  #onEmpty: (() => void) | undefined

  constructor(deps: ProcessesDeps, events: ProcessesEvents) {
    this.#deps = deps
    this.#events = events
  }

  /** @returns its pid; 0 when it could not be started: its exit is told all the same. */
  start(worker: WorkerStart): number {
    const { workerId } = worker
    const running: Running = {
      jobId: worker.jobId,
      handle: undefined,
      peakRssBytes: 0,
      output: new WorkerOutput(
        {
          clock: this.#deps.clock,
          log: this.#deps.logSinks?.(workerLogName(workerId, worker.jobId)) ?? nowhere(),
          forward: (lines, isLast) => this.#events.forward(worker.jobId, lines, isLast),
        },
        {
          pid: () => running.handle?.pid ?? 0,
          name: () => this.#events.nameOf(workerId),
          sawMemory: (peakRssBytes) => {
            this.sawMemory(workerId, peakRssBytes)
          },
          pause: () => running.handle?.pauseOutput(),
          resume: () => running.handle?.resumeOutput(),
        },
      ),
    }
    this.#running.set(workerId, running)
    running.handle = this.#deps.launcher.start(worker, {
      output: (stream, chunk) => {
        running.output.write(stream, chunk)
      },
      exited: (exit) => {
        this.#exited(workerId, exit)
      },
    })
    return running.handle.pid
  }

  signal(workerId: WorkerId, signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#running.get(workerId)?.handle?.signal(signal)
  }

  sawMemory(workerId: WorkerId, peakRssBytes: number): void {
    const running = this.#running.get(workerId)
    if (running !== undefined) running.peakRssBytes = Math.max(running.peakRssBytes, peakRssBytes)
  }

  /**
   * Forward what workers of a job printed so far: its driver leaves. A worker's writes wait for
   * their reader, so all of it is in the pipes by now, and two turns of the event loop read them
   * empty. One whose log file is behind is read when the file has caught up; what is in its pipe
   * then may put it behind once more, and no oftener.
   */
  async drainOutput(jobId: JobId): Promise<void> {
    const outputs = [...this.#running.values()]
      .filter((each) => each.jobId === jobId)
      .map(({ output }) => output)
    for (let round = 0; round < 2; round += 1) {
      await Promise.all(outputs.map((each) => each.reading()))
      await this.#turnOver()
      await this.#turnOver()
    }
    for (const each of outputs) each.flush()
  }

  /** A turn of the event loop. */
  #turnOver(): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.clock.immediate(resolve)
    })
  }

  /** Wait for all to leave; kill what is left after the grace; give up `killMs` after that. */
  async endAll(limits: { readonly graceMs: number; readonly killMs: number }): Promise<void> {
    await this.#emptyWithin(limits.graceMs)
    for (const running of this.#running.values()) running.handle?.signal('SIGKILL')
    await this.#emptyWithin(limits.killMs)
  }

  #emptyWithin(limitMs: number): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = this.#deps.clock.after(limitMs, resolve)
      this.#onEmpty = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  #exited(workerId: WorkerId, { code, signal, missingDir }: ProcessExit): void {
    const running = this.#running.get(workerId)
    if (running === undefined) return
    running.output.close()
    this.#running.delete(workerId)
    const { peakRssBytes, output } = running
    const pid = running.handle?.pid ?? 0
    const { stderrTail } = output
    const exit = { workerId, pid, code, signal, peakRssBytes, stderrTail }
    this.#events.exited(exit, missingDir)
    if (this.#running.size === 0) this.#onEmpty?.()
  }
}
