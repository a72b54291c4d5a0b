// Whether this node gets the time it needs (pure): what is due in a moment comes late where its
// process waits for a CPU over and over, though it lives and answers in the end. It is tried once a
// round, with a short timer: one of a second is in time where pauses come at its own pace.
//   well ──SLOW_FROM of the last ROUNDS were late──► slow ──WELL_UP_TO or fewer were──► well
// One long pause is one late round: a collection of garbage makes no node slow. Nor does work of
// its own: what its process used of the CPU in that round was not taken by others.
// Source: faults.md F11 (gray failure).

/** The timer of a round. */
export const PACE_MS = 50
/** Above what a machine adds whose processes share its cores. */
export const LATE_MS = 150
const ROUNDS = 8
const SLOW_FROM = 4
const WELL_UP_TO = 1

export class OwnPace {
  readonly #late: boolean[] = []
  #isSlow = false

  /**
   * @param lateMs  by how much the timer of a round came late.
   * @param usedMs  CPU time that its process used from when it was set.
   * @returns whether the node is slow now.
   */
  round(lateMs: number, usedMs: number): boolean {
    this.#late.push(lateMs - usedMs >= LATE_MS)
    if (this.#late.length > ROUNDS) this.#late.shift()
    const count = this.#late.filter(Boolean).length
    if (count >= SLOW_FROM) this.#isSlow = true
    else if (count <= WELL_UP_TO) this.#isSlow = false
    return this.#isSlow
  }
}
