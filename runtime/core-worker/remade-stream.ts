// A stream that runs again for items of it that were lost: nobody reads it in order, and what it
// gives completes the entries that wait, each by its index.
import type { ObjectEntry } from './object-entry.ts'
import { StreamState } from './streams.ts'
import type { TaskRecord } from './task-record.ts'

export interface LostItems {
  /** The entry of an item, if anybody refers to it. */
  find(index: number): ObjectEntry | undefined
  /** Those that wait for this run. */
  waiting(): readonly ObjectEntry[]
  /** It has ended without them. `error`: why it failed. */
  missed(entries: readonly ObjectEntry[], error: Error | undefined): void
}

export class RemadeStream extends StreamState {
  readonly #items: LostItems

  constructor(record: TaskRecord, items: LostItems) {
    super(record)
    this.#items = items
  }

  override item(index: number): ObjectEntry | undefined {
    return this.#items.find(index)
  }

  override expected(): readonly ObjectEntry[] {
    return this.#items.waiting()
  }

  /** Nothing holds it up: its items go to who waits for them. */
  override begun(): void {
    this.lift()
    super.begun()
  }

  override end(error?: Error): void {
    const waiting = this.#items.waiting()
    super.end(error)
    if (waiting.length > 0) this.#items.missed(waiting, error)
  }
}
