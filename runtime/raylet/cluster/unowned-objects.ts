// What processes owned of whose end this node may not have heard, as the link to their node was cut
// or that node died: a driver beside a detached actor of its job, above all, as all else goes with
// its job. It is freed once no process of the cluster refers to it.
// Invariants:
//   UO1. Only of a job whose driver has ended: else whoever holds a ref may have it inside a value.
//   UO2. Nothing is freed while its owner lives, while a node does not answer, or unless two looks
//        have found no process that refers to it: a ref on its way is held by who sends it.
//   UO3. Where no node is lost, nobody asks.
import { jobIdOfObject, type JobId, type ObjectId, type WorkerId } from '../../common/ids.ts'
import type { Clock } from '../../common/clock.ts'
import type { Log } from '../../common/log.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { JobStore } from '../job-store.ts'
import type { RayletState } from '../state.ts'
import type { ClusterMember } from './cluster-member.ts'
import { Looks } from './looks.ts'
import type { PeerRayletCalls } from './peer-raylet-messages.ts'
import { TwoLooks } from './two-looks.ts'

/** In one question. */
const ASKED_MAX = 1_000

type Asked = PeerRayletCalls['refersTo'][0]
type Answer = PeerRayletCalls['refersTo'][1]

export interface UnownedObjectsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly member: Pick<ClusterMember, 'askEach'>
  readonly state: RayletState
  readonly objects: Pick<JobStore, 'opened'>
  /** Which of these a process of this node refers to. Rejects where one does not answer. */
  readonly refersTo: (objectIds: readonly string[]) => Promise<readonly string[]>
  /** Here, and where copies of them went. */
  readonly free: (objectIds: readonly string[]) => void
}

interface Candidate {
  readonly objectId: ObjectId
  readonly owner: WorkerId
  readonly jobId: JobId
}

export class UnownedObjects {
  readonly #deps: UnownedObjectsDeps
  readonly #looks: Looks
  /** UO3. Whether there may be any. */
  #mayBe = false
  /** UO2. To which no process refers. */
  readonly #unreferred = new TwoLooks()
  /** Of each node of the view: its epoch and state. */
  readonly #lives = new Map<string, string>()

  constructor(deps: UnownedObjectsDeps) {
    this.#deps = deps
    this.#looks = new Looks({
      clock: deps.clock,
      isNeeded: () => this.#mayBe,
      look: () => this.#look(),
    })
  }

  /** A connection to a node has closed, or could not be made. */
  lost(): void {
    this.#mayBe = true
    this.#looks.soon()
  }

  nodes(rows: readonly NodeRow[]): void {
    for (const { nodeId, epoch, state } of rows) {
      const life = `${String(epoch)} ${state}`
      const before = this.#lives.get(nodeId)
      this.#lives.set(nodeId, life)
      if (before !== life && (before !== undefined || state === 'DEAD')) this.lost()
    }
  }

  /** Another node asks, or this one. */
  async answer({ owners, jobIds, objectIds }: Asked): Promise<Answer> {
    const { clients, jobs } = this.#deps.state
    const isHere = (id: WorkerId): boolean => clients.has(id) && clients.get(id)?.link === undefined
    const isDriven = (jobId: JobId): boolean => {
      const job = jobs.get(jobId)
      return job !== undefined && isHere(job.driver)
    }
    return {
      owners: owners.filter((owner) => isHere(owner as WorkerId)),
      jobIds: jobIds.filter((jobId) => isDriven(jobId as JobId)),
      objectIds: objectIds.length === 0 ? [] : await this.#deps.refersTo(objectIds),
    }
  }

  stop(): void {
    void this.#looks.stop()
  }

  /** UO2. */
  async #look(): Promise<void> {
    const unreferred = await this.#lookFor(this.#candidates())
    if (unreferred === undefined) {
      this.#unreferred.unsure()
      return
    }
    const gone = this.#unreferred.found(unreferred)
    if (unreferred.length > 0) this.#looks.soon()
    if (gone.length === 0) return
    const { log, free } = this.#deps
    log.info('freed what processes owned that have ended', { count: gone.length })
    free(gone)
  }

  /** @returns those of them to which no process refers; undefined where one may, silently. */
  async #lookFor(candidates: readonly Candidate[]): Promise<readonly ObjectId[] | undefined> {
    this.#mayBe = candidates.length > 0
    if (!this.#mayBe) return []
    const asked = {
      owners: [...new Set(candidates.map(({ owner }) => owner))],
      jobIds: [...new Set(candidates.map(({ jobId }) => jobId))],
    }
    const living = await this.#askAll({ ...asked, objectIds: [] })
    if (living === undefined) return undefined
    const owners = new Set(living.owners)
    const jobIds = new Set(living.jobIds)
    const unowned = candidates.filter(
      ({ owner, jobId }) => !owners.has(owner) && !jobIds.has(jobId), // UO1
    )
    const objectIds = unowned.map(({ objectId }) => objectId)
    const held = await this.referred(objectIds)
    return held && objectIds.filter((id) => !held.has(id))
  }

  /** @returns those of them to which any process refers; undefined where one may, silently. */
  async referred(objectIds: readonly string[]): Promise<ReadonlySet<string> | undefined> {
    const held = new Set<string>()
    for (let from = 0; from < objectIds.length; from += ASKED_MAX) {
      const asked = objectIds.slice(from, from + ASKED_MAX)
      const referred = await this.#askAll({ owners: [], jobIds: [], objectIds: asked })
      if (referred === undefined) return undefined
      for (const id of referred.objectIds) held.add(id)
    }
    return held
  }

  /** @returns those of them whose driver lives; undefined where one may, silently. */
  async driven(jobIds: readonly JobId[]): Promise<ReadonlySet<string> | undefined> {
    const said = await this.#askAll({ owners: [], jobIds, objectIds: [] })
    return said && new Set(said.jobIds)
  }

  /** Of owners that no process here, nor a guest, is. */
  #candidates(): Candidate[] {
    const { objects, state } = this.#deps
    const store = objects.opened?.store
    return (store?.list() ?? []).flatMap((listed) => {
      const objectId = listed.objectId as ObjectId
      const { isPrimary = false, owner = '' } = store?.holding(objectId) ?? {}
      if (!isPrimary || state.clients.has(owner as WorkerId)) return []
      return [{ objectId, owner: owner as WorkerId, jobId: jobIdOfObject(objectId) }]
    })
  }

  /** @returns what all nodes say together; undefined where one is silent. */
  async #askAll(asked: Asked): Promise<Answer | undefined> {
    const own = this.answer(asked).catch(() => undefined) // UO2: one here does not answer
    const { answers, silent } = await this.#deps.member.askEach('refersTo', asked)
    const here = await own
    if (here === undefined || silent.length > 0) return undefined
    const all = [here, ...answers]
    return {
      owners: all.flatMap(({ owners }) => owners),
      jobIds: all.flatMap(({ jobIds }) => jobIds),
      objectIds: all.flatMap(({ objectIds }) => objectIds),
    }
  }
}
