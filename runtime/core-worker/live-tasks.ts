// The tasks of this process that have not ended: an array in which each knows its place, because
// a Set costs ten times as much per task and twice the memory. Their order is of no meaning.
import type { TaskRecord } from './task-record.ts'

export class LiveTasks {
  /** What the program has submitted and has not ended. */
  readonly #records: TaskRecord[] = []

  get size(): number {
    return this.#records.length
  }

  add(record: TaskRecord): void {
    record.liveAt = this.#records.length
    this.#records.push(record)
  }

  /** The last one takes its place. */
  delete(record: TaskRecord): void {
    const last = this.#records.pop() as TaskRecord
    last.liveAt = record.liveAt
    if (last !== record) this.#records[record.liveAt] = last
    record.liveAt = -1
  }

  all(): readonly TaskRecord[] {
    return [...this.#records]
  }
}
