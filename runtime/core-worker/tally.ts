// Progress by function, as the owner of tasks counts it: what waits, runs, is done, has failed.
// Told to the raylet at most every REPORT_MS, and only when something changed; a task itself costs
// two additions.
// Invariants:
//   Y1. Counts are absolute and of this process: a report that comes twice does no harm.
//   Y2. Nothing grows with the number of calls: a kind with nothing pending is folded into its
//       name, and names beyond FUNCTION_NAMES_MAX into one.
import type { Clock } from '../common/clock.ts'
import { FUNCTION_NAMES_MAX } from '../common/limits.ts'
import { OTHER_FUNCTIONS, type FunctionProgress } from '../protocol/task-events.ts'
import type { TaskKind } from './task-kind.ts'

const REPORT_MS = 250

export interface TallyDeps {
  readonly clock: Clock
  report(functions: readonly FunctionProgress[]): void
  /** The tasks that were pushed first to each worker and have not ended: those run. */
  running(): Iterable<{ readonly kind: TaskKind }>
}

type Counts = { -readonly [K in keyof FunctionProgress]: FunctionProgress[K] }

export class Tally {
  readonly #deps: TallyDeps
  /** Those with something pending. */
  readonly #active = new Set<TaskKind>()
  readonly #byName = new Map<string, Counts>()
  #scheduled = false

  constructor(deps: TallyDeps) {
    this.#deps = deps
  }

  submitted(kind: TaskKind): void {
    const { timing } = kind
    timing.pendingCount += 1
    if (timing.tally !== this) {
      timing.tally = this
      this.#active.add(kind)
    }
    if (!this.#scheduled) this.#schedule()
  }

  ended({ timing }: TaskKind, failed: boolean): void {
    timing.pendingCount -= 1
    if (failed) timing.failedCount += 1
    else timing.doneCount += 1
    if (!this.#scheduled) this.#schedule()
  }

  /** Tells what is not told yet; also when the process is about to end. */
  flush(): void {
    if (this.#active.size === 0) return
    for (const counts of this.#byName.values()) {
      counts.pending = 0
      counts.running = 0
    }
    for (const kind of this.#active) this.#fold(kind)
    for (const { kind } of this.#deps.running()) {
      const counts = this.#countsOf(kind)
      if (counts.pending === 0) continue
      counts.running += 1
      counts.pending -= 1
    }
    this.#deps.report([...this.#byName.values()].map((counts) => ({ ...counts })))
  }

  #schedule(): void {
    this.#scheduled = true
    this.#deps.clock.after(REPORT_MS, () => {
      this.#scheduled = false
      this.flush()
    })
  }

  #fold(kind: TaskKind): void {
    const { timing } = kind
    const counts = this.#countsOf(kind)
    counts.done += timing.doneCount
    counts.failed += timing.failedCount
    counts.pending += timing.pendingCount
    timing.doneCount = 0
    timing.failedCount = 0
    if (timing.pendingCount > 0) return
    timing.tally = undefined
    this.#active.delete(kind)
  }

  #countsOf({ kind, name }: TaskKind): Counts {
    const known = this.#byName.get(`${kind} ${name}`)
    if (known !== undefined) return known
    const shown = this.#byName.size < FUNCTION_NAMES_MAX ? name : OTHER_FUNCTIONS
    const key = `${kind} ${shown}`
    const counts = this.#byName.get(key) ?? zero(kind, shown)
    this.#byName.set(key, counts)
    return counts
  }
}

const zero = (kind: Counts['kind'], name: string): Counts => ({
  kind,
  name,
  pending: 0,
  running: 0,
  done: 0,
  failed: 0,
})
