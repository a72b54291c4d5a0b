// What the examples share: their size, a stopwatch, and the honest last lines of each: the time
// on the cluster beside the best that one process does with the same work on the same machine.
import { availableParallelism } from 'node:os'

/**
 * `count` at the size asked for: `node examples/x.ts 0.1` or VIRGA_TEST_SCALE=0.1; 1 by default.
 */
export function sized(count: number, countMin = 1): number {
  const scale = Number(process.argv[2] ?? process.env['VIRGA_TEST_SCALE'] ?? 1)
  if (!(scale > 0 && scale <= 1)) throw new Error('The size must be above 0 and at most 1.')
  return Math.max(countMin, Math.round(count * scale))
}

/** How many CPUs a new cluster on this machine has. */
export const cpuCount: number = availableParallelism()

export interface Timed<T> {
  readonly value: T
  readonly tookMs: number
}

export async function timed<T>(work: () => T | Promise<T>): Promise<Timed<T>> {
  const startedAtMs = performance.now()
  const value = await work()
  return { value, tookMs: performance.now() - startedAtMs }
}

export interface Comparison {
  readonly cluster: Timed<unknown>
  readonly single: Timed<unknown>
  /** What the best single process was: its threads, its libraries. */
  readonly singleIs: string
}

/** The last lines of an example; call it once the two results have been found equal. */
export function compare({ cluster, single, singleIs }: Comparison): void {
  console.log(`cluster          ${seconds(cluster.tookMs)}  (${cpuCount} CPUs)`)
  console.log(`one process      ${seconds(single.tookMs)}  (${singleIs})`)
  console.log(`speed-up         ${(single.tookMs / cluster.tookMs).toFixed(2)} x`)
  console.log('same result as the serial run')
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(3)} s`
