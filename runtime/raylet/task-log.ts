// The tasks that ended on this node, as their owners told: the newest TASK_EVENTS_MAX of them, with
// an exact count of what was dropped, so that a listing never looks complete when it is not.
// Rings of numbers, and a row that alike tasks share: an object for each took four times the
// memory, and the collector copied all of them while they were young (D59).
import { assert } from '../common/assert.ts'
import { taskIdOf, toHex } from '../common/ids.ts'
import type { Hash } from '../common/random.ts'
import { TASK_EVENTS_MAX } from '../common/limits.ts'
import type { RayletNotices, StateRow } from '../protocol/messages.ts'
import type { TaskEvent, TaskEventRun } from '../protocol/task-events.ts'

/** What tasks that are alike share. */
type Alike = Omit<TaskEvent, 'index' | 'startMs' | 'endMs'>

/** Rows that are looked up again, by name: more would seldom be found. */
const NAMES_MAX = 256
/** Rings begin with room for so many events, and double: most nodes run few tasks. */
const ROOM_MIN = 1024

export class TaskLog {
  readonly #hash: Hash
  readonly #max: number
  /** Columns: an event is one number in each, at the same place. */
  #indices: Float64Array
  #startsMs: Float64Array
  #endsMs: Float64Array
  readonly #alike: Alike[] = []
  /** The newest row of each name. */
  readonly #lastAlike = new Map<string, Alike>()
  #next = 0
  #totalCount = 0

  constructor(hash: Hash, max = TASK_EVENTS_MAX) {
    this.#hash = hash
    this.#max = max
    const room = Math.min(max, ROOM_MIN)
    this.#indices = new Float64Array(room)
    this.#startsMs = new Float64Array(room)
    this.#endsMs = new Float64Array(room)
  }

  /** What one worker tells; of what it could not keep it tells only how many they were. */
  add({ pid, runs, droppedCount }: RayletNotices['taskEvents']): void {
    this.#totalCount += droppedCount
    for (const run of runs) {
      const alike = this.#alikeOf(run, pid)
      for (let i = 0; i < run.indices.length; i += 1) this.#keep(alike, run, i)
    }
  }

  /** Its strings are kept once, however many messages brought them. */
  #alikeOf({ parent, name, kind, state, attempt }: TaskEventRun, pid: number): Alike {
    const last = this.#lastAlike.get(name)
    if (last === undefined) {
      if (this.#lastAlike.size === NAMES_MAX) this.#lastAlike.clear()
    } else if (last.parent === parent && last.state === state && last.attempt === attempt) {
      if (last.kind === kind && last.pid === pid) return last
    }
    const known = last ?? { name, parent }
    const alike: Alike = {
      parent: known.parent === parent ? known.parent : parent,
      ...{ name: known.name, kind, state, attempt, pid },
    }
    this.#lastAlike.set(alike.name, alike)
    return alike
  }

  #keep(alike: Alike, { indices, startsMs, endsMs }: TaskEventRun, i: number): void {
    const at = this.#next
    if (at === this.#indices.length) this.#double()
    this.#alike[at] = alike
    this.#indices[at] = indices[i] ?? 0
    this.#startsMs[at] = startsMs[i] ?? 0
    this.#endsMs[at] = endsMs[i] ?? 0
    this.#next = (at + 1) % this.#max
    this.#totalCount += 1
  }

  #double(): void {
    const room = Math.min(this.#max, 2 * this.#indices.length)
    const grown = (column: Float64Array): Float64Array => {
      const larger = new Float64Array(room)
      larger.set(column)
      return larger
    }
    this.#indices = grown(this.#indices)
    this.#startsMs = grown(this.#startsMs)
    this.#endsMs = grown(this.#endsMs)
  }

  /** Oldest first; of `limit`, the newest. */
  rows(limit: number): { readonly rows: StateRow[]; readonly dropped: number } {
    const keptCount = this.#alike.length
    const shownCount = Math.min(limit, keptCount)
    const first = this.#next + keptCount - shownCount
    const rows = Array.from({ length: shownCount }, (_, i) => this.#row((first + i) % keptCount))
    return { rows, dropped: this.#totalCount - shownCount }
  }

  /** Ids are derived only now that somebody asks. */
  #row(at: number): StateRow {
    const alike = this.#alike[at]
    assert(alike !== undefined, `no task event at ${at}`)
    const { parent, ...rest } = alike
    return {
      taskId: toHex(taskIdOf(this.#hash, parent, this.#indices[at] ?? 0)),
      parent: toHex(parent),
      ...rest,
      startMs: this.#startsMs[at],
      endMs: this.#endsMs[at],
    }
  }
}
