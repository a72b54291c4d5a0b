// Tasks pushed to one peer and not answered yet, by the sequence number of their push. Numbers are
// given in order and answered nearly so: a ring indexed by them takes a few nanoseconds a task,
// where a Map takes a hundred, and as many again for the collector.
//   seq   oldest ···················· nextSeq - capacity ···· nextSeq - 1
//         └── stragglers (a Map) ──┘  └────────── the ring ──────────┘
// Invariants:
//   IF1. A task is in the ring or among the stragglers, never in both; it is taken once.
//   IF2. The ring grows only when half of it is in use: a call that stays for ever while millions
//       pass (an actor's loop) moves out of their way instead.
//   IF3. Iteration is in the order of the pushes.

const CAPACITY_MIN = 64
/** A ring that is empty again keeps this much. */
const CAPACITY_KEPT = 4096

export class InFlight<T> {
  /** Both bounded by what was pushed and has not been answered. */
  #ring: (T | undefined)[] = new Array<T | undefined>(CAPACITY_MIN).fill(undefined)
  readonly #stragglers = new Map<number, T>()
  #ringSize = 0
  #nextSeq = 0
  /** Nothing in the ring is older. */
  #oldestSeq = 0

  get size(): number {
    return this.#ringSize + this.#stragglers.size
  }

  /** Adds a task and returns its sequence number. */
  push(task: T): number {
    const seq = this.#nextSeq
    if (this.#slotTaken(seq)) this.#makeRoom(seq)
    this.#ring[seq & (this.#ring.length - 1)] = task
    this.#ringSize += 1
    this.#nextSeq = seq + 1
    return seq
  }

  get(seq: number): T | undefined {
    return this.#isInRing(seq)
      ? this.#ring[seq & (this.#ring.length - 1)]
      : this.#stragglers.get(seq)
  }

  /** Removes and returns a task. */
  take(seq: number): T | undefined {
    if (!this.#isInRing(seq)) return this.#takeStraggler(seq)
    const at = seq & (this.#ring.length - 1)
    const task = this.#ring[at]
    if (task === undefined) return undefined
    this.#ring[at] = undefined
    this.#ringSize -= 1
    if (this.#ringSize === 0) this.#emptied()
    return task
  }

  /** The sequence number of the task that was pushed first. */
  firstSeq(): number | undefined {
    for (const seq of this.#stragglers.keys()) return seq
    if (this.#ringSize === 0) return undefined
    while (this.get(this.#oldestSeq) === undefined) this.#oldestSeq += 1
    return this.#oldestSeq
  }

  *entries(): Iterable<[seq: number, task: T]> {
    yield* this.#stragglers
    for (let seq = this.#ringStart(); seq < this.#nextSeq; seq += 1) {
      const task = this.get(seq)
      if (task !== undefined) yield [seq, task]
    }
  }

  #isInRing(seq: number): boolean {
    return seq < this.#nextSeq && seq >= this.#nextSeq - this.#ring.length
  }

  #slotTaken(seq: number): boolean {
    return this.#ring[seq & (this.#ring.length - 1)] !== undefined
  }

  /** What has the slot of `seq` was pushed a whole ring ago. */
  #makeRoom(seq: number): void {
    const capacity = this.#ring.length
    if (this.#ringSize * 2 >= capacity) {
      this.#grow()
      return
    }
    const at = seq & (capacity - 1)
    this.#stragglers.set(seq - capacity, this.#ring[at] as T)
    this.#ring[at] = undefined
    this.#ringSize -= 1
  }

  #grow(): void {
    const ring = new Array<T | undefined>(this.#ring.length * 2).fill(undefined)
    for (let seq = this.#ringStart(); seq < this.#nextSeq; seq += 1) {
      ring[seq & (ring.length - 1)] = this.get(seq)
    }
    this.#ring = ring
    this.#takeIn()
  }

  /** IF1: stragglers whose numbers a larger ring covers, also with the number that is given next,
   *  whose slot the oldest of them would have. */
  #takeIn(): void {
    for (const [seq, task] of this.#stragglers) {
      if (seq <= this.#nextSeq - this.#ring.length) continue
      this.#stragglers.delete(seq)
      this.#ring[seq & (this.#ring.length - 1)] = task
      this.#ringSize += 1
      this.#oldestSeq = Math.min(this.#oldestSeq, seq)
    }
  }

  /** Where a walk over the ring begins. */
  #ringStart(): number {
    return Math.max(this.#oldestSeq, this.#nextSeq - this.#ring.length)
  }

  #takeStraggler(seq: number): T | undefined {
    const task = this.#stragglers.get(seq)
    this.#stragglers.delete(seq)
    return task
  }

  #emptied(): void {
    this.#oldestSeq = this.#nextSeq
    if (this.#ring.length > CAPACITY_KEPT) {
      this.#ring = new Array<T | undefined>(CAPACITY_KEPT).fill(undefined)
    }
  }
}
