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
import { hasDetachedActor, type LiveJobs } from './live-jobs.ts'
import { Looks } from './looks.ts'

const FIRST_LOOK_MS = 3_000
const NONE: ReadonlySet<JobId> = new Set()

export interface EndedJobsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly storage: Storage
  /** EJ3. Those of that node, in hex. */
  readonly jobsOf: (nodeId: string) => Promise<LiveJobs>
  /** The jobs of which this node still has anything. */
  readonly present: () => Pick<ReadonlySet<JobId>, 'has'>
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

  /** Each node is asked once, and delays nothing but its own. */
  async #look(): Promise<void> {
    const present = this.#deps.present()
    for (const jobId of [...this.#watched.keys()]) {
      if (!present.has(jobId)) this.#watched.delete(jobId)
    }
    const byNode = Map.groupBy(this.#watched, ([, drivenAt]) => drivenAt)
    const looks = [...byNode].map(([nodeId, watched]) => {
      const jobIds = watched.map(([jobId]) => jobId)
      return this.#lookAt(nodeId, jobIds)
    })
    await Promise.all(looks)
  }

  /** EJ1. @param jobIds  driven from that node; undefined: their drivers have ended. */
  async #lookAt(nodeId: string | undefined, jobIds: readonly JobId[]): Promise<void> {
    const { storage, jobsOf, log, over } = this.#deps
    const driven = nodeId === undefined ? NONE : await jobsOf(nodeId)
    if (driven === undefined) return // EJ3: the next look asks again
    for (const jobId of jobIds) {
      if (driven.has(jobId) || (await hasDetachedActor(storage, jobId)) || this.#isStopped) continue
      this.#watched.delete(jobId)
      log.info('a job is over', { jobId: toHex(jobId) })
      over(jobId)
    }
  }
}
