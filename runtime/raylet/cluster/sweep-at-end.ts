// What a node deletes in the bucket as it ends: for no longer than a node has that is to end in
// good order, also where the bucket does not answer.
import { within, type Clock } from '../../common/clock.ts'
import type { Log } from '../../common/log.ts'

/** Beside as much for the store, and for the GCS. Who stops a node kills it after 10 s. */
const SWEEP_LIMIT_MS = 3_000

export interface SweepAtEndDeps {
  readonly clock: Clock
  readonly log: Log
}

/** @param sweeps  all under way; what is left of them goes on until the process ends. */
export async function sweepAtEnd(
  { clock, log }: SweepAtEndDeps,
  ...sweeps: readonly Promise<void>[]
): Promise<void> {
  if (await within(clock, SWEEP_LIMIT_MS, Promise.all(sweeps))) return
  const seconds = String(SWEEP_LIMIT_MS / 1000)
  log.warn(
    `the bucket was not swept within ${seconds} s: what begins there with this cluster is left, ` +
      'and may be deleted once no node of it runs',
  )
}
