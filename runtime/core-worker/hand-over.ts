// A process that leaves because its node does gives what it owns, and others need, to one of those
// who hold it: its heir, on another node. What is large goes to a node that stays first.
//   owner     handOn ─► inherit ─► its entries are borrowed from the heir ─► ownerMoved ─► leaves
//   heir      adopts the owner, with its consent, and has what it owned (adoption.ts)
//   borrower  registers with the heir
// Invariants:
//   HV1. What is awaited is given once it is complete, as its task may go on elsewhere; nothing is
//        made again. It begins at once, whatever runs here still.
//   HV2. An object is held here until each borrower is registered with the heir, and what is inside
//        it with its own owner. For who cannot be reached it is held until the time is up; the
//        others get theirs.
//   HV3. Actors that this process has made are not given away: they end with it. Nor is anything
//        while nobody on another node holds something of it.
import { toHex, type ObjectId } from '../common/ids.ts'
import type { CoreWorker } from './core-worker.ts'
import { inheritedBatches } from './inherited-batches.ts'
import { STORED, type ObjectEntry } from './object-entry.ts'
import type { Peer } from './peers.ts'

/** Nobody may have room, or be an heir that stays, and in a moment somebody is. */
const AGAIN_MS = 500

export class HandOver {
  readonly #worker: CoreWorker
  #isRunning = false
  /** Something has changed since the round began that is under way. */
  #isStale = false
  #heir: Peer | undefined
  /** What is given once it is complete. */
  readonly #awaited = new WeakSet<ObjectEntry>()
  /** What nodes that stay have. */
  readonly #handedOn = new Set<ObjectId>()

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /** Gives away what can be given now; what nobody takes is read here until the time is up. */
  run(): void {
    this.#isStale = true
    if (this.#isRunning || this.#worker.adoption === undefined) return // one node: nobody stays
    this.#isRunning = true
    void this.#runAll()
  }

  async #runAll(): Promise<void> {
    let isGiven = true
    while (this.#isStale && isGiven) {
      this.#isStale = false
      isGiven = await settledWell(this.#giveAll())
    }
    this.#isRunning = false
    if (isGiven) return
    this.#worker.deps.clock.after(AGAIN_MS, () => {
      this.run()
    })
  }

  /** @returns whether all that is complete was given, as far as there is somebody to have it. */
  async #giveAll(): Promise<boolean> {
    const { references } = this.#worker
    const needed = references.needed()
    for (const entry of needed) if (entry.pending) this.#await(entry)
    const given = needed.filter(({ pending }) => !pending)
    const isGiven = given.length === 0 || (await this.#giveTo(this.#heirs(), given))
    const moves = references.borrowers.all().map((peer) => settledWell(this.#moveBorrower(peer)))
    return (await Promise.all(moves)).every(Boolean) && isGiven
  }

  /** HV1. */
  #await(entry: ObjectEntry): void {
    if (this.#awaited.has(entry)) return
    this.#awaited.add(entry)
    entry.whenComplete(() => {
      this.#awaited.delete(entry) // it may be lost once more before anybody has it
      this.run()
    })
  }

  /** It has one heir: who adopts it is one process. */
  #heirs(): Peer[] {
    const { ownNodeId, references } = this.#worker
    const isThere = this.#heir !== undefined && !this.#heir.closed
    const heirs = isThere ? [this.#heir as Peer] : references.borrowers.all()
    return heirs.filter(({ closed, nodeId }) => !closed && nodeId !== ownNodeId)
  }

  async #giveTo(heirs: readonly Peer[], given: readonly ObjectEntry[]): Promise<boolean> {
    if (heirs.length === 0) return true // HV3
    const lasting = await this.#lastingOf(given)
    for (const heir of lasting.length === 0 ? [] : heirs) {
      if (!(await settledWell(this.#inherits(heir, lasting)))) continue
      this.#heir = heir
      for (const entry of lasting) this.#worker.references.moved(entry, heir.knownAddress)
      return lasting.length === given.length
    }
    return false
  }

  /** Those that are small, or that nodes that stay have by now. */
  async #lastingOf(given: readonly ObjectEntry[]): Promise<readonly ObjectEntry[]> {
    const { references, deps } = this.#worker
    const isHere = (entry: ObjectEntry): boolean =>
      entry.state === STORED && !this.#handedOn.has(references.idOf(entry))
    const objectIds = given.filter(isHere).map((entry) => references.idOf(entry))
    if (objectIds.length > 0) {
      const { kept } = await deps.raylet.request('handOn', { objectIds })
      for (const objectId of kept) this.#handedOn.add(objectId)
    }
    return given.filter((entry) => !isHere(entry))
  }

  async #inherits(heir: Peer, given: readonly ObjectEntry[]): Promise<boolean> {
    const { options, values } = this.#worker
    const owner = toHex(options.workerId)
    const all = given.values().map((entry) => values.toInherit(entry))
    for (const objects of inheritedBatches(all)) {
      const answer = heir.channel?.request('inherit', { owner, address: options.address, objects })
      if ((await answer) !== true) return false
    }
    return true
  }

  /** HV2. By where each of what it has is now. @returns whether it is told of all of that. */
  async #moveBorrower(borrower: Peer): Promise<boolean> {
    const { references, options } = this.#worker
    const lent = references.borrowers.lentTo(borrower)
    const byOwner = Map.groupBy(lent, ([id]) => references.find(id)?.sharing?.ownerAddress)
    for (const [to, of] of byOwner) {
      if (to === undefined) continue // it is not given away
      const objectIds = of.map(([id]) => id)
      const message = { from: options.address, to, objectIds }
      if (to !== borrower.knownAddress) {
        if (borrower.channel === undefined) return false
        await borrower.channel.request('ownerMoved', message)
      }
      for (const [id, times] of of) references.borrowers.release(borrower, id, times)
    }
    return true
  }
}

/** Whether that was answered with yes. */
async function settledWell(asked: Promise<boolean>): Promise<boolean> {
  try {
    return await asked
  } catch {
    return false // who was asked may be gone: the error is of ours, or of the system
  }
}
