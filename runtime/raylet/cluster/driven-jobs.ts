// The jobs that this node drives, and those that dead nodes have left to it: each has a row in what
// this node holds (gcs/held-rows.ts), and goes with what it leaves in the bucket.
// Invariants:
//   JD1. A job has its row before a group of it has one, and until its groups, but for detached
//        ones, and what the bucket keeps for it are gone: should this node die, its heirs find it.
//   JD2. What the bucket keeps for a job is deleted once nobody has anything of it (JW1): not with
//        its driver, as detached actors of it may go on elsewhere.
//   JD3. Where the whole cluster ends nobody reads any more: that of all its jobs is deleted then.
import { toHex, type JobId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import type { Holder } from '../../gcs/actors.ts'
import { removeGroupsOf } from '../../gcs/groups.ts'
import { holdsJob, holdsJobNoMore } from '../../gcs/held-rows.ts'
import type { JobSpec } from '../../protocol/messages.ts'
import { GcsRepeat } from '../gcs-repeat.ts'
import { AwaitedEnds, type AwaitedEndsPorts } from './awaited-ends.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { ClusterPlaces } from './cluster-places.ts'

export interface DrivenJobsDeps extends AwaitedEndsPorts {
  readonly log: Log
  readonly self: Holder
  readonly places: Pick<ClusterPlaces, 'hasBucket' | 'jobForgotten'>
}

interface Driven {
  /** Resolves when its row is written. */
  readonly written: Promise<void>
  hasGroups: boolean
}

export class DrivenJobs {
  readonly #deps: DrivenJobsDeps
  readonly #repeat: GcsRepeat
  readonly #ends: AwaitedEnds
  /** Those that have a row. */
  readonly #jobs = new Map<JobId, Driven>()

  constructor(deps: DrivenJobsDeps) {
    this.#deps = deps
    this.#repeat = new GcsRepeat(deps)
    this.#ends = new AwaitedEnds({
      ...deps,
      wanted: () => this.#jobs,
      ended: (jobId) => this.#ended(jobId),
    })
  }

  /** Its driver is on this node. */
  began({ jobId, name, namespace }: JobSpec): void {
    this.#add(jobId, { name, namespace, atMs: this.#deps.clock.nowMs() })
  }

  /** JD1. This node coordinates a group of it. Resolves when that may be written. */
  async groups(jobId: JobId): Promise<void> {
    const isNew = !this.#jobs.has(jobId)
    const job = this.#add(jobId)
    job.hasGroups = true
    if (isNew) this.#ends.add(jobId) // who drives it is gone
    await job.written
  }

  /** The dead node that had it has left it to this one. Resolves when its row is written. */
  async inherit(jobId: JobId): Promise<void> {
    if (!this.#deps.places.hasBucket) return
    await this.#add(jobId).written
    this.#ends.add(jobId)
  }

  /** Nothing of it is left on this node. */
  forgotten(jobId: JobId): void {
    if (!this.#jobs.has(jobId)) return
    if (this.#deps.places.hasBucket) this.#ends.add(jobId) // JD2
    else this.#drop(jobId)
  }

  stop(): void {
    this.#repeat.close()
    void this.#ends.stop()
  }

  /** JD3. To be called when nothing of this node runs any more. */
  async leave(end: ClusterMember['end']): Promise<void> {
    await this.#ends.stop()
    if (end !== 'BY_THIS_NODE' && end !== 'BY_ANOTHER') return
    await Promise.all([...this.#jobs.keys()].map((jobId) => this.#deps.places.jobForgotten(jobId)))
  }

  #add(jobId: JobId, about: object = {}): Driven {
    const known = this.#jobs.get(jobId)
    if (known !== undefined) return known
    const { storage, self } = this.#deps
    const written = new Promise<void>((resolve) => {
      const write = async (): Promise<void> => {
        await holdsJob(storage, self, toHex(jobId), about)
        resolve()
      }
      this.#repeat.inOrder(jobId, write, () => {
        resolve()
      })
    })
    const job = { written, hasGroups: false }
    this.#jobs.set(jobId, job)
    return job
  }

  /** JW1. */
  async #ended(jobId: JobId): Promise<boolean> {
    if (!(await this.#deps.places.jobForgotten(jobId))) return false
    this.#drop(jobId)
    return true
  }

  /** JD1. */
  #drop(jobId: JobId): void {
    const { storage, self, clock } = this.#deps
    const hasGroups = this.#jobs.get(jobId)?.hasGroups === true
    this.#jobs.delete(jobId)
    this.#repeat.inOrder(jobId, async () => {
      const id = toHex(jobId)
      if (hasGroups) await removeGroupsOf(storage, id, self, clock.nowMs())
      await holdsJobNoMore(storage, self, id)
    })
  }
}
