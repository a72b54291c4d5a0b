// A wait for what nobody can stop: it goes on, but who waits for it is told when a time-out has
// passed, or by a signal.
import type { Clock } from '../common/clock.ts'

export interface Bounds {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  timedOut(this: void): Error
}

export async function boundedWait<T>(
  awaited: Promise<T>,
  clock: Pick<Clock, 'after'>,
  { timeoutMs, signal, timedOut }: Bounds,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const abort = (): void => {
    reject(signal?.reason)
  }
  const timer =
    timeoutMs === undefined
      ? undefined
      : clock.after(timeoutMs, () => {
          reject(timedOut())
        })
  signal?.addEventListener('abort', abort, { once: true })
  awaited.then(resolve, reject)
  try {
    return await promise
  } finally {
    timer?.cancel()
    signal?.removeEventListener('abort', abort)
  }
}
