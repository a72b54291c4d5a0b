// What a node of several has of jobs when their processes here have gone: the rows and the bucket
// of those that it drives (driven-jobs.ts), what a detached actor or a driver elsewhere may still
// need (ended-jobs.ts), what it keeps for nodes that left (kept-objects.ts), and what is left of
// processes: of whose end it has not heard (unowned-objects.ts), or elsewhere (left-copies.ts).
import { jobIdOfObject, type JobId, type ObjectId, type WorkerId } from '../../common/ids.ts'
import type { Holder } from '../../gcs/actors.ts'
import type { Storage } from '../../gcs/storage.ts'
import type { Brain } from '../brain.ts'
import type { JobStore } from '../job-store.ts'
import type { RayletDeps } from '../raylet-ports.ts'
import type { RayletState } from '../state.ts'
import type { RayletEffect } from '../turn.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { ClusterPlaces } from './cluster-places.ts'
import { DrivenJobs } from './driven-jobs.ts'
import { EndedJobs } from './ended-jobs.ts'
import { KeptObjects } from './kept-objects.ts'
import { LeftCopies } from './left-copies.ts'
import { findLiveJobs, jobsOf } from './live-jobs.ts'
import type { ObjectPulls } from './object-pulls.ts'
import { UnownedObjects, type UnownedObjectsDeps } from './unowned-objects.ts'

type JobForgotten = Extract<RayletEffect, { kind: 'jobForgotten' }>

export interface ClusterJobsDeps
  extends Pick<RayletDeps, 'clock' | 'random' | 'log'>, Pick<UnownedObjectsDeps, 'refersTo'> {
  readonly storage: Storage
  readonly self: Holder
  readonly member: ClusterMember
  readonly state: RayletState
  readonly brain: Brain
  readonly objects: JobStore
  readonly places: ClusterPlaces
  readonly pulls: () => Pick<ObjectPulls, 'freed' | 'freeGiven' | 'takeGivenOf'>
}

export class ClusterJobs {
  readonly driven: DrivenJobs
  readonly ended: EndedJobs
  readonly kept: KeptObjects
  readonly unowned: UnownedObjects
  readonly #leftCopies: LeftCopies
  readonly #deps: ClusterJobsDeps

  constructor(deps: ClusterJobsDeps) {
    this.#deps = deps
    const { state, brain, objects, member } = deps
    const liveJobs = this.live
    this.driven = new DrivenJobs({ ...deps, liveJobs })
    this.ended = new EndedJobs({
      ...deps,
      jobsOf: (nodeId) => jobsOf(member, nodeId),
      present: () => {
        const stored = objects.jobIds()
        return { has: (jobId) => state.jobs.has(jobId) || stored.has(jobId) }
      },
      over: (jobId) => {
        if (state.jobs.has(jobId)) brain.tell({ kind: 'jobOver', jobId })
        else objects.freeOf(jobId)
      },
    })
    this.unowned = new UnownedObjects({
      ...deps,
      free: (objectIds) => {
        deps.pulls().freed({ objectIds })
      },
    })
    this.#leftCopies = new LeftCopies({
      ...deps,
      liveJobs: () => findLiveJobs(member, liveJobs),
      driven: (jobIds) => this.unowned.driven(jobIds),
      referred: (objectIds) => this.unowned.referred(objectIds),
      free: (told) => {
        deps.pulls().freeGiven(told)
      },
    })
    this.kept = new KeptObjects({
      ...{ ...deps, liveJobs },
      stored: () => objects.jobIds(),
      free: (jobId) => {
        objects.freeOf(jobId)
      },
    })
  }

  /** By an actor that another job has called, of which this node has nothing else: it asks. */
  sealing(objectId: ObjectId): void {
    const jobId = jobIdOfObject(objectId)
    if (!this.#deps.state.jobs.has(jobId)) this.kept.keptFor(jobId)
  }

  /** It has ended, and what it owned here is about to be freed. */
  ownerEnded(owner: WorkerId): void {
    const { objects, pulls } = this.#deps
    if (objects.opened !== undefined) this.#leftCopies.ownerEnded(owner, pulls().takeGivenOf(owner))
  }

  /** Those of which something lives here. */
  readonly live = (): readonly JobId[] => [...this.#deps.state.jobs.keys()]

  /** @returns whether the store of this node keeps what it has of it, for other nodes. */
  forgotten({ jobId, isHome, end }: JobForgotten): boolean {
    this.driven.forgotten(jobId)
    if (end === 'OVER') return false
    if (end === 'ENDED') this.ended.jobForgotten(jobId, isHome)
    else if (this.#deps.objects.hasAnyOf(jobId)) this.kept.keptFor(jobId)
    return this.kept.jobForgotten(jobId) || end === 'ENDED'
  }

  stop(): void {
    this.kept.stop()
    this.unowned.stop()
    this.#leftCopies.stop()
    this.ended.stop()
    this.driven.stop()
  }
}
