// The consumer's side of a streaming task: items as they arrive, the end, back-pressure.
//   ST1. Items are handed out in order, each once; a failed stream gives its items, then throws.
//   ST2. The producer is told how many items were taken; it stays at most streamBufferSize ahead.
//       Who waits for `completed` wants the stream to run to its end: the limit is lifted.
//   ST3. A stream that nobody can read any more is cancelled where it would wait for its reader:
//        one that ends before that runs to its end, as it would have with one who never reads.
//   ST4. What was told and is lost since is given by the attempt under way if that has yet to come
//        to it: the same stream does not run twice at once, which makes objects of the same ids.
import { FAILED, ObjectEntry, VALUE } from './object-entry.ts'
import type { TaskRecord } from './task-record.ts'

/** More than any stream yields: lifts the back-pressure. */
const STREAM_UNLIMITED = Number.MAX_SAFE_INTEGER

/** Of the items of a lost attempt that nobody was told of, so many are freed; the end of the job
 *  frees more. */
const UNTOLD_MAX = 1_000

/** Lost items that a run was to give, and has ended without. `error`: why it failed. */
export type Missed = (entries: readonly ObjectEntry[], error: Error | undefined) => void

export class StreamState {
  readonly record: TaskRecord
  readonly completed: ObjectEntry
  /** Items that came and were not taken: the producer waits at streamBufferSize of them. */
  readonly #items = new Map<number, ObjectEntry>()
  #arrived = 0
  /** How many of them the attempt of that number gave; a later one begins anew. */
  #given = 0
  #attempt = 0
  #taken = 0
  #count: number | undefined
  #error: Error | undefined
  /** Calls of next() that wait. */
  #wake: (() => void)[] = []
  #lifted = false
  /** ST3. Undefined: somebody has it. */
  #cancel: (() => void) | undefined
  /** ST4. What is lost and to come from the run under way. */
  readonly #lost = new Set<ObjectEntry>()
  /** Told which of that did not come. */
  onMissed: Missed | undefined
  /** Told once it has ended. */
  onEnd: (() => void) | undefined

  constructor(record: TaskRecord) {
    this.record = record
    this.completed = new ObjectEntry(record.scope, record.index, 0)
    this.completed.task = record
  }

  get ended(): boolean {
    return this.#count !== undefined
  }

  /** Whether next() has its answer at once. */
  get isReady(): boolean {
    return this.ended || this.#items.has(this.#taken)
  }

  /** Item `index` of this or an earlier attempt; undefined: it was told before. */
  item(index: number): ObjectEntry | undefined {
    this.#attempt = this.record.attempt
    this.#given = index + 1
    if (index < this.#arrived || this.ended) return undefined
    const entry = this.entryOf(index)
    this.#items.set(index, entry)
    this.#arrived = index + 1
    this.#notify()
    this.#cancelIfFull()
    return entry
  }

  /** ST4. @returns whether item `index`, which is lost, is to come from the run under way. */
  awaitsAgain(index: number, entry: ObjectEntry): boolean {
    const { attempt, peer } = this.record
    const isPast = attempt === this.#attempt && index < this.#given && peer?.closed === false
    if (isPast || this.ended) return false
    this.#lost.add(entry)
    return true
  }

  /** What it may have stored and not told of, by an attempt that has ended: as far as one may be
   *  ahead of its reader. */
  expected(): readonly ObjectEntry[] {
    const length = Math.min(this.record.kind.streamBufferSize, UNTOLD_MAX)
    return Array.from({ length }, (_, i) => this.entryOf(this.#arrived + i))
  }

  /** Another entry of an item, by which its id is known. */
  entryOf(index: number): ObjectEntry {
    return new ObjectEntry(this.record.scope, this.record.index, index + 1)
  }

  end(error?: Error): void {
    if (this.ended) return
    const missing = this.waiting()
    this.#count = this.#arrived
    this.#error = error
    if (error === undefined) this.completed.complete(VALUE, undefined)
    else this.completed.complete(FAILED, error)
    this.#notify()
    if (missing.length > 0) this.onMissed?.(missing, error)
    this.#lost.clear()
    this.onEnd?.()
  }

  /** What is lost, and to come from this run. */
  waiting(): readonly ObjectEntry[] {
    return [...this.#lost].filter((entry) => entry.pending && entry.task === this.record)
  }

  /** The next item, or undefined at the end. @throws the stream's failure after its last item */
  async next(): Promise<ObjectEntry | undefined> {
    while (!this.#items.has(this.#taken)) {
      if (this.ended) {
        if (this.#error !== undefined) throw this.#error
        return undefined
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
    const entry = this.#items.get(this.#taken)
    this.#items.delete(this.#taken)
    this.#taken += 1
    if (!this.#lifted) this.#tellProducer()
    return entry
  }

  /** An attempt begins: what was taken, or lifted, counts there too. */
  begun(): void {
    if (this.#lifted || this.#taken > 0) this.#tellProducer()
  }

  lift(): void {
    if (this.#lifted || this.ended) return
    this.#lifted = true
    this.#tellProducer()
  }

  /** Nobody has the stream or its `completed` any more. `cancel` ends its task. */
  dropped(cancel: () => void): void {
    if (this.completed.sharing !== undefined) return // another process may wait for it
    this.#cancel = cancel
    this.#cancelIfFull()
  }

  #cancelIfFull(): void {
    if (this.#cancel === undefined || this.#lifted || this.ended) return
    if (this.#arrived - this.#taken >= this.record.kind.streamBufferSize) this.#cancel()
  }

  /** Tells the producer of the current attempt how many items were taken. */
  #tellProducer(): void {
    const { peer, seq } = this.record
    const consumed = this.#lifted ? STREAM_UNLIMITED : this.#taken
    peer?.with((channel) => {
      channel.notify('streamAck', { seq, consumed })
    })
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}
