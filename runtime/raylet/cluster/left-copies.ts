// Copies that other nodes have of what a process owned that has ended. Whoever holds a ref of it
// may adopt the owner and read such a copy, so they stay while some process refers to it; else
// they would lie there until the job ends, as long as a detached actor of it lives.
// Invariants:
//   EO1. They are freed once two looks in a row have found no process that refers to them. While
//        the driver of their job lives, nor to anything else of what that owner had here and gave
//        away: what is not referred to may be inside what is.
//   EO2. Who does not answer, node or process, may refer to them.
//   EO3. Nobody asks but after such an end, nor to what is referred in a job that is over.
import { jobIdOfObject, type JobId, type ObjectId, type WorkerId } from '../../common/ids.ts'
import type { Clock } from '../../common/clock.ts'
import type { Log } from '../../common/log.ts'
import type { LiveJobs } from './live-jobs.ts'
import { Looks } from './looks.ts'
import type { Told } from './object-frees.ts'
import { TwoLooks } from './two-looks.ts'

/** Above that the oldest are left to the end of their job. */
const OWNERS_MAX = 10_000

export interface LeftCopiesDeps {
  readonly clock: Clock
  readonly log: Log
  readonly liveJobs: () => Promise<LiveJobs>
  /** Those of them whose driver lives. This and the next: undefined where one does not answer. */
  readonly driven: (jobIds: readonly JobId[]) => Promise<ReadonlySet<string> | undefined>
  /** Those of them to which any process of the cluster refers. */
  readonly referred: (objectIds: readonly string[]) => Promise<ReadonlySet<string> | undefined>
  readonly free: (told: Told) => void
}

interface Left {
  readonly jobId: JobId
  /** Where copies went from here. */
  readonly told: Map<string, readonly string[]>
  /** EO1. To which no process refers. */
  readonly unreferred: TwoLooks
}

export class LeftCopies {
  readonly #deps: LeftCopiesDeps
  readonly #looks: Looks
  readonly #left = new Map<WorkerId, Left>()

  constructor(deps: LeftCopiesDeps) {
    this.#deps = deps
    this.#looks = new Looks({
      clock: deps.clock,
      isNeeded: () => this.#left.size > 0,
      look: () => this.#look(),
    })
  }

  ownerEnded(owner: WorkerId, told: Told): void {
    const [objectId] = [...told.values()].flat()
    if (objectId === undefined) return
    const jobId = jobIdOfObject(objectId as ObjectId)
    this.#left.set(owner, { jobId, told: new Map(told), unreferred: new TwoLooks() })
    const [oldest] = this.#left.keys()
    if (oldest !== undefined && this.#left.size > OWNERS_MAX) this.#left.delete(oldest)
    this.#looks.soon()
  }

  stop(): void {
    void this.#looks.stop()
  }

  async #look(): Promise<void> {
    const { liveJobs, driven, referred } = this.#deps
    const live = await liveJobs()
    if (live === undefined) return this.#unsure()
    for (const [owner, { jobId }] of this.#left) if (!live.has(jobId)) this.#left.delete(owner)
    const looked = [...this.#left]
    if (looked.length === 0) return
    const withDriver = await driven([...new Set(looked.map(([, { jobId }]) => jobId))])
    const held = withDriver && (await referred(looked.flatMap(([, left]) => idsOf(left))))
    if (held === undefined) return this.#unsure()
    for (const [owner, left] of looked) {
      const ids = idsOf(left)
      const free = ids.filter((id) => !held.has(id))
      const areAllKept = withDriver?.has(left.jobId) === true && free.length < ids.length
      this.#found(owner, left, areAllKept ? [] : free)
    }
  }

  /** EO2. */
  #unsure(): void {
    for (const { unreferred } of this.#left.values()) unreferred.unsure()
  }

  /** EO1. */
  #found(owner: WorkerId, left: Left, unreferred: readonly string[]): void {
    const gone = new Set(left.unreferred.found(unreferred))
    if (unreferred.length > 0) this.#looks.soon()
    if (gone.size === 0) return
    const told = new Map<string, readonly string[]>()
    for (const [to, ids] of left.told) {
      told.set(
        to,
        ids.filter((id) => gone.has(id)),
      )
      const rest = ids.filter((id) => !gone.has(id))
      if (rest.length > 0) left.told.set(to, rest)
      else left.told.delete(to)
    }
    if (left.told.size === 0) this.#left.delete(owner)
    const { log, free } = this.#deps
    log.info('freed copies of what a process owned that has ended', { count: gone.size })
    free(told)
  }
}

const idsOf = ({ told }: Left): string[] => [...new Set([...told.values()].flat())]
