// Objects of which nobody tells this node that their job has ended, as it has nothing else of it:
// nodes that left have handed them to this one (hand-on.ts), an actor here told them to a job that
// it is not of, or who had them made here cannot tell, as its connection broke. While this node
// keeps such it asks all nodes (awaited-ends.ts).
// Invariants:
//   KO1. What is kept for a job is freed once that has ended everywhere (JW1).
//   KO2. And not before, whatever of the job ends on this node meanwhile.
//   KO3. An object counts from when it is here, not from when it was asked for: a job that ended
//        while it came is found to have ended.
import { toHex, type JobId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import { AwaitedEnds, type AwaitedEndsPorts } from './awaited-ends.ts'

export interface KeptObjectsDeps extends AwaitedEndsPorts {
  readonly log: Log
  /** The jobs of what the store of this node has. */
  readonly stored: () => Pick<ReadonlySet<JobId>, 'has'>
  /** Frees what it has of it. */
  readonly free: (jobId: JobId) => void
}

export class KeptObjects {
  readonly #ends: AwaitedEnds

  constructor(deps: KeptObjectsDeps) {
    const { log, stored, free } = deps
    this.#ends = new AwaitedEnds({
      ...deps,
      wanted: stored, // else their owners have freed it
      ended: (jobId) => {
        log.info('what was kept for a job that has ended is freed', { jobId: toHex(jobId) })
        free(jobId)
        return true
      },
    })
  }

  /** KO3. Objects of that job are here, whatever else of it is. */
  keptFor(jobId: JobId): void {
    this.#ends.add(jobId)
  }

  /** KO2. Nothing of that job is left on this node. @returns whether objects are kept for it. */
  jobForgotten(jobId: JobId): boolean {
    const isKeptFor = this.#ends.has(jobId)
    if (isKeptFor) this.#ends.soon()
    return isKeptFor
  }

  stop(): void {
    void this.#ends.stop()
  }
}
