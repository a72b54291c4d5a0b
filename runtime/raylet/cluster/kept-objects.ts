// Objects of which nobody tells this node that their job has ended, as it has nothing else of it:
// nodes that left have handed them to this one (hand-on.ts), or who had them made here cannot tell,
// as its connection broke. While this node keeps such it asks all nodes.
// Invariants:
//   KO1. What is kept for a job is freed once no node has anything of the job at two looks in turn,
//        and no row says that a detached actor of it may start again: it is on no node meanwhile.
//   KO2. And not before, whatever of the job ends on this node meanwhile.
//   KO3. An object counts from when it is here, not from when it was asked for: a job that ended
//        while it came is found to have ended.
import type { Clock } from '../../common/clock.ts'
import { toHex, type JobId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { ClusterMember } from './cluster-member.ts'
import { findLiveJobs, hasDetachedActor } from './live-jobs.ts'
import { Looks } from './looks.ts'

export interface KeptObjectsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly member: Pick<ClusterMember, 'askEach'>
  readonly storage: Storage
  /** Those that live on this node. */
  readonly liveJobs: () => readonly JobId[]
  /** Whether the store of this node has anything of a job. */
  readonly hasAnyOf: (jobId: JobId) => boolean
  /** Frees what it has of it. */
  readonly free: (jobId: JobId) => void
}

export class KeptObjects {
  readonly #deps: KeptObjectsDeps
  /** Whether the last look found nothing of it. As many as jobs of which objects were kept. */
  readonly #isMissed = new Map<JobId, boolean>()
  readonly #looks: Looks
  #isStopped = false

  constructor(deps: KeptObjectsDeps) {
    this.#deps = deps
    this.#looks = new Looks({
      clock: deps.clock,
      isNeeded: () => this.#isMissed.size > 0,
      look: () => this.#look(),
    })
  }

  /** KO3. Objects of that job are here, whatever else of it is. */
  keptFor(jobId: JobId): void {
    const isFirst = !this.#isMissed.has(jobId)
    this.#isMissed.set(jobId, false)
    if (isFirst) this.#looks.soon()
  }

  /** KO2. Nothing of that job is left on this node. @returns whether objects are kept for it. */
  jobForgotten(jobId: JobId): boolean {
    const isKeptFor = this.#isMissed.has(jobId)
    if (isKeptFor) this.#looks.soon()
    return isKeptFor
  }

  stop(): void {
    this.#isStopped = true
    void this.#looks.stop()
  }

  /** KO1. */
  async #look(): Promise<void> {
    for (const jobId of this.#isMissed.keys()) {
      if (!this.#deps.hasAnyOf(jobId)) this.#isMissed.delete(jobId) // their owners have freed it
    }
    if (this.#isMissed.size === 0) return
    const asked = [...this.#isMissed.keys()]
    const { member, liveJobs } = this.#deps
    const live = await findLiveJobs(member, liveJobs)
    if (live === undefined || this.#isStopped) return
    for (const jobId of asked) {
      const wasMissed = this.#isMissed.get(jobId) === true
      const isMissed = !live.has(jobId)
      this.#isMissed.set(jobId, isMissed)
      if (isMissed && wasMissed) await this.#freeIfOver(jobId)
      else if (isMissed) this.#looks.soon()
    }
  }

  async #freeIfOver(jobId: JobId): Promise<void> {
    const { storage, log, free } = this.#deps
    if (await hasDetachedActor(storage, jobId)) return
    // It is kept for anew by now, or this node ends.
    if (this.#isMissed.get(jobId) !== true || this.#isStopped) return
    log.info('what was kept for a job that has ended is freed', { jobId: toHex(jobId) })
    this.#isMissed.delete(jobId)
    free(jobId)
  }
}
