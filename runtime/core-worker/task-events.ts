// Tasks that ended in this worker, as the raylet is told of them once a second. A busy worker ends
// hundreds of thousands meanwhile, nearly all alike: columns of those that follow each other and
// differ only in index and times. An object for each took four times as long here, ten times at the
// raylet, and five times the bytes (D32).
// Invariants:
//   TE1. At most EVENTS_MAX are kept for one report; the others are counted.
import type { TaskEventRun } from '../protocol/task-events.ts'
import type { RunTimes } from './run-task.ts'
import type { PushedTask } from './pushed-task.ts'

export const EVENTS_MAX = 10_000

interface OpenRun {
  readonly task: PushedTask
  readonly failed: boolean
  readonly indices: number[]
  readonly startsMs: number[]
  readonly endsMs: number[]
}

export class TaskEvents {
  /** TE1. */
  #runs: OpenRun[] = []
  #count = 0
  #droppedCount = 0

  /** @param times  on the monotonic clock. */
  add(task: PushedTask, { startMs, endMs }: RunTimes, failed: boolean): void {
    if (this.#count >= EVENTS_MAX) {
      this.#droppedCount += 1
      return
    }
    this.#count += 1
    let run = this.#runs.at(-1)
    if (run === undefined || run.failed !== failed || !isAlike(run.task, task)) {
      run = { task, failed, indices: [], startsMs: [], endsMs: [] }
      this.#runs.push(run)
    }
    run.indices.push(task.index)
    run.startsMs.push(startMs)
    run.endsMs.push(endMs)
  }

  /**
   * What was added since the last time; undefined when nothing was.
   * @param offsetMs  from the monotonic clock to the time of day.
   */
  take(offsetMs: number): { runs: TaskEventRun[]; droppedCount: number } | undefined {
    if (this.#count === 0) return undefined
    const runs = this.#runs.map((run) => columns(run, offsetMs))
    const droppedCount = this.#droppedCount
    this.#runs = []
    this.#count = 0
    this.#droppedCount = 0
    return { runs, droppedCount }
  }
}

function isAlike(one: PushedTask, other: PushedTask): boolean {
  return (
    one.template === other.template && one.attempt === other.attempt && one.parent === other.parent
  )
}

function columns(run: OpenRun, offsetMs: number): TaskEventRun {
  const { template, parent, attempt } = run.task
  return {
    parent,
    name: template.name,
    kind: template.kind,
    state: run.failed ? 'FAILED' : 'FINISHED',
    attempt,
    indices: Float64Array.from(run.indices),
    startsMs: Float64Array.from(run.startsMs, (ms) => ms + offsetMs),
    endsMs: Float64Array.from(run.endsMs, (ms) => ms + offsetMs),
  }
}
