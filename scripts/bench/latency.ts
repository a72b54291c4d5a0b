// Latencies of single operations as quantiles, for contenders that run on Node.
import type { Sampled } from './contender.ts'
import { TASKS_AHEAD } from './sizes.ts'

/** @param operate one operation; resolves with how long it took, in milliseconds. */
export function latency(operate: () => Promise<number>, end?: () => unknown): Sampled {
  return {
    sample: async (seconds) => {
      const samplesMs: number[] = []
      for (const endAtMs = performance.now() + seconds * 1000; performance.now() < endAtMs;) {
        samplesMs.push(await operate())
      }
      return quantiles(samplesMs)
    },
    ...(end === undefined ? {} : { end }),
  }
}

/**
 * Latency of an operation that is begun when TASKS_AHEAD others have just been.
 * @param finish waits for several that were begun. Default: they are promises.
 */
export function latencyBehindOthers<Begun>(
  begin: () => Begun,
  {
    finish = (begun) => Promise.all(begun),
    end,
  }: { finish?: (begun: readonly Begun[]) => Promise<unknown>; end?: () => unknown } = {},
): Sampled {
  return latency(async () => {
    const ahead = Array.from({ length: TASKS_AHEAD }, begin)
    const tookMs = await timed(() => finish([begin()]))
    await finish(ahead)
    return tookMs
  }, end)
}

/** Microseconds that half, 99 % and 99.9 % of the samples do not exceed. */
function quantiles(samplesMs: readonly number[]): Record<string, number> {
  const sorted = Float64Array.from(samplesMs).toSorted()
  const at = (share: number): number => {
    const index = Math.ceil(share * sorted.length) - 1
    return 1000 * (sorted[Math.max(0, index)] ?? Number.NaN)
  }
  return { p50: at(0.5), p99: at(0.99), 'p99.9': at(0.999) }
}

/** Milliseconds that `work` took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now()
  await work()
  return performance.now() - startedAtMs
}
