// The machine's own clock.
import type { Clock, Timer } from './clock.ts'

const TIMEOUT_MS_MAX = 2 ** 31 - 1 // Node fires at once above this

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, run: () => void): Timer {
    const timer = setTimeout(run, Math.min(delayMs, TIMEOUT_MS_MAX))
    timer.unref()
    return {
      cancel: () => {
        clearTimeout(timer)
      },
    }
  },
  immediate(run: () => void): void {
    setImmediate(run)
  },
  microtask(run: () => void): void {
    queueMicrotask(run)
  },
}
