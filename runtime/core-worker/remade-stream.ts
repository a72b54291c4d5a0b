// A stream that runs again for items of it that were lost: nobody reads it in order, and what it
// gives completes the entries that wait for it. What nobody has missed yet stays as it is: it may
// be unread, which no handle counts.
import type { ObjectEntry } from './object-entry.ts'
import { StreamState, type Missed } from './streams.ts'
import type { TaskRecord } from './task-record.ts'

export class RemadeStream extends StreamState {
  constructor(record: TaskRecord, onMissed: Missed) {
    super(record)
    this.onMissed = onMissed
  }

  /** None is new. */
  override item(): undefined {
    return undefined
  }

  /** Of the ids of its items some are of objects that live. */
  override expected(): readonly ObjectEntry[] {
    return []
  }

  /** Nothing holds it up: its items go to who waits for them. */
  override begun(): void {
    this.lift()
    super.begun()
  }
}
