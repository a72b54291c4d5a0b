// Jobs of whose end nobody tells this node, though something is to go with them: it asks all nodes
// whether anything of them lives, as long as there are such.
// Invariants:
//   JW1. A job has ended once no node has anything of it at two looks in turn, and no row says that
//        a detached actor of it may start again: it is on no node meanwhile. A node that does not
//        answer may have something.
//   JW2. Both looks are begun after it was awaited (last): what comes meanwhile may be of a job
//        that has ended.
import type { Clock } from '../../common/clock.ts'
import type { JobId } from '../../common/ids.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { ClusterMember } from './cluster-member.ts'
import { findLiveJobs, hasDetachedActor } from './live-jobs.ts'
import { Looks } from './looks.ts'

export interface AwaitedEndsPorts {
  readonly clock: Clock
  readonly member: Pick<ClusterMember, 'askEach'>
  readonly storage: Storage
  /** Those that live on this node. */
  readonly liveJobs: () => readonly JobId[]
}

export interface AwaitedEndsDeps extends AwaitedEndsPorts {
  /** The jobs with which anything is still to go, of those that are awaited. */
  readonly wanted: () => Pick<ReadonlySet<JobId>, 'has'>
  /** JW1. @returns false: to be told again at the next look. */
  readonly ended: (jobId: JobId) => boolean | Promise<boolean>
}

export class AwaitedEnds {
  readonly #deps: AwaitedEndsDeps
  /** Whether the last look found nothing of it. As many as jobs are awaited. */
  readonly #isMissed = new Map<JobId, boolean>()
  readonly #looks: Looks
  #isStopped = false

  constructor(deps: AwaitedEndsDeps) {
    this.#deps = deps
    this.#looks = new Looks({
      clock: deps.clock,
      isNeeded: () => this.#isMissed.size > 0,
      look: () => this.#look(),
    })
  }

  /** JW2. */
  add(jobId: JobId): void {
    const isFirst = !this.#isMissed.has(jobId)
    this.#isMissed.set(jobId, false)
    if (isFirst) this.soon()
  }

  has(jobId: JobId): boolean {
    return this.#isMissed.has(jobId)
  }

  /** It may have ended now. */
  soon(): void {
    this.#looks.soon()
  }

  /** Resolves when a look that is under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#looks.stop()
  }

  /** JW1. */
  async #look(): Promise<void> {
    const { member, liveJobs } = this.#deps
    const wanted = this.#deps.wanted()
    for (const jobId of this.#isMissed.keys()) {
      if (!wanted.has(jobId)) this.#isMissed.delete(jobId)
    }
    if (this.#isMissed.size === 0) return
    const asked = [...this.#isMissed.keys()]
    const live = await findLiveJobs(member, liveJobs)
    if (live === undefined || this.#isStopped) return
    for (const jobId of asked) {
      const wasMissed = this.#isMissed.get(jobId) === true
      const isMissed = !live.has(jobId)
      this.#isMissed.set(jobId, isMissed)
      if (isMissed && wasMissed) await this.#endIfOver(jobId)
      else if (isMissed) this.soon()
    }
  }

  async #endIfOver(jobId: JobId): Promise<void> {
    const { storage, ended } = this.#deps
    if (await hasDetachedActor(storage, jobId)) return
    // It is awaited anew by now, or this node ends.
    if (this.#isMissed.get(jobId) !== true || this.#isStopped) return
    this.#isMissed.delete(jobId)
    if (!(await ended(jobId))) this.#isMissed.set(jobId, true)
  }
}
