// A node's lease on its membership, from both sides. Pure: time is handed in, in monotonic
// milliseconds of whoever asks; clocks of two machines are never compared.
// Invariants:
//   GL1. OwnLease ends before any LeaseObserver that saw its last heartbeat can end it: it counts
//       from before the heartbeat was sent, the observer from after it was read.
//   GL2. An observation starts anew when the row changed, when a read failed, and when two reads
//       are further apart than the gap: nobody is declared dead for an outage of the GCS. How far
//       is counted from when the one was sent until the other was answered: the storage repeats a
//       read through an outage, and nobody can tell which repeat was answered.
// Source: faults.md F13, F14, F25-F27, F33; design 8.
import { LEASE_MARGIN_MS, LEASE_MS, OBSERVATION_GAP_MS } from './lease-terms.ts'

/** The holder's side: whether it may still hand out what others must be able to rely on. */
export class OwnLease {
  #untilMs = -Infinity

  /** @param sentAtMs  before the heartbeat left that is now known to be written. */
  confirmed(sentAtMs: number): void {
    this.#untilMs = Math.max(this.#untilMs, sentAtMs + LEASE_MS - LEASE_MARGIN_MS)
  }

  /** Monotonic; it may be extended any time. */
  get untilMs(): number {
    return this.#untilMs
  }

  isValid(nowMs: number): boolean {
    return nowMs < this.#untilMs
  }
}

interface Sighting {
  readonly heartbeat: number
  readonly atMs: number
}

/** The observer's side: reads of one row, until they show that it stood still for a whole lease. */
export class LeaseObserver {
  #first: Sighting | undefined
  #lastAskedAtMs = -Infinity

  /**
   * A read of the row.
   * @param asked  before the read was sent. @param answered  when its answer had come.
   * @returns whether the lease has expired: this very heartbeat has stood for all of it.
   */
  read(heartbeat: number, asked: number, answered: number): boolean {
    const isGap = answered - this.#lastAskedAtMs > OBSERVATION_GAP_MS
    this.#lastAskedAtMs = asked
    const first = this.#first
    if (first === undefined || first.heartbeat !== heartbeat || isGap) {
      this.#first = { heartbeat, atMs: answered }
      return false
    }
    return asked - first.atMs >= LEASE_MS
  }

  failed(): void {
    this.#first = undefined
  }
}
