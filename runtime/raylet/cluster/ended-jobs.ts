// Jobs whose drivers are known to have ended, or are cut off from this node. It has what a detached
// actor on another node may need, or such a driver: workers that run tasks for it or own what it
// reads, and objects.
// Invariants:
//   EJ1. Such a job is over once no row says that a detached actor of it lives or may start again.
//        Rows and not nodes are asked: two that keep idle workers for each other would go on for
//        ever.
//   EJ2. The home of a job reads its rows at once, all others within 3 s, each when it draws, then
//        ever more rarely: no rows are hot though a thousand nodes had work of the job.
//   EJ3. A driver is not taken for ended because its node cannot be reached: that node says so, or
//        is dead.
import type { Clock } from '../../common/clock.ts'
import { toHex, type JobId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import type { Random } from '../../common/random.ts'
import type { Storage } from '../../gcs/storage.ts'
import { hasDetachedActor } from './live-jobs.ts'
import { Looks } from './looks.ts'

const FIRST_LOOK_MS = 3_000

export interface EndedJobsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly storage: Storage
  /** EJ3. @param nodeId  which has driven it, in hex. */
  readonly isDriven: (jobId: JobId, nodeId: string) => Promise<boolean>
  /** Whether this node still has anything of it. */
  readonly hasAnyOf: (jobId: JobId) => boolean
  readonly over: (jobId: JobId) => void
}

export interface JobWatched {
  readonly jobId: JobId
  /** It was driven from this node. */
  readonly isHome: boolean
  /** The node that drives it, in hex; undefined: its driver is known to have ended. */
  readonly drivenAt: string | undefined
}

export class EndedJobs {
  readonly #deps: EndedJobsDeps
  /** As many as jobs of which anything is here. */
  readonly #watched = new Map<JobId, string | undefined>()
  readonly #looks: Looks
  #isStopped = false

  constructor(deps: EndedJobsDeps) {
    this.#deps = deps
    this.#looks = new Looks({
      clock: deps.clock,
      isNeeded: () => this.#watched.size > 0,
      look: () => this.#look(),
    })
  }

  /** It may be said over and over. */
  watch({ jobId, isHome, drivenAt }: JobWatched): void {
    const isKnown = this.#watched.has(jobId) && this.#watched.get(jobId) === drivenAt
    if (!isKnown) this.#lookSoon(jobId, isHome, drivenAt)
  }

  /** No process of it is left on this node: it is looked for soon. */
  jobForgotten(jobId: JobId, isHome: boolean): void {
    this.#lookSoon(jobId, isHome, undefined)
  }

  stop(): void {
    this.#isStopped = true
    void this.#looks.stop()
  }

  #lookSoon(jobId: JobId, isHome: boolean, drivenAt: string | undefined): void {
    this.#watched.set(jobId, drivenAt)
    this.#looks.soon(isHome ? 0 : this.#deps.random.next() * FIRST_LOOK_MS) // EJ2
  }

  /** EJ1. */
  async #look(): Promise<void> {
    const { storage, hasAnyOf, isDriven, log, over } = this.#deps
    for (const [jobId, drivenAt] of [...this.#watched]) {
      if (!hasAnyOf(jobId)) this.#watched.delete(jobId)
      else if (drivenAt !== undefined && (await isDriven(jobId, drivenAt))) continue
      else if (!(await hasDetachedActor(storage, jobId)) && !this.#isStopped) {
        this.#watched.delete(jobId)
        log.info('a job is over', { jobId: toHex(jobId) })
        over(jobId)
      }
    }
  }
}
