// What dead nodes have spilled to a bucket is a copy that others read as long as a job lives that
// may need it; then it is deleted, for each by the one node that rendezvous hashing names.
// Invariants:
//   SW1. Nothing is deleted while a job lives, on any node, that began before the death was known:
//        files are of several jobs. A node that does not answer may have one; one that is on none
//        lives while an actor of it may start again.
//   SW2. Where the whole cluster ends nobody reads any more: all that waits is deleted then, and by
//        who ends it also what others may not know of yet.
// Source: faults.md F07, F42.
import type { Clock } from '../../common/clock.ts'
import { VirgaError } from '../../common/errors.ts'
import type { JobId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import { rendezvous } from '../../gcs/rendezvous.ts'
import { epochsEnded } from '../actors/ended-lives.ts'
import type { NodeStore, SpillOwner } from '../node-store.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { Storage } from '../../gcs/storage.ts'
import { findLiveJobs, hasDetachedActor, type LiveJobs } from './live-jobs.ts'
import { Looks } from './looks.ts'

export interface SpillSweeperDeps {
  readonly nodeId: string
  readonly clock: Clock
  readonly log: Log
  readonly member: Pick<ClusterMember, 'askEach' | 'nodes' | 'left'>
  readonly storage: Storage
  /** Those that live on this node. */
  readonly liveJobs: () => readonly JobId[]
  /** Undefined while nobody has used the store of this node. */
  readonly store: () => NodeStore | undefined
}

export class SpillSweeper {
  readonly #deps: SpillSweeperDeps
  /** As many as nodes have rows. */
  readonly #swept = new Set<SpillOwner>()
  /** To be swept by this node, with the jobs that may read it; undefined: not asked yet. */
  readonly #waiting = new Map<SpillOwner, LiveJobs>()
  readonly #looks: Looks
  #stopped = false

  constructor(deps: SpillSweeperDeps) {
    this.#deps = deps
    this.#looks = new Looks({
      clock: deps.clock,
      isNeeded: () => this.#waiting.size > 0,
      look: () => this.#look(),
    })
  }

  /** @param nodes  all that have a row. */
  nodes(nodes: readonly NodeRow[]): void {
    if (this.#stopped || this.#deps.store()?.sweep === undefined) return
    const fresh = this.#ownOf(nodes).filter((owner) => !this.#waiting.has(owner))
    for (const owner of fresh) this.#waiting.set(owner, undefined)
    if (fresh.length > 0) this.#looks.soon(0)
  }

  /** SW2. This node ends, or all do. */
  async stop(end: ClusterMember['end']): Promise<void> {
    this.#stopped = true
    await this.#looks.stop()
    if (end !== 'BY_THIS_NODE' && end !== 'BY_ANOTHER') return
    if (end === 'BY_THIS_NODE') this.#addAllDead()
    for (const owner of this.#waiting.keys()) await this.#sweep(owner)
  }

  /** But for those that have left, which take their files along. */
  #addAllDead(): void {
    const { member } = this.#deps
    const left = new Set(member.left())
    for (const node of member.nodes()) {
      const hasLeft = left.has(node.nodeId)
      for (const owner of ownersOf(node)) if (!hasLeft) this.#waiting.set(owner, undefined)
    }
  }

  #ownOf(nodes: readonly NodeRow[]): readonly SpillOwner[] {
    const living = nodes.filter(({ state }) => state === 'ALIVE').map(({ nodeId }) => nodeId)
    return nodes
      .flatMap(ownersOf)
      .filter((owner) => !this.#swept.has(owner))
      .filter((owner) => rendezvous(owner, living, 1)[0] === this.#deps.nodeId)
  }

  /** SW1. */
  async #look(): Promise<void> {
    const live = await findLiveJobs(this.#deps.member, this.#deps.liveJobs)
    if (live === undefined) return
    const mayStart = new Map<JobId, boolean>() // read once for all dead nodes
    for (const [owner, readers = live] of [...this.#waiting]) {
      const left = new Set<JobId>()
      for (const jobId of readers) {
        if (!live.has(jobId) && !mayStart.has(jobId)) {
          mayStart.set(jobId, await hasDetachedActor(this.#deps.storage, jobId))
        }
        if (live.has(jobId) || mayStart.get(jobId) === true) left.add(jobId)
      }
      this.#waiting.set(owner, left)
      if (left.size === 0 && !this.#stopped) await this.#sweep(owner)
    }
  }

  async #sweep(owner: SpillOwner): Promise<void> {
    try {
      await this.#deps.store()?.sweep?.(owner)
      this.#waiting.delete(owner)
      this.#swept.add(owner)
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error
      const { message } = error // it still waits: again at the next look
      this.#deps.log.warn('what a dead node had spilled is still there', { owner, error: message })
    }
  }
}

/** Of that node, also those after which it is back: who sweeps may not have seen it dead. */
const ownersOf = (row: NodeRow): SpillOwner[] =>
  epochsEnded(row).map((epoch): SpillOwner => `${row.nodeId}-${epoch}`)
