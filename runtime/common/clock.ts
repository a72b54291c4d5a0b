// The clock port. Time enters everywhere through it, so that the same code runs in simulation.
// `immediate` and `microtask` belong to it too: when a turn ends is a question of time.

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall time, milliseconds since 1970. For display and logs only, never for a decision. */
  nowMs(): number
  /** Monotonic milliseconds with fractions, from an arbitrary start. */
  monotonicMs(): number
  /** Calls `run` once after `delayMs`. A pending timer never keeps the process alive by itself. */
  after(delayMs: number, run: () => void): Timer
  /** Calls `run` after the I/O of this turn of the event loop. */
  immediate(run: () => void): void
  /** Calls `run` when the running JavaScript has ended, before any I/O. */
  microtask(run: () => void): void
}

/** Resolves after `delayMs` on `clock`. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}

/** Waits for `work`, but no longer than `limitMs`. @returns whether it has ended. */
export async function within(
  clock: Clock,
  limitMs: number,
  work: Promise<unknown>,
): Promise<boolean> {
  const late = Promise.withResolvers<false>()
  const timer = clock.after(limitMs, () => {
    late.resolve(false)
  })
  try {
    return await Promise.race([work.then(() => true), late.promise])
  } finally {
    timer.cancel()
  }
}
