// The tasks that ended on this node, as their owners told: the newest TASK_EVENTS_MAX of them, with
// an exact count of what was dropped, so that a listing never looks complete when it is not.
import { taskIdOf, toHex } from '../common/ids.ts'
import type { Hash } from '../common/random.ts'
import { TASK_EVENTS_MAX } from '../common/limits.ts'
import type { RayletNotices, StateRow, TaskEvent } from '../protocol/messages.ts'

export class TaskLog {
  readonly #hash: Hash
  readonly #max: number
  readonly #ring: TaskEvent[] = []
  #next = 0
  #totalCount = 0

  constructor(hash: Hash, max = TASK_EVENTS_MAX) {
    this.#hash = hash
    this.#max = max
  }

  /** What one worker tells; of what it could not keep it tells only how many they were. */
  add({ pid, runs, droppedCount }: RayletNotices['taskEvents']): void {
    this.#totalCount += droppedCount
    for (const { indices, startsMs, endsMs, ...alike } of runs) {
      for (const [i, index] of indices.entries()) {
        const times = { startMs: startsMs[i] ?? 0, endMs: endsMs[i] ?? 0 }
        this.#keep({ ...alike, ...times, index, pid })
      }
    }
  }

  #keep(event: TaskEvent): void {
    this.#ring[this.#next] = event
    this.#next = (this.#next + 1) % this.#max
    this.#totalCount += 1
  }

  /** How many events are no longer here. */
  get droppedCount(): number {
    return this.#totalCount - this.#ring.length
  }

  /** Oldest first; of `limit`, the newest. */
  rows(limit: number): { readonly rows: StateRow[]; readonly dropped: number } {
    const ordered = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)]
    const shown = limit < ordered.length ? ordered.slice(ordered.length - limit) : ordered
    return {
      rows: shown.map((event) => this.#row(event)),
      dropped: this.#totalCount - shown.length,
    }
  }

  /** Ids are derived only now that somebody asks. */
  #row(event: TaskEvent): StateRow {
    const { parent, index, ...rest } = event
    return { taskId: toHex(taskIdOf(this.#hash, parent, index)), parent: toHex(parent), ...rest }
  }
}
