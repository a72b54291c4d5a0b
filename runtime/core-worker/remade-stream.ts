// A stream that runs again for items of it that were lost: nobody reads it in order, and what it
// gives completes the entries that wait, each by its index.
import type { ObjectEntry } from './object-entry.ts'
import { StreamState, type LostItems } from './streams.ts'
import type { TaskRecord } from './task-record.ts'

export class RemadeStream extends StreamState {
  readonly #items: LostItems

  constructor(record: TaskRecord, items: LostItems) {
    super(record)
    this.#items = items
    this.lost = items
  }

  /** What nobody has missed yet stays as it is: it may be unread, which no handle counts. */
  override item(index: number): ObjectEntry | undefined {
    const entry = this.#items.find(index)
    return entry?.pending === true ? entry : undefined
  }

  override awaitsAgain(): boolean {
    return !this.ended
  }

  override expected(): readonly ObjectEntry[] {
    return this.#items.waiting()
  }

  /** Nothing holds it up: its items go to who waits for them. */
  override begun(): void {
    this.lift()
    super.begun()
  }
}
