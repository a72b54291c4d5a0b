// The tasks that ended on this node, as their owners told: the newest TASK_EVENTS_MAX of them, with
// an exact count of what was dropped, so that a listing never looks complete when it is not.
import { taskIdOf, toHex } from '../common/ids.ts'
import type { Hash } from '../common/random.ts'
import { TASK_EVENTS_MAX } from '../common/limits.ts'
import type { StateRow, TaskEvent } from '../protocol/messages.ts'

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

  /** @param droppedCount  events that never came here: a worker had more than it may keep. */
  add(events: readonly TaskEvent[], droppedCount = 0): void {
    this.#totalCount += droppedCount
    for (const event of events) {
      this.#ring[this.#next] = event
      this.#next = (this.#next + 1) % this.#max
      this.#totalCount += 1
    }
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
