// What a dead process owned goes on elsewhere: of those who hold its refs one adopts it, and the
// others turn to that one. The adopter makes what is asked for again: from the value that the ref
// brought along or that the GCS has, from a copy in some store, or by running its task once more.
// Invariants:
//   AD1. Who adopts is decided by the GCS, once the owner is known to be gone (cluster-lineage.ts).
//        From then on its objects are the adopter's own: counted, lent and freed like those.
//   AD2. An object is made once by its adopter, however many ask.
//   AD3. A TaskId stands for one call: another function, or other arguments, under the same id are
//        refused, never run in its place.
//   AD4. A copy that was found and turns out not to be readable is as good as none: the object is
//        made again, as if it had not been found.
//   AD5. While it is looked for, nobody else looks for it, or finds that it cannot be made (RV1).
//   AD6. An owner that leaves with its node names its adopter itself, while it lives: all that it
//        gives is complete, and nothing of it is made again (hand-over.ts).
// Source: design 5 (dead owner).
import { OwnerDiedError, VirgaError } from '../common/errors.ts'
import { objectIdOf, taskIdOfObject, toHex, type ObjectId, type TaskId } from '../common/ids.ts'
import type { PeerCalls } from '../protocol/peer-messages.ts'
import { decodeTask } from './adoptable-task.ts'
import type { CoreWorker } from './core-worker.ts'
import { FAILED, STORED, type ObjectEntry } from './object-entry.ts'
import { SPEC_TASK, SPEC_VALUE, readLineage, readRef } from './ref-lineage.ts'
import type { Peer } from './peers.ts'
import { completeEntry } from './replies.ts'

export const NO_LINEAGE = 'a cluster of one node keeps nothing that it could be made from again'

export class Adoption {
  readonly #worker: CoreWorker
  /** Objects of dead owners that this process makes, or has made. */
  readonly #making = new WeakSet<ObjectEntry>()
  /** AD5. Of these, what is looked for: it is pending, and no task makes it yet. */
  readonly #sought = new WeakSet<ObjectEntry>()
  /** AD4. How what was found can be made. */
  readonly #found = new WeakMap<ObjectEntry, Uint8Array>()
  /** Of the calls that were run here for dead owners, the last DIGESTS_MAX. */
  readonly #digests = new Map<TaskId, string>()

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /** The owner of a borrowed entry does not answer. @param ask  asks its adopter for the value. */
  recover(entry: ObjectEntry, ask: (address: string) => void): void {
    this.#recover(entry, ask).catch((error: unknown) => {
      entry.complete(FAILED, this.#died(entry, reasonOf(error), error))
    })
  }

  /** This process has adopted the owner of that object; somebody asks for it. */
  take(objectId: ObjectId, lineage: Uint8Array): void {
    const entry = this.#worker.references.adopted(objectId, lineage)
    if (entry.pending) this.#make(entry, lineage)
  }

  /** AD5. */
  isSeeking(entry: ObjectEntry): boolean {
    return this.#sought.has(entry)
  }

  /** AD6. @returns whether this process is the adopter of that owner. */
  async inherit(peer: Peer, given: PeerCalls['inherit'][0]): Promise<boolean> {
    const { owner, address, objects } = given
    const { deps, options, references, values } = this.#worker
    const objectId = objects[0] && readRef(objects[0].ref).id
    if (this.#worker.handOver !== undefined || objectId === undefined) return false
    const consent = { objectId, owner, address, leaves: true }
    const by = await deps.raylet.request('adoptOwner', consent)
    if (by.address !== options.address || peer.closed) return false
    const adopted = objects.map((object) => {
      const { id, lineage } = readRef(object.ref)
      const entry = references.adopted(id, lineage)
      references.lend(peer, id)
      if (lineage !== undefined && object.value.kind === 'stored') this.#found.set(entry, lineage)
      return { ...object, entry }
    })
    for (const { entry, value, contained } of adopted) {
      if (value.kind === 'stored') {
        const inside = contained.map((ref) => references.decode(ref))
        references.share(entry, inside)
      }
      values.resolved(entry, value)
    }
    await references.settled()
    references.tellUnheard(peer) // CB2
    this.#worker.handOverMore() // it may have begun to leave meanwhile
    return true
  }

  /** AD4. It is awaited again. @returns false: it was not found for a dead owner. */
  remake(entry: ObjectEntry): boolean {
    const lineage = this.#found.get(entry)
    if (lineage === undefined) return false
    this.#found.delete(entry)
    this.#told(entry, this.#remake(entry, lineage))
    return true
  }

  async #recover(entry: ObjectEntry, ask: (address: string) => void): Promise<void> {
    const { deps, options, peers, references } = this.#worker
    const { lineage, ownerAddress } = entry.sharing ?? {}
    if (lineage === undefined || ownerAddress === undefined) {
      entry.complete(FAILED, this.#died(entry, NOT_REMADE))
      return
    }
    const { owner } = readLineage(lineage).place
    const objectId = references.idOf(entry)
    const question = { objectId, owner, address: ownerAddress }
    const adopter = await deps.raylet.request('adoptOwner', question)
    if (!entry.pending) return
    if (adopter.address === options.address) {
      references.moved(entry, undefined)
      this.#make(entry, lineage)
      return
    }
    if (adopter.address === ownerAddress) {
      ask(ownerAddress) // it lives: its connection was cut
      return
    }
    references.moved(entry, adopter.address)
    peers.dial(adopter.address).with((channel) => {
      // Answered before what is asked next; when it fails, so does that.
      void channel.request('adoptObject', { objectId, lineage }).catch(() => undefined)
    })
    ask(adopter.address)
  }

  /** AD2. */
  #make(entry: ObjectEntry, lineage: Uint8Array): void {
    if (this.#making.has(entry) || entry.task !== undefined) return
    this.#making.add(entry)
    this.#told(entry, this.#findOrRemake(entry, lineage))
  }

  /** Why it cannot be made is what its readers are told. */
  #told(entry: ObjectEntry, making: Promise<void>): void {
    this.#sought.add(entry)
    making
      .catch((error: unknown) => {
        entry.complete(FAILED, this.#died(entry, reasonOf(error), error))
      })
      .finally(() => this.#sought.delete(entry))
  }

  async #findOrRemake(entry: ObjectEntry, lineage: Uint8Array): Promise<void> {
    const objectId = this.#worker.references.idOf(entry)
    const found = await this.#worker.deps.raylet.request('findObject', { objectId })
    if (found === undefined) {
      await this.#remake(entry, lineage)
      return
    }
    this.#found.set(entry, lineage)
    this.#sought.delete(entry) // its readers may find at once that it is not there
    entry.complete(STORED, { objectId, ...found })
  }

  async #remake(entry: ObjectEntry, lineage: Uint8Array): Promise<void> {
    const { place, spec: carried } = readLineage(lineage)
    const spec = carried ?? (await this.#worker.deps.raylet.request('readSpec', place))
    if (!entry.pending || entry.task !== undefined) return // another object of its task was quicker
    if (spec === undefined) {
      entry.complete(FAILED, this.#died(entry, NOT_COMMITTED))
      return
    }
    const payload = spec.subarray(1)
    if (spec[0] === SPEC_VALUE) {
      const { values } = this.#worker
      completeEntry(entry, payload, values.containedOf(payload), this.#worker)
    } else if (spec[0] === SPEC_TASK) this.#run(entry, payload, lineage)
    else entry.complete(FAILED, this.#died(entry, noCopy(Buffer.from(payload).toString())))
  }

  /** Runs its task once more, under the same id: the other objects that it makes come with it. */
  #run(entry: ObjectEntry, payload: Uint8Array, lineage: Uint8Array): void {
    const { references, submitter } = this.#worker
    const { call, args, digest } = decodeTask(this.#worker, payload)
    const taskId = call.scope.childTaskId(call.index)
    const wanted = references.idOf(entry)
    if (taskIdOfObject(wanted) !== taskId) throw new VirgaError(OF_ANOTHER)
    this.#refuseOther(taskId, digest)
    submitter.resubmit(call, args, (record) => {
      const returns = Array.from({ length: Math.max(1, call.kind.numReturns) }, (_, index) => {
        const objectId = objectIdOf(taskId, index)
        const made = objectId === wanted ? entry : references.adopted(objectId, lineage)
        if (made.pending) made.task = record
        return made
      })
      return returns.length === 1 ? returns[0] : returns
    })
  }

  /** AD3. */
  #refuseOther(taskId: TaskId, digest: string): void {
    const known = this.#digests.get(taskId)
    if (known !== undefined && known !== digest) throw new VirgaError(DIFFERS)
    this.#digests.delete(taskId)
    this.#digests.set(taskId, digest)
    const [oldest] = this.#digests.keys()
    if (oldest !== undefined && this.#digests.size > DIGESTS_MAX) this.#digests.delete(oldest)
  }

  #died(entry: ObjectEntry, missing: string, cause?: unknown): OwnerDiedError {
    return ownerDied(this.#worker.references.idOf(entry), missing, cause)
  }
}

const DIGESTS_MAX = 10_000
const DIFFERS = 'another call with the same id was run before: the program does not repeat itself'
const OF_ANOTHER = 'the task that came with its ref makes other objects'
const NOT_COMMITTED =
  'its lineage is not in the GCS: it was not written yet, or was dropped for its age'
const NOT_REMADE = 'nothing says how it was made'

/** @param maker  what has made it, or was to; empty for what was put. */
const noCopy = (maker: string): string =>
  maker === ''
    ? 'no copy of what was put is left: with init({ durable: true }) there is one in the bucket'
    : `no copy is left of what ${maker} gives, which no other process runs again`

const reasonOf = (error: unknown): string =>
  error instanceof VirgaError ? error.message : String(error)

/** @param missing  what would have been needed to make it again. */
export function ownerDied(objectId: ObjectId, missing: string, cause?: unknown): OwnerDiedError {
  const id = toHex(objectId)
  return new OwnerDiedError(
    `the process that owned object ${id} ended before its value was fetched, and ${missing}; keep ` +
      'the owner alive, or return the value instead of the ref',
    { data: { objectId: id, missing }, ...(cause === undefined ? {} : { cause }) },
  )
}
