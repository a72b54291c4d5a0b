// A process that leaves because its node does gives what it owns, and others need, to one of those
// who hold it: its heir, on another node. What is large goes to a node that stays first.
//   owner     handOn ─► inherit ─► its entries are borrowed from the heir ─► ownerMoved ─► leaves
//   heir      adopts the owner, with its consent, and has what it owned (adoption.ts)
//   borrower  registers with the heir
// Invariants:
//   HV1. What is awaited is given once it is complete, as its task may go on elsewhere; nothing is
//        made again.
//   HV2. An object is held here until each borrower is registered with the heir, and what is inside
//        it with its own owner. For who cannot be reached it is held until the time is up.
//   HV3. Actors that this process has made are not given away: they end with it.
import { VirgaError } from '../common/errors.ts'
import { toHex } from '../common/ids.ts'
import type { Inherited } from '../protocol/peer-messages.ts'
import type { CoreWorker } from './core-worker.ts'
import { STORED, type ObjectEntry } from './object-entry.ts'
import type { Peer } from './peers.ts'

const BATCH_OBJECTS_MAX = 256
const BATCH_BYTES_MAX = 1024 * 1024
/** Nobody may have room, or be an heir that stays, and in a moment somebody is. */
const AGAIN_MS = 500

export class HandOver {
  readonly #worker: CoreWorker
  #isRunning = false
  #heir: Peer | undefined
  /** What is given once it is complete. */
  readonly #awaited = new WeakSet<ObjectEntry>()

  constructor(worker: CoreWorker) {
    this.#worker = worker
  }

  /** Gives away what can be given now; what nobody takes is read here until the time is up. */
  run(): void {
    const { adoption, deps, handoffs } = this.#worker
    // Where there is one node, nobody stays. What is on its way is given when it has arrived.
    if (this.#isRunning || adoption === undefined || handoffs.isOpen) return
    this.#isRunning = true
    const ended = (isGiven: boolean): void => {
      this.#isRunning = false
      if (isGiven) return
      deps.clock.after(AGAIN_MS, () => {
        this.run()
      })
    }
    this.#giveAll().then(ended, (error: unknown) => {
      if (!(error instanceof VirgaError)) throw error
      ended(false)
    })
  }

  /** @returns whether all that is complete was given. */
  async #giveAll(): Promise<boolean> {
    const { references, deps } = this.#worker
    const needed = references.needed()
    for (const entry of needed) if (entry.pending) this.#await(entry)
    const given = needed.filter(({ pending }) => !pending)
    const stored = given.filter(({ state }) => state === STORED)
    const objectIds = stored.map((entry) => references.idOf(entry))
    if (objectIds.length > 0 && !(await deps.raylet.request('handOn', { objectIds }))) return false
    const isGiven = given.length === 0 || (await this.#findHeir(given))
    await Promise.all(references.borrowers().map((peer) => this.#moveBorrower(peer)))
    return isGiven
  }

  /** HV1. */
  #await(entry: ObjectEntry): void {
    if (this.#awaited.has(entry)) return
    this.#awaited.add(entry)
    entry.whenComplete(() => {
      this.run()
    })
  }

  /** It has one heir: who adopts it is one process. */
  async #findHeir(given: readonly ObjectEntry[]): Promise<boolean> {
    const { ownNodeId, references } = this.#worker
    const heirs = this.#heir === undefined ? references.borrowers() : [this.#heir]
    for (const heir of heirs) {
      if (heir.nodeId === ownNodeId || !(await this.#inherits(heir, given))) continue
      this.#heir = heir
      for (const entry of given) references.moved(entry, heir.knownAddress)
      return true
    }
    return false
  }

  /** In batches, so that no message is larger than others are. */
  async #inherits(heir: Peer, given: readonly ObjectEntry[]): Promise<boolean> {
    const { options, values } = this.#worker
    const owner = toHex(options.workerId)
    const left = [...given]
    while (left.length > 0) {
      const objects: Inherited[] = []
      for (let sizeBytes = 0; objects.length < BATCH_OBJECTS_MAX && sizeBytes < BATCH_BYTES_MAX;) {
        const entry = left.pop()
        if (entry === undefined) break
        const object = values.toInherit(entry)
        objects.push(object)
        if (object.value.kind !== 'stored') sizeBytes += object.value.blob.length
      }
      const answer = heir.channel?.request('inherit', { owner, address: options.address, objects })
      if ((await answer) !== true) return false
    }
    return true
  }

  /** HV2. By where each of what it has is now. */
  async #moveBorrower(borrower: Peer): Promise<void> {
    const { references, options } = this.#worker
    const byOwner = Map.groupBy(references.lentTo(borrower), ({ sharing }) => sharing?.ownerAddress)
    for (const [to, entries] of byOwner) {
      if (to === undefined) continue // it is not given away
      const objectIds = entries.map((entry) => references.idOf(entry))
      const message = { from: options.address, to, objectIds }
      if (to !== borrower.knownAddress) await borrower.channel?.request('ownerMoved', message)
      if (!borrower.closed) references.lentNoMore(borrower, objectIds)
    }
  }
}
